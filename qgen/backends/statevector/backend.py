"""Backend `statevector`: from tensors to the engine that fits their device, and back."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import psutil
import torch

from qgen.backends.api import Backend, Batch, Capabilities, Executable, ValuesAndVJP
from qgen.backends.batch import Gradients
from qgen.backends.drawing import Bits
from qgen.backends.settings import BackendSettings
from qgen.backends.statevector.angles import Angles
from qgen.backends.statevector.autograd_engine import autograd_values
from qgen.backends.statevector.cpu_engine import CpuEngine, Record
from qgen.backends.statevector.outcomes import OutcomeProbabilities
from qgen.backends.statevector.program import compile_program
from qgen.backends.statevector.torch_engine import DeviceEngine
from qgen.circuits import LayerCircuit
from qgen.errors import BackendError
from qgen.randomness import Streams

STATES_BYTES = 2 * 8  # an amplitude in each of the two states of one gradient, float32
MOST_QUBITS = 40  # beyond it even the count of amplitudes is out of reach, whatever the memory


class StatevectorBackend(Backend):
    """Exact expectation values and adjoint gradients of any unitary Qiskit circuit, batched."""

    @property
    def name(self) -> str:
        return "statevector"

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(exact=True, adjoint=True)

    def compile(self, circuit: LayerCircuit, weights: npt.ArrayLike | None = None) -> Executable:
        check_memory(circuit.qubits)
        return StatevectorExecutable(circuit, self)


def open_statevector(settings: BackendSettings, journal: Path | None) -> Backend:
    """Open the backend; see `qgen.backends.registry`."""
    return StatevectorBackend()


def fits(qubits: int) -> bool:
    """Whether `check_memory` lets so many qubits pass."""
    return qubits <= MOST_QUBITS and STATES_BYTES << qubits <= _memory()


def check_memory(qubits: int) -> None:
    """A gradient holds two states at the least: refuse before anything is allocated.

    Raises:
        BackendError: there is not enough memory; the message says how many qubits fit.
    """
    needed, available = STATES_BYTES << qubits, _memory()
    if qubits > MOST_QUBITS or needed > available:
        most = max(0, (available // STATES_BYTES).bit_length() - 1)
        raise BackendError(
            f"{qubits} qubits need {needed:,} bytes for the two states of one gradient in float32; "
            f"{available:,} bytes are available, enough for {most} qubits"
        )


def _memory() -> int:
    """Bytes available where circuits may run: this machine's memory, or the largest GPU's."""
    sizes = [int(psutil.virtual_memory().available)]
    if torch.cuda.is_available():
        sizes += [torch.cuda.get_device_properties(k).total_memory for k in range(torch.cuda.device_count())]
    return max(sizes)


class StatevectorExecutable(Executable):
    """A circuit compiled for the exact engine; CPU tensors run on the processor, others where they lie."""

    checks_numbers = True

    def __init__(self, circuit: LayerCircuit, backend: Backend) -> None:
        super().__init__(circuit, backend)
        self._program = compile_program(circuit.conditional)
        self._angles = Angles(self._program)
        self._cpu = CpuEngine(self._program)
        self._device = DeviceEngine(self._program)

    def __reduce__(self) -> Any:
        return StatevectorExecutable, (self.circuit, self.backend)  # compiled functions do not pickle: compile again

    def evaluate(self, batch: Batch, streams: Streams) -> torch.Tensor:
        if not on_processor(batch.inputs):
            with torch.no_grad():
                shared, own = self._angles.tensors(batch.inputs.double(), batch.weights.double(), batch.weight_rows)
            return self._device.values(shared, own, batch.weight_rows, batch.inputs.dtype)
        return torch.from_numpy(self._cpu.values(self._record(batch)))

    def evaluate_vjp(
        self, batch: Batch, upstream: torch.Tensor, wants: tuple[bool, bool], streams: Streams
    ) -> Gradients:
        if not any(wants):
            return None, None
        if not on_processor(batch.inputs):
            return self._vjp_on_device(batch, upstream, wants)
        return self._pull_back(batch, self._record(batch), upstream, wants)

    def evaluate_with_vjp(self, batch: Batch, wants: tuple[bool, bool], streams: Streams) -> ValuesAndVJP:
        if not (on_processor(batch.inputs) and any(wants)):
            return super().evaluate_with_vjp(batch, wants, streams)
        record = self._record(batch, keep=True)
        values = torch.from_numpy(self._cpu.values(record))
        if not record.kept:  # then the angles are not worth their memory either
            return values, lambda upstream: self.evaluate_vjp(batch, upstream, wants, streams)
        return values, lambda upstream: self._pull_back(batch, record, upstream, wants)

    def evaluate_autograd(self, batch: Batch, streams: Streams) -> torch.Tensor:
        rows = batch.weight_rows
        shared, own = self._angles.tensors(batch.inputs.double(), batch.weights.double(), rows)
        return autograd_values(self._device, shared, own, rows, batch.inputs.dtype)

    def draw_rows(self, batch: Batch, shots: int, streams: Streams) -> Bits:
        return self.outcomes.bits(batch, shots, streams)

    @cached_property
    def outcomes(self) -> OutcomeProbabilities:
        """The probabilities of all outcomes of the conditional circuit."""
        return OutcomeProbabilities(self.circuit.conditional)

    def _record(self, batch: Batch, keep: bool = False) -> Record:
        dtype = np.float32 if batch.inputs.dtype == torch.float32 else np.float64
        return self._cpu.record(self._angles.rows(batch), dtype, keep)

    def _pull_back(self, batch: Batch, record: Record, upstream: torch.Tensor, wants: tuple[bool, bool]) -> Gradients:
        d_shared, d_own = self._cpu.gradients(record, upstream.double().numpy(), *wants)
        return self._angles.pull_back(batch, d_shared, d_own, wants)

    def _vjp_on_device(self, batch: Batch, upstream: torch.Tensor, wants: tuple[bool, bool]) -> Gradients:
        inputs = batch.inputs.detach().double().requires_grad_(wants[0])
        weights = batch.weights.detach().double().requires_grad_(wants[1])
        with torch.enable_grad():
            angles = self._angles.tensors(inputs, weights, batch.weight_rows)
        shared, own = (angle.detach() for angle in angles)
        d_angles = self._device.gradients(shared, own, batch.weight_rows, upstream, batch.inputs.dtype)
        outputs = [(angle, d) for angle, d in zip(angles, d_angles, strict=True) if angle.requires_grad]
        gradients = torch.autograd.grad(
            [angle for angle, _ in outputs],
            [leaf for leaf in (inputs, weights) if leaf.requires_grad],
            [d for _, d in outputs],
            allow_unused=True,
            materialize_grads=True,
        )
        return gradients[0] if wants[0] else None, gradients[-1] if wants[1] else None


def on_processor(tensor: torch.Tensor) -> bool:
    """Whether a tensor lies in the processor's memory."""
    return tensor.device.type == "cpu"
