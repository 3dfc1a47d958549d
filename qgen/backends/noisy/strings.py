"""Observables as sums of Pauli strings of the wires, with the errors of basis changes and readout in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from qiskit.circuit import Parameter

from qgen.backends.device.routing import RoutedCircuit
from qgen.backends.measurement.bases import Pauli, pauli_strings
from qgen.backends.noisy.steps import WireNoise, steps_of
from qgen.circuits import LayerCircuit
from qgen.errors import BackendError

Doubles = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
#: Parts of a string below this are rounding of an exact zero.
_ROUNDING = 1e-14
#: Wires of a circuit: a key has two bits for each.
MOST_WIRES = 31
#: Strings that one string of the observables may become: as it is read, a Pauli with an error is a sum of two or more.
MOST_PARTS = 1 << 21


class Strings(NamedTuple):
    """O observables: number o is the sum of coefficient[s] * r[key[s]] over s from start[o] to start[o + 1].

    r[key] = Tr(P rho) of the Pauli string with digits 0..3 (I, X, Y, Z), key = sum over wires of digit * 4^wire; key 0
    is the constant. Keys are ascending within an observable, each once.
    """

    start: Integers
    key: Integers
    coefficient: Doubles


def measured_strings(
    routed: RoutedCircuit, noise: WireNoise, circuit: LayerCircuit, columns: Mapping[Parameter, int], dt: float | None
) -> Strings:
    """Return the observables of a circuit, as they are read on a device.

    A string does not depend on the basis that it is read in: channels outside its support do not matter.

    Raises:
        BackendError: more than 31 wires, or an observable on too many of them.
    """
    if len(routed.physical) > MOST_WIRES:
        raise BackendError(
            f"the noisy engine takes circuits on up to {MOST_WIRES} qubits of a device, and this one is on "
            f"{len(routed.physical)}: `aer:` backends take more, with shots"
        )
    observables = circuit.conditional.observables
    totals: list[dict[int, float]] = [{} for _ in observables]
    for pauli, coefficients in pauli_strings(observables).items():
        parts = _read(pauli, routed, noise, columns, dt)
        for index in np.flatnonzero(coefficients):
            for key, part in parts.items():
                totals[index][key] = totals[index].get(key, 0.0) + float(coefficients[index]) * part
    keys = [sorted(total) for total in totals]
    start = np.concatenate([[0], np.cumsum([len(of_one) for of_one in keys])]).astype(np.int64)
    flat = [(key, total[key]) for of_one, total in zip(keys, totals, strict=True) for key in of_one]
    return Strings(start, np.array([key for key, _ in flat], dtype=np.int64), np.array([value for _, value in flat]))


def _read(
    pauli: Pauli, routed: RoutedCircuit, noise: WireNoise, columns: Mapping[Parameter, int], dt: float | None
) -> dict[int, float]:
    """Return what reading a Pauli string of the qubits measures, as strings of the wires."""
    parts = {0: 1.0}
    if not pauli.support:
        return parts
    qubits = len(routed.wires)
    axes = pauli.basis(qubits).axes
    index = next(k for k, basis in enumerate(routed.bases) if _is_read(axes, basis.axes))
    turned = routed.circuits[index]
    for qubit, wire in enumerate(routed.wires):
        if axes[qubit] == "I":
            continue
        a, b = noise.confusion[wire, 0, 1], noise.confusion[wire, 1, 0]
        dual = np.array([b - a, 0.0, 0.0, 1 - a - b])  # of Z as it is read, in the strings of the prepared bit
        of_wire = [one for one in turned.data[routed.size :] if turned.find_bit(one.qubits[0]).index == wire]
        for step in reversed(list(steps_of(turned, of_wire, columns, noise, dt))):
            dual = step.ptm().T @ dual
        digits = [(digit, value) for digit, value in enumerate(dual.tolist()) if abs(value) > _ROUNDING]
        if len(parts) * len(digits) > MOST_PARTS:
            raise BackendError(
                f"an observable on {pauli.support.bit_count()} qubits is a sum of more than {MOST_PARTS:,} Pauli "
                "strings as it is read with errors: measure fewer qubits together, or leave `readout` out of `noise`"
            )
        parts = {key + (digit << 2 * wire): part * value for key, part in parts.items() for digit, value in digits}
    return parts


def _is_read(axes: Sequence[str], basis: Sequence[str]) -> bool:
    return all(axis in ("I", read) for axis, read in zip(axes, basis, strict=True))
