"""The version of qgen."""

__version__ = "0.1.0"
