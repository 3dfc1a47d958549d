"""Aer as a backend: exact values by its statevector method, all samples of a call in one run."""

from qgen.backends.aer.backend import AerBackend as AerBackend
