"""What a pass of a clipping rule rejects, told for most stacks by bounds, without measuring exactly."""
