"""The initial weights of a layer, drawn as often as they are asked for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from qgen.circuits import LayerCircuit
from qgen.errors import InputError, shown
from qgen.nn.initialisers import Initialiser, UniformAngle
from qgen.randomness import derive

WAYS = "give an Initialiser, as Normal() of qgen.nn.initialisers, or the numbers themselves"


@dataclass(frozen=True)
class Start:
    """Where the weights of a layer start.

    Attributes:
        circuit: the circuit.
        initial: an `Initialiser`, or the numbers; None: `UniformAngle`.
        seed: of what is drawn; None: from torch's global generator.
        copies: K circuits, which start apart; None: one, without an axis for them.

    Raises:
        InputError: the numbers are none, not finite, or of another shape than the weights.
    """

    circuit: LayerCircuit
    initial: Initialiser | npt.ArrayLike | None
    seed: int | None
    copies: int | None

    def __post_init__(self) -> None:
        if self.initial is not None and not isinstance(self.initial, Initialiser):
            object.__setattr__(self, "initial", _numbers(self.initial, self.shape))

    @property
    def shape(self) -> tuple[int, ...]:
        """(W,), or (K, W)."""
        single = (self.circuit.num_weights,)
        return single if self.copies is None else (self.copies, *single)

    def draw(self) -> torch.Tensor:
        """Weights of that shape, float64, on the CPU."""
        if isinstance(self.initial, np.ndarray):
            return torch.tensor(self.initial, device="cpu")
        if self.copies is None:
            return self._drawn(self.seed)
        # One more number mixed in for each, so that K circuits of one seed do not start as copies of one another.
        seeds = [None if self.seed is None else derive(self.seed, "circuit", k) for k in range(self.copies)]
        return torch.stack([self._drawn(seed) for seed in seeds])

    def _drawn(self, seed: int | None) -> torch.Tensor:
        rule = self.initial if isinstance(self.initial, Initialiser) else UniformAngle()
        with torch.device("cpu"):  # also where a module is built on another device, or on none
            generator = torch.Generator()
            generator.manual_seed(int(torch.randint(2**62, ()).item()) if seed is None else seed)
            drawn = rule.draw(self.circuit, generator)
        if drawn.shape != (self.circuit.num_weights,) or not drawn.isfinite().all():
            raise InputError(
                f"{rule} drew weights of shape {tuple(drawn.shape)}, or some that are not finite; this circuit has "
                f"{self.circuit.num_weights} weights"
            )
        return drawn


def _array(given: npt.ArrayLike) -> npt.NDArray[Any]:
    if not isinstance(given, torch.Tensor):
        return np.array(given)
    found = given.detach().cpu()
    return (found.double() if found.is_floating_point() else found).numpy()  # NumPy knows no bfloat16


def _numbers(given: npt.ArrayLike, shape: tuple[int, ...]) -> npt.NDArray[np.float64]:
    """Initial weights as an array of their own.

    Raises:
        InputError: see `Start`.
    """
    if isinstance(given, str | type) or (isinstance(given, torch.Tensor) and given.is_meta):
        raise InputError(f"initial = {shown(given)} is no rule for initial weights, and holds no numbers: {WAYS}")
    try:
        found = _array(given)
    except (TypeError, ValueError) as error:
        raise InputError(f"initial weights are not numbers in rows of one length ({error}): {WAYS}") from error
    if found.dtype == bool or not (np.isrealobj(found) and np.can_cast(found.dtype, np.float64)):
        raise InputError(f"initial = {shown(given)} holds no real numbers: {WAYS}")
    if found.shape != shape:
        raise InputError(f"initial weights have shape {found.shape}; give shape {shape}, one number a weight")
    if not np.isfinite(found).all():
        raise InputError("initial weights hold NaN or infinity; give finite numbers")
    return found.astype(np.float64)
