"""Parameter-shift rules: exact derivatives from values at shifted angles, on any backend."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from qgen.backends.api import Executable
from qgen.backends.batch import Batch, Gradients, parameter_rows
from qgen.backends.gradients.method import ValueAndVJP, is_real, parts
from qgen.backends.parameters import Doubles
from qgen.backends.parameters.shift_form import Frequencies
from qgen.errors import BackendError
from qgen.randomness import Seed


@dataclass(frozen=True)
class ParameterShift:
    """Derivatives for every occurrence of a parameter by the general parameter-shift rule, then the chain rule.

    A gate's angle takes two values a frequency: 2 for rotations and phases, controlled or not, 4 for controlled
    rotations. Angles that nothing wanted depends on, or that reach no observable, are left out. All values of a call,
    the forward ones among them, are one submission where that is billed, else as many parts as memory asks for. Source:
    Wierichs et al., "General parameter-shift rules for quantum gradients", 2022, arXiv:2107.12390.

    Attributes:
        fraction: share of the angles that is shifted, in (0, 1]: a random subset, drawn anew for each call from
            torch's global generator, and scaled up so that gradients stay unbiased.

    Raises:
        BackendError: the fraction is no number in that range.
    """

    fraction: float = 1.0

    def __post_init__(self) -> None:
        if not is_real(self.fraction) or not 0 < self.fraction <= 1:
            raise BackendError(f"parameter-shift: fraction = {self.fraction!r} must lie in (0, 1]; 1 takes all angles")

    def check(self, executable: Executable) -> None:
        """Every backend has values, which is all it takes."""

    def evaluations(self, executable: Executable, wants: tuple[bool, bool]) -> int:
        moved = self._wanted(executable, wants)
        sizes = sorted((2 * len(executable.shift_form.frequencies[k]) for k in moved), reverse=True)
        return 1 + sum(sizes[: self._subset_size(len(moved))])

    def value_and_vjp(
        self,
        executable: Executable,
        inputs: torch.Tensor,
        weights: torch.Tensor,
        wants: tuple[bool, bool],
        seed: Seed | None = None,
    ) -> ValueAndVJP:
        return executable.on_one_layout(lambda: self._value_and_vjp(executable, inputs, weights, wants, seed))

    def _value_and_vjp(
        self,
        executable: Executable,
        inputs: torch.Tensor,
        weights: torch.Tensor,
        wants: tuple[bool, bool],
        seed: Seed | None,
    ) -> ValueAndVJP:
        plan, batch = executable.batch(inputs, weights)
        shift_form, parameters = executable.shift_form, parameter_rows(batch)
        moves = self._moves(executable, wants)
        angles = shift_form.parameter_map.values(parameters)
        shifts = np.concatenate([np.zeros((1, angles.shape[1])), moves.shifts])
        streams = executable.streams(inputs, weights, seed)

        def evaluate(part: range) -> torch.Tensor:
            table = angles + shifts[part.start : part.stop, None]
            flat = table.reshape(table.shape[0] * table.shape[1], table.shape[2])
            return (
                shift_form.evaluate(flat, streams.for_evaluations(part)).detach().to(batch.inputs.device, torch.float64)
            )

        values = torch.cat([evaluate(part) for part in parts(executable, len(shifts), angles.size)])
        values = values.reshape(len(shifts), len(angles), executable.circuit.num_observables)

        def vjp(upstream: torch.Tensor) -> Gradients:
            upstream = plan.upstream(upstream).detach().double().to(values.device)
            slopes = torch.einsum("sno,no->ns", values[1:], upstream).cpu().numpy() * moves.coefficients
            d_angles = np.zeros_like(angles)
            np.add.at(d_angles.T, moves.angles, slopes.T)
            d_parameters = torch.from_numpy(shift_form.parameter_map.vjp(parameters, d_angles)).to(upstream.device)
            return plan.gather(_split(batch, d_parameters, wants), inputs, weights)

        return ValueAndVJP(plan.values(values[0]), vjp)

    def _moves(self, executable: Executable, wants: tuple[bool, bool]) -> _Moves:
        frequencies = executable.shift_form.frequencies
        moved = self._wanted(executable, wants)
        size = self._subset_size(len(moved))
        if size < len(moved):
            moved = moved[torch.randperm(len(moved))[:size].numpy()]
        scale = len(self._wanted(executable, wants)) / max(1, size)
        rules = [(int(k), shift_rule(frequencies[k])) for k in moved]
        index = np.array([k for k, rule in rules for _ in rule.shifts], dtype=np.int64)
        shifts = np.zeros((len(index), len(frequencies)))
        shifts[np.arange(len(index)), index] = [shift for _, rule in rules for shift in rule.shifts]
        coefficients = np.array([scale * factor for _, rule in rules for factor in rule.coefficients])
        return _Moves(index, shifts, coefficients)

    def _wanted(self, executable: Executable, wants: tuple[bool, bool]) -> npt.NDArray[np.int64]:
        """Return the angles that something wanted depends on and that reach an observable."""
        shift_form, inputs = executable.shift_form, executable.circuit.conditional.num_inputs
        depends = shift_form.parameter_map.depends
        wanted = (wants[0] & depends[:inputs].any(axis=0)) | (wants[1] & depends[inputs:].any(axis=0))
        return np.flatnonzero(
            wanted & np.array([bool(frequencies) for frequencies in shift_form.frequencies], dtype=bool)
        )

    def _subset_size(self, angles: int) -> int:
        return min(angles, max(1, round(self.fraction * angles)))


class _Moves(NamedTuple):
    """S shifted evaluations: the angle that each moves, the shifts (S, A), and their coefficients (S,)."""

    angles: npt.NDArray[np.int64]
    shifts: Doubles
    coefficients: Doubles


def _split(batch: Batch, d_parameters: torch.Tensor, wants: tuple[bool, bool]) -> Gradients:
    """Split gradients (N, I + W) into (N, I) and (R, W), summed over samples that share their weights."""
    inputs = batch.inputs.shape[1]
    d_weights = d_parameters.new_zeros(batch.weights.shape)
    if wants[1]:
        d_weights.index_add_(0, batch.weight_rows, d_parameters[:, inputs:])
    return d_parameters[:, :inputs] if wants[0] else None, d_weights if wants[1] else None


class ShiftRule(NamedTuple):
    """f'(a) = sum of coefficients (2 R,) * f(a + shifts (2 R,)) for every f with R given frequencies; radians."""

    shifts: Doubles
    coefficients: Doubles


@lru_cache
def shift_rule(frequencies: Frequencies) -> ShiftRule:
    """Return the rule with equidistant shifts, for frequencies that are the multiples 1 to R of the lowest one.

    It takes two evaluations a frequency, as few as any rule that holds for all such functions. Source: Wierichs, Izaac,
    Wang and Lin, "General parameter-shift rules for quantum gradients", 2022, arXiv:2107.12390, equation (20).
    """
    count, lowest = 2 * len(frequencies), min(frequencies)
    numbers = np.arange(1, count + 1)
    at = (2 * numbers - 1) * np.pi / count
    coefficients = (-1.0) ** (numbers - 1) / (2 * count * np.sin(at / 2) ** 2)
    return ShiftRule(np.where(at < np.pi, at, at - 2 * np.pi) / lowest, lowest * coefficients)
