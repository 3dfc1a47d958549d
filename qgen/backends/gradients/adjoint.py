"""The adjoint method."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from qgen.backends.api import Executable
from qgen.backends.gradients.method import ValueAndVJP
from qgen.errors import BackendError
from qgen.randomness import Seed


@dataclass(frozen=True)
class Adjoint:
    """The adjoint method: one backward sweep through the circuit gives all gradients at once, exactly.

    Needs the state itself, so it runs on exact backends only. Source: Jones and Gacon, "Efficient calculation of
    gradients in classical simulations of variational quantum algorithms", 2020, arXiv:2009.02823; here in the form of
    backends/statevector/ADJOINT.md.
    """

    def check(self, executable: Executable) -> None:
        if not executable.backend.capabilities.adjoint:
            raise BackendError(
                f"backend `{executable.backend.name}` has no adjoint gradients: use gradient `parameter-shift` or "
                "`spsa`, or backend `statevector`"
            )

    def value_and_vjp(
        self,
        executable: Executable,
        inputs: torch.Tensor,
        weights: torch.Tensor,
        wants: tuple[bool, bool],
        seed: Seed | None = None,
    ) -> ValueAndVJP:
        return ValueAndVJP(*executable.expectations_with_vjp(inputs, weights, wants, seed))

    def evaluations(self, executable: Executable, wants: tuple[bool, bool]) -> int:
        return 1
