"""Masters for astrophotography: bias, dark, dark flat and flat frames integrated, filed and looked after."""

__version__ = "0.1.0"
