"""What a pass of a clipping rule rejects, told for most stacks by bounds, without measuring exactly.

``winsorized_proof`` proves of most stacks that they lose nothing, ``winsorized`` foresees what others lose; ``line``
does both for the other rule. ``scale``, ``spread``, ``tangents`` and ``bracket`` are the bounds these rest on,
``stacks`` is what proofs look at.
"""
