"""What a pass of a clipping rule rejects, told for most stacks by bounds, without measuring exactly.

``winsorized_proof`` and ``line_proof`` prove of most stacks that they lose nothing; ``winsorized`` foresees what others
lose. ``scale``, ``spread`` and ``bracket`` are the bounds these rest on, ``stacks`` is what the proofs look at.
"""
