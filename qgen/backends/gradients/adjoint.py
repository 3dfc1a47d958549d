"""The adjoint method."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from qgen.backends.base import Executable
from qgen.backends.batching import Gradients
from qgen.backends.gradients.method import Recorded
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

    def record(
        self,
        executable: Executable,
        inputs: torch.Tensor,
        weights: torch.Tensor,
        wants: tuple[bool, bool],
        seed: Seed | None = None,
    ) -> Recorded:
        streams = executable.streams(inputs, weights, seed)

        def pull_back(upstream: torch.Tensor) -> Gradients:
            return executable.adjoint(inputs, weights, upstream, wants, streams)

        return Recorded(executable.expectations(inputs, weights, streams), pull_back)

    def evaluations(self, executable: Executable, wants: tuple[bool, bool]) -> int:
        return 1
