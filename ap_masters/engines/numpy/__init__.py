"""The built-in integrator: pure numpy, exact, in bounded memory."""

from ap_masters.engines.numpy.engine import NumpyEngine

__all__ = ["NumpyEngine"]
