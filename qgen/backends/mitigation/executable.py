"""MitigatedExecutable: values of a circuit at several noise factors, combined; so are their derivatives."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property, reduce
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from qiskit.circuit import ParameterExpression

from qgen.backends.api import Backend, Executable, ShiftForm
from qgen.backends.batch import Batch, Gradients
from qgen.backends.device.executable import DeviceExecutable
from qgen.backends.device.routing import RoutedCircuit
from qgen.backends.drawing import Bits
from qgen.backends.mitigation.method import Mitigation
from qgen.backends.mitigation.readout import Calibration
from qgen.backends.mitigation.shots import mitigate_rows
from qgen.backends.parameters import Doubles
from qgen.circuits import LayerCircuit
from qgen.errors import BackendError
from qgen.randomness import Streams
from qgen.transpilation.folding import is_folded

Columns = npt.NDArray[np.int64]


class Read(NamedTuple):
    """A circuit whose qubits are all read along Z, with the errors of that.

    Attributes:
        executable: the circuit.
        confusion: of its qubits, (n, 2, 2); see `Calibration`.
    """

    executable: DeviceExecutable
    confusion: Doubles


class MitigatedExecutable(Executable):
    """A circuit whose values are linear combinations of those of folded ones.

    Extrapolation is linear in the values, so gradients and derivatives of these are combined alike. Each noise factor
    draws shots and errors from streams of its own.

    Args:
        circuit: the layer's circuit.
        backend: that it was compiled for.
        mitigation: says what each part counts.
        parts: the circuit at each of the noise factors.
        read: returns what bits are drawn from.
    """

    def __init__(
        self,
        circuit: LayerCircuit,
        backend: Backend,
        mitigation: Mitigation,
        parts: Sequence[DeviceExecutable],
        read: Callable[[], Read],
    ) -> None:
        super().__init__(circuit, backend)
        self.mitigation, self.parts, self._open = mitigation, tuple(parts), read
        self.draws = any(part.draws for part in parts)
        self.second_derivatives = all(part.second_derivatives for part in parts)

    def __reduce__(self) -> Any:
        return _compiled, (self.backend, self.circuit)  # simulators do not pickle: compile again

    @property
    def method(self) -> str:
        methods = dict.fromkeys(part.method for part in self.parts)
        return f"{self.mitigation}: {'; '.join(methods)}"

    def evaluate(self, batch: Batch, streams: Streams) -> torch.Tensor:
        return self._combined(lambda part, own: part.evaluate(batch, own), streams)

    def draw_rows(self, batch: Batch, shots: int, streams: Streams) -> Bits:
        if len(self.parts) > 1:
            raise BackendError(
                f"mitigation `{self.mitigation}` extrapolates values, of which no bits are drawn: take `readout` "
                "alone, or leave it out"
            )
        read = self._read
        bits = read.executable.draw_rows(batch, shots, streams)
        return mitigate_rows(bits, Calibration(read.confusion, shots).errors(streams), streams)

    def evaluate_vjp(
        self, batch: Batch, upstream: torch.Tensor, wants: tuple[bool, bool], streams: Streams
    ) -> Gradients:
        found = [
            part.evaluate_vjp(batch, coefficient * upstream, wants, own)
            for coefficient, part, own in self._terms(streams)
        ]
        d_inputs, d_weights = ([one for one in of_all if one is not None] for of_all in zip(*found, strict=True))
        return reduce(torch.add, d_inputs) if d_inputs else None, reduce(torch.add, d_weights) if d_weights else None

    def evaluate_autograd(self, batch: Batch, streams: Streams) -> torch.Tensor:
        return self._combined(lambda part, own: part.evaluate_autograd(batch, own), streams)

    @cached_property
    def shift_form(self) -> ShiftForm:
        """The circuit as a function of the most folded circuit's angles, of which the others have a part."""
        forms, most = [part.shift_form for part in self.parts], self.mitigation.factors[-1]
        columns = [_columns(self.parts[0].routed, factor, most) for factor in self.mitigation.factors]

        def evaluate(angles: Doubles, streams: Streams) -> torch.Tensor:
            values = [
                coefficient * form.evaluate(np.ascontiguousarray(angles[:, own]), drawn)
                for form, own, (coefficient, _, drawn) in zip(forms, columns, self._terms(streams), strict=True)
            ]
            return reduce(torch.add, values)

        return ShiftForm(forms[-1].parameter_map, forms[-1].frequencies, evaluate)

    @cached_property
    def _read(self) -> Read:
        return self._open()

    def _combined(self, call: Callable[[DeviceExecutable, Streams], torch.Tensor], streams: Streams) -> torch.Tensor:
        return reduce(torch.add, [coefficient * call(part, own) for coefficient, part, own in self._terms(streams)])

    def _terms(self, streams: Streams) -> Iterator[tuple[float, DeviceExecutable, Streams]]:
        """Each part with its coefficient and its streams; those of the circuit as it is are the given ones."""
        for part, factor, coefficient in zip(
            self.parts, self.mitigation.factors, self.mitigation.coefficients, strict=True
        ):
            own = streams.derived("noise factor", factor) if part.draws and factor > 1 else streams
            yield coefficient, part, own


def _columns(routed: RoutedCircuit, factor: int, most: int) -> Columns:
    """Return which angles of the circuit folded `most` times are those of the circuit folded `factor` times.

    Args:
        routed: the circuit as it is. An angle of a gate that is folded becomes one for each of its copies.
        factor: the noise factor of one circuit.
        most: that of the other one.
    """
    kept: list[int] = []
    place = 0
    for circuit in routed.circuits[:1]:
        for instruction in circuit.data[: routed.size]:
            angles = sum(isinstance(angle, ParameterExpression) for angle in instruction.params)
            folded = is_folded(instruction)
            kept += range(place, place + angles * (factor if folded else 1))
            place += angles * (most if folded else 1)
    return np.array(kept, dtype=np.int64)


def _compiled(backend: Backend, circuit: LayerCircuit) -> Executable:
    return backend.compile(circuit)
