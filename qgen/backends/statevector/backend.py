"""Backend `statevector`: from tensors to the engine that fits their device, and back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import psutil
import torch

from qgen.backends.api import Backend, Batch, Capabilities, Executable, ValuesAndVJP
from qgen.backends.parameters import ParameterMap
from qgen.backends.settings import BackendSettings
from qgen.backends.statevector.autograd_engine import autograd_values
from qgen.backends.statevector.cpu_engine import AngleRows, CpuEngine, Doubles, Record, half_turns
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

    def compile(self, circuit: LayerCircuit) -> Executable:
        check_memory(circuit.qubits)
        return StatevectorExecutable(circuit, self)


def open_statevector(settings: BackendSettings, journal: Path | None) -> Backend:
    """Open the backend; see `qgen.backends.registry`."""
    return StatevectorBackend()


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

    def __init__(self, circuit: LayerCircuit, backend: Backend) -> None:
        super().__init__(circuit, backend)
        self._program = compile_program(circuit.conditional)
        conditional = self._program.circuit
        weights = set(conditional.weights)
        self._mixed = any(weights & set(angle.parameters) for angle in self._program.row_angles)
        self._weight_angles = ParameterMap(self._program.weight_angles, conditional.weights)
        self._row_angles = ParameterMap(
            self._program.row_angles, conditional.inputs + (conditional.weights if self._mixed else ())
        )
        self._cpu = CpuEngine(self._program)
        self._device = DeviceEngine(self._program)

    def __reduce__(self) -> Any:
        return StatevectorExecutable, (self.circuit, self.backend)  # compiled functions do not pickle: compile again

    def evaluate(self, batch: Batch, streams: Streams) -> torch.Tensor:
        if not on_processor(batch.inputs):
            with torch.no_grad():
                shared, own = self._angles(batch.inputs.double(), batch.weights.double(), batch.weight_rows)
            return self._device.values(shared, own, batch.weight_rows, batch.inputs.dtype)
        _, _, angles = self._arrays(batch)
        return torch.from_numpy(self._cpu.values(self._cpu.record(angles, _numpy_type(batch))))

    def evaluate_vjp(
        self, batch: Batch, upstream: torch.Tensor, wants: tuple[bool, bool], streams: Streams
    ) -> tuple[torch.Tensor | None, torch.Tensor | None]:
        if not any(wants):
            return None, None
        if not on_processor(batch.inputs):
            return self._vjp_on_device(batch, upstream, wants)
        weights, parameters, angles = self._arrays(batch)
        return self._pull_back(weights, parameters, self._cpu.record(angles, _numpy_type(batch)), upstream, wants)

    def evaluate_with_vjp(self, batch: Batch, wants: tuple[bool, bool], streams: Streams) -> ValuesAndVJP:
        if not (on_processor(batch.inputs) and any(wants)):
            return super().evaluate_with_vjp(batch, wants, streams)
        weights, parameters, angles = self._arrays(batch)
        record = self._cpu.record(angles, _numpy_type(batch), keep=True)
        values = torch.from_numpy(self._cpu.values(record))
        if not record.kept:  # then it is not worth its memory either
            return values, lambda upstream: self.evaluate_vjp(batch, upstream, wants, streams)
        return values, lambda upstream: self._pull_back(weights, parameters, record, upstream, wants)

    def _pull_back(
        self, weights: Doubles, parameters: Doubles, record: Record, upstream: torch.Tensor, wants: tuple[bool, bool]
    ) -> tuple[torch.Tensor | None, torch.Tensor | None]:
        """Return the gradients of `evaluate_vjp`, for arrays of `_arrays`."""
        d_shared, d_own = self._cpu.gradients(record, upstream.double().numpy(), *wants)
        d_parameters = self._row_angles.vjp(parameters, d_own)
        inputs = self._program.circuit.num_inputs
        d_inputs = torch.from_numpy(d_parameters[:, :inputs]) if wants[0] else None
        if not wants[1]:
            return d_inputs, None
        d_weights = self._weight_angles.vjp(weights, d_shared)
        if self._mixed:
            np.add.at(d_weights, record.angles.weight_rows, d_parameters[:, inputs:])
        return d_inputs, torch.from_numpy(d_weights)

    def evaluate_autograd(self, batch: Batch, streams: Streams) -> torch.Tensor:
        rows = batch.weight_rows
        shared, own = self._angles(batch.inputs.double(), batch.weights.double(), rows)
        return autograd_values(self._device, shared, own, rows, batch.inputs.dtype)

    def _arrays(self, batch: Batch) -> tuple[Doubles, Doubles, AngleRows]:
        """Weights (R, W), parameters of the samples' own angles (N, ·), and all angles."""
        inputs, weights = batch.inputs.detach().numpy(), batch.weights.detach().numpy()
        rows = batch.weight_rows.numpy()
        wide = weights.astype(np.float64)
        parameters = inputs.astype(np.float64)
        if self._mixed:
            parameters = np.concatenate([parameters, wide[rows]], axis=1)
        shared, own = self._weight_angles.values(wide), self._row_angles.values(parameters)
        angles = AngleRows(half_turns(shared), half_turns(own), rows, batch.order.numpy())
        return wide, parameters, angles

    def _angles(
        self, inputs: torch.Tensor, weights: torch.Tensor, rows: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """ParameterMap of weights (R, ·) and of samples (N, ·), differentiable, on any device."""
        parameters = torch.cat([inputs, weights[rows]], dim=1) if self._mixed else inputs
        return self._weight_angles(weights), self._row_angles(parameters)

    def _vjp_on_device(
        self, batch: Batch, upstream: torch.Tensor, wants: tuple[bool, bool]
    ) -> tuple[torch.Tensor | None, torch.Tensor | None]:
        inputs = batch.inputs.detach().double().requires_grad_(wants[0])
        weights = batch.weights.detach().double().requires_grad_(wants[1])
        with torch.enable_grad():
            angles = self._angles(inputs, weights, batch.weight_rows)
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


def _numpy_type(batch: Batch) -> type[np.floating[Any]]:
    return np.float32 if batch.inputs.dtype == torch.float32 else np.float64
