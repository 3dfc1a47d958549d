"""The exact engine: batched expectation values and adjoint gradients, on processors and on GPUs."""

from qgen.backends.statevector.backend import StatevectorBackend as StatevectorBackend
