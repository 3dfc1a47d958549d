"""Backend `aer`: values from Aer, exact or sampled; gradients of exact ones from the exact engine."""

from __future__ import annotations

from typing import Any

import torch

from qgen.backends.aer.lowering import Lowering
from qgen.backends.aer.readout import Readout
from qgen.backends.aer.runner import Runner
from qgen.backends.aer.sampled import SampledExecutable
from qgen.backends.base import Backend, Batch, Capabilities, Executable
from qgen.backends.statevector import StatevectorBackend
from qgen.backends.statevector.program import compile_program
from qgen.circuits import LayerCircuit
from qgen.extras import require_aer
from qgen.randomness import Streams


class AerBackend(Backend):
    """Expectation values by Aer's statevector method, always in double precision.

    Aer has no adjoint gradients: for exact values they come from the engine of backend `statevector`, which is exact
    too. Sampled values are drawn from the probabilities that Aer computes.

    Args:
        shots: how often each circuit is measured; None: values are exact.

    Raises:
        BackendError: qiskit-aer is not installed.
    """

    def __init__(self, shots: int | None = None) -> None:
        require_aer("backend `aer`")
        self._shots = shots

    @property
    def name(self) -> str:
        return "aer"

    @property
    def capabilities(self) -> Capabilities:
        exact = self._shots is None
        return Capabilities(exact=exact, adjoint=exact, shots=self._shots, countable=exact)

    def compile(self, circuit: LayerCircuit) -> Executable:
        if self._shots is None:
            return AerExecutable(circuit, self)
        return SampledExecutable(circuit, self, self._shots)


class AerExecutable(Executable):
    """A circuit on Aer; tensors on a GPU are evaluated on the processor, and their values go back."""

    def __init__(self, circuit: LayerCircuit, backend: Backend) -> None:
        super().__init__(circuit, backend)
        self._engine = StatevectorBackend().compile(circuit)
        program = compile_program(circuit.conditional)
        self._lowering = Lowering(program)
        readout = Readout(program.strings, program.wires, circuit.num_observables)
        self._runner = Runner(self._lowering, readout, program.wires)

    def __reduce__(self) -> Any:
        return AerExecutable, (self.circuit, self.backend)  # what is compiled does not pickle: compile again

    def evaluate(self, batch: Batch, streams: Streams) -> torch.Tensor:
        if not len(batch.inputs):
            return batch.inputs.new_zeros(0, self.circuit.num_observables)
        values = self._runner.values(self._lowering.table(batch))
        return torch.from_numpy(values).to(batch.inputs.device)

    def pull_back(
        self, batch: Batch, upstream: torch.Tensor, wants: tuple[bool, bool], streams: Streams
    ) -> tuple[torch.Tensor | None, torch.Tensor | None]:
        return self._engine.pull_back(batch, upstream, wants, streams)

    def traced(self, batch: Batch, streams: Streams) -> torch.Tensor:
        return self._engine.traced(batch, streams)
