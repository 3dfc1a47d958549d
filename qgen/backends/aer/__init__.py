"""Aer as a backend: exact, sampled and noisy values, all samples of a call in one run."""

from qgen.backends.aer.exact import AerBackend as AerBackend
