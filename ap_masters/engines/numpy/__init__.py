"""The built-in integrator."""
