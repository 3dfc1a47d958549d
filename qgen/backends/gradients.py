"""Gradient methods as values: each answers the vector-Jacobian product that autograd asks for, or refuses."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from typing import Protocol

import torch

from qgen.backends.base import Executable
from qgen.errors import BackendError


class GradientMethod(Protocol):
    """How derivatives of expectation values are obtained on a backend."""

    def product(
        self,
        executable: Executable,
        inputs: torch.Tensor,
        weights: torch.Tensor,
        upstream: torch.Tensor,
        wants: tuple[bool, bool],
    ) -> tuple[torch.Tensor | None, torch.Tensor | None]:
        """Gradients of sum(upstream * expectations); see `Executable.adjoint` for the shapes."""
        ...


@dataclass(frozen=True)
class Adjoint:
    """The adjoint method: one backward sweep through the circuit gives all gradients at once, exactly.

    Needs the state itself, so it runs on exact backends only. Source: Jones and Gacon, "Efficient calculation of
    gradients in classical simulations of variational quantum algorithms", 2020, arXiv:2009.02823; here in the form of
    backends/statevector/ADJOINT.md.
    """

    def product(
        self,
        executable: Executable,
        inputs: torch.Tensor,
        weights: torch.Tensor,
        upstream: torch.Tensor,
        wants: tuple[bool, bool],
    ) -> tuple[torch.Tensor | None, torch.Tensor | None]:
        return executable.adjoint(inputs, weights, upstream, wants)


# The best that a backend has: today one method serves all backends that have gradients.
_METHODS = {"auto": Adjoint, "adjoint": Adjoint}


def resolve_gradient(method: str | GradientMethod, executable: Executable) -> GradientMethod:
    """The gradient method of that name, or the one given; `auto` takes the best that the backend has.

    Raises:
        BackendError: no such method, or none that this backend can serve.
    """
    if isinstance(method, str):
        if method not in _METHODS:
            near = get_close_matches(method, _METHODS, 1)
            hint = f", did you mean `{near[0]}`?" if near else "."
            raise BackendError(f"there is no gradient method `{method}`{hint} Known: {', '.join(_METHODS)}.")
        method = _METHODS[method]()
    if not callable(getattr(method, "product", None)):
        raise BackendError(
            f"{method!r} is no gradient method: give a `GradientMethod`, or one of {', '.join(_METHODS)}"
        )
    if isinstance(method, Adjoint) and not executable.backend.capabilities.adjoint:
        raise BackendError(
            f"backend `{executable.backend.name}` has no adjoint gradients: "
            "use backend `statevector`, or call `expectations` alone"
        )
    return method
