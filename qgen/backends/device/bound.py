"""Circuits compiled for the weights that they run with.

Sampling knows its weights. On a device a circuit of which they are numbers is shorter: the transpiler merges what it
has to keep apart while angles are open, and the SWAPs of routing into gates beside them. Inputs stay open, so that all
samples are still one circuit.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt
import torch

from qgen.backends.api import Backend, Executable, ShiftForm
from qgen.backends.batch import Batch, Gradients
from qgen.backends.device.saved_layouts import SavedLayouts
from qgen.backends.drawing import Bits
from qgen.circuits import LayerCircuit
from qgen.circuits.bound import BoundCircuit, bind_weights
from qgen.errors import BackendError, InputError
from qgen.randomness import Streams, derive

Weights = npt.NDArray[np.float64]


class BoundExecutable(Executable):
    """A circuit compiled for one row of weights, or for several, each of which is a circuit of its own.

    Args:
        circuit: the layer's circuit, with its weights open.
        backend: that it was compiled for.
        weights: (K, W), the rows that it takes.
        columns: of each row, the inputs of the conditional circuit that its circuit has; see `BoundCircuit`.
        parts: of each row, the compiled circuit, which has no weights.
    """

    bound = True

    def __init__(
        self,
        circuit: LayerCircuit,
        backend: Backend,
        weights: Weights,
        columns: Sequence[Sequence[int]],
        parts: Sequence[Executable],
    ) -> None:
        super().__init__(circuit, backend)
        self.weights, self.parts = weights, tuple(parts)
        self._columns = [torch.tensor(list(of_row), dtype=torch.int64) for of_row in columns]
        self._number = {_key(row): k for k, row in enumerate(weights)}
        self.draws, self.second_derivatives = any(part.draws for part in parts), False

    def __reduce__(self) -> Any:
        return _compiled, (self.backend, self.circuit, self.weights)  # simulators do not pickle: compile again

    @property
    def method(self) -> str:
        return "; ".join(dict.fromkeys(part.method for part in self.parts))

    def evaluate(self, batch: Batch, streams: Streams) -> torch.Tensor:
        values = batch.inputs.new_zeros(len(batch.inputs), self.circuit.num_observables, dtype=torch.float64)
        for part, rows, of_part, own in self._split(batch, streams):
            values[rows] = part.evaluate(of_part, own).to(values)
        return values

    def draw_rows(self, batch: Batch, shots: int, streams: Streams) -> Bits:
        bits = np.zeros((len(batch.inputs), shots, self.circuit.qubits), dtype=np.uint8)
        for part, rows, of_part, own in self._split(batch, streams):
            if len(rows):
                bits[rows.cpu().numpy()] = part.draw_rows(of_part, shots, own)
        return bits

    def evaluate_vjp(
        self, batch: Batch, upstream: torch.Tensor, wants: tuple[bool, bool], streams: Streams
    ) -> Gradients:
        if wants[1]:
            self._refuse_gradients()
        d_inputs = torch.zeros_like(batch.inputs, dtype=torch.float64)
        for (part, rows, of_part, own), columns in zip(self._split(batch, streams), self._columns, strict=True):
            found = part.evaluate_vjp(of_part, upstream[rows], (True, False), own)[0]
            if found is not None:
                d_inputs[rows[:, None], columns.to(rows)] = found.to(d_inputs)
        return d_inputs if wants[0] else None, None

    @property
    def shift_form(self) -> ShiftForm:
        self._refuse_gradients()

    def _refuse_gradients(self) -> NoReturn:
        raise BackendError(
            "this circuit was compiled for fixed weights, as sampling takes it: gradients by angles or weights come "
            "from `compile(circuit)` without weights, and from a QuantumLayer after `release_weights()`"
        )

    def _split(self, batch: Batch, streams: Streams) -> Iterator[tuple[Executable, torch.Tensor, Batch, Streams]]:
        """Yield each part with its samples, their batch and what they draw from.

        Raises:
            InputError: a sample has weights that the circuit was not compiled for.
        """
        numbers = self._numbers(batch)[batch.weight_rows]
        seeds = _row_seeds(streams) if len(self.parts) > 1 and len(streams) else None
        for k, part in enumerate(self.parts):
            rows = torch.nonzero(numbers == k).reshape(-1).to(batch.inputs.device)
            inputs = batch.inputs[rows].index_select(1, self._columns[k].to(rows.device))
            order = torch.arange(len(rows), device=rows.device)
            of_part = Batch(inputs, inputs.new_zeros(1, 0), torch.zeros_like(order), order)
            own = streams if seeds is None else Streams(tuple(seeds[row] for row in rows.tolist()), 1)
            yield part, rows, of_part, own

    def _numbers(self, batch: Batch) -> torch.Tensor:
        """Return which part each row (R,) of weights is for."""
        rows = batch.weights.detach().double().cpu().numpy()
        numbers = [self._number.get(_key(row)) for row in rows]
        if None in numbers:
            raise InputError(
                "these weights are not those that the circuit was compiled for: compile it for them "
                "(`backend.compile(circuit, weights)`, `QuantumLayer.bind_weights()`)"
            )
        return torch.tensor(numbers, dtype=torch.int64, device=batch.weight_rows.device)


def compile_bound(
    backend: Backend, circuit: LayerCircuit, weights: npt.ArrayLike, saved: SavedLayouts | None = None
) -> Executable:
    """Compile a circuit for fixed weights, on a backend that puts circuits onto devices.

    Args:
        backend: the backend.
        circuit: with W weights; without any it is compiled as it is.
        weights: (W,), or (K, W) for K rows, which are as many circuits.
        saved: layouts that the user chose. One of the circuit with its weights open is taken, too, and bound.

    Raises:
        InputError: weights of another shape, or not finite.
        BackendError, CircuitError: see `Backend.compile`.
    """
    if not circuit.num_weights:
        return backend.compile(circuit)
    rows, bound = bound_rows(circuit, weights, saved)
    parts = [backend.compile(one.circuit) for one in bound]
    return BoundExecutable(circuit, backend, rows, [one.columns for one in bound], parts)


def bound_rows(
    circuit: LayerCircuit, weights: npt.ArrayLike, saved: SavedLayouts | None = None
) -> tuple[Weights, list[BoundCircuit]]:
    """Return distinct rows of weights (K, W), and the circuit of each; see `compile_bound`."""
    given = np.asarray(weights, dtype=np.float64)
    rows = np.atleast_2d(given)
    if rows.ndim != 2 or rows.shape[1] != circuit.num_weights:
        raise InputError(
            f"weights have shape {given.shape}, but this circuit is compiled for ({circuit.num_weights},), or for "
            f"several rows (K, {circuit.num_weights})"
        )
    distinct = np.array(list({_key(row): row for row in rows}.values())).reshape(-1, circuit.num_weights)
    bound = [bind_weights(circuit, row) for row in distinct]
    if saved is not None:
        for row, one in zip(distinct, bound, strict=True):
            saved.bind(circuit, row, one.circuit)
    return distinct, bound


def _key(row: Weights) -> bytes:
    return np.ascontiguousarray(row + 0.0).tobytes()


def _row_seeds(streams: Streams) -> list[int]:
    """Return a seed for each row, so that rows of one part draw what is theirs, wherever they are."""
    return [derive(seed, "row", row) for seed in streams.seeds for row in range(streams.rows_per_seed)]


def _compiled(backend: Backend, circuit: LayerCircuit, weights: Weights) -> Executable:
    return backend.compile(circuit, weights)
