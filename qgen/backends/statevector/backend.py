"""Backend `statevector`: from tensors to the engine that fits their device, and back."""

from __future__ import annotations

from typing import Any

import numpy as np
import psutil
import torch

from qgen.backends.base import Backend, Batch, Capabilities, Executable
from qgen.backends.statevector.angles import Angles
from qgen.backends.statevector.cpu import CpuEngine, angle_rows
from qgen.backends.statevector.device import DeviceEngine
from qgen.backends.statevector.program import compile_program
from qgen.circuits import LayerCircuit
from qgen.errors import BackendError

AMPLITUDE_BYTES = {torch.float32: 8, torch.float64: 16}
MOST_QUBITS = 40  # beyond it even the count of amplitudes is out of reach, whatever the memory


class StatevectorBackend(Backend):
    """Exact expectation values and adjoint gradients of any unitary Qiskit circuit, batched."""

    @property
    def name(self) -> str:
        return "statevector"

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(exact=True, adjoint=True, devices=("cpu", "cuda"))

    def compile(self, circuit: LayerCircuit) -> Executable:
        _check_memory(circuit.qubits)
        return StatevectorExecutable(circuit, self)


def _check_memory(qubits: int) -> None:
    """A gradient holds two states at the least: refuse before anything is allocated."""
    needed, available = 2 * 8 << qubits, _memory()
    if qubits > MOST_QUBITS or needed > available:
        most = max(0, (available // 16).bit_length() - 1)
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
        self._weight_angles = Angles(self._program.weight_angles, conditional.weights)
        self._row_angles = Angles(self._program.row_angles, (*conditional.inputs, *conditional.weights))
        self._mixed = any(set(conditional.weights) & set(angle.parameters) for angle in self._program.row_angles)
        self._cpu = CpuEngine(self._program)
        self._device = DeviceEngine(self._program)

    def __reduce__(self) -> Any:
        return StatevectorExecutable, (self.circuit, self.backend)  # compiled functions do not pickle: compile again

    def evaluate(self, batch: Batch) -> torch.Tensor:
        with torch.no_grad():
            shared, own, rows = self._angles(batch)
            return self._engine_values(shared, own, rows, batch.inputs.dtype)

    def pull_back(
        self, batch: Batch, upstream: torch.Tensor, wants: tuple[bool, bool]
    ) -> tuple[torch.Tensor | None, torch.Tensor | None]:
        if not any(wants):
            return None, None
        inputs = batch.inputs.detach().requires_grad_(wants[0])
        weights = batch.weights.detach().requires_grad_(wants[1])
        with torch.enable_grad():
            shared, own, rows = self._angles(Batch(inputs, weights, batch.weight_rows))
        d_shared, d_own = self._engine_gradients(shared, own, rows, upstream, batch.inputs.dtype, wants)
        outputs = [(angle, d) for angle, d in ((shared, d_shared), (own, d_own)) if angle.requires_grad]
        leaves = [leaf for leaf in (inputs, weights) if leaf.requires_grad]
        found = torch.autograd.grad(
            [angle for angle, _ in outputs],
            leaves,
            [d for _, d in outputs],
            allow_unused=True,
            materialize_grads=True,
        )
        gradients = iter(found)
        return next(gradients) if wants[0] else None, next(gradients) if wants[1] else None

    def _angles(self, batch: Batch) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Angles of weights (R, ·), angles of samples (N, ·), and the row of the former that each sample uses."""
        weights, rows = batch.weights.double(), batch.weight_rows
        if len(weights) > 1 and 4 * len(weights) > len(rows):  # hardly anything to share: a row for every sample
            weights, rows = weights[rows], torch.arange(len(rows), device=rows.device)
        own_weights = weights[rows] if self._mixed else weights.new_zeros(len(rows), weights.shape[1])
        own = self._row_angles(torch.cat([batch.inputs.double(), own_weights], dim=1))
        return self._weight_angles(weights), own, rows

    def _engine_values(
        self, shared: torch.Tensor, own: torch.Tensor, rows: torch.Tensor, dtype: torch.dtype
    ) -> torch.Tensor:
        if not on_processor(own):
            return self._device.values(shared, own, rows, dtype)
        values = self._cpu.values(angle_rows(shared.numpy(), own.numpy(), rows.numpy()), _numpy_type(dtype))
        return torch.from_numpy(values)

    def _engine_gradients(
        self,
        shared: torch.Tensor,
        own: torch.Tensor,
        rows: torch.Tensor,
        upstream: torch.Tensor,
        dtype: torch.dtype,
        wants: tuple[bool, bool],
    ) -> tuple[torch.Tensor, torch.Tensor]:
        shared, own = shared.detach(), own.detach()
        if not on_processor(own):
            return self._device.gradients(shared, own, rows, upstream, dtype)
        angles = angle_rows(shared.numpy(), own.numpy(), rows.numpy())
        found = self._cpu.gradients(angles, _numpy_type(dtype), upstream.double().numpy(), *wants)
        return torch.from_numpy(found[0]), torch.from_numpy(found[1])


def on_processor(tensor: torch.Tensor) -> bool:
    """Whether a tensor lies in the processor's memory."""
    return tensor.device.type == "cpu"


def _numpy_type(dtype: torch.dtype) -> type[np.floating[Any]]:
    return np.float32 if dtype == torch.float32 else np.float64
