"""BornMachine: a circuit without inputs as a distribution of bits, which its backend draws."""

from __future__ import annotations

from typing import Any, cast
from zlib import crc32

import torch
from torch import Tensor, nn

from qgen.backends import Backend, Executable
from qgen.backends.batch import Batch
from qgen.backends.drawing import along_z
from qgen.backends.statevector.outcomes import OutcomeProbabilities
from qgen.circuits import LayerCircuit
from qgen.circuits.iqp import IQP
from qgen.errors import CircuitError
from qgen.models.born.kernels import GaussianKernels, Kernel
from qgen.models.born.moments import fit_moments
from qgen.models.born.strings import data_values, exact_squared_differences, phases, squared_differences
from qgen.nn.compiled import CompiledCircuit

#: Qubits of exact probabilities: their gradients hold two states.
MOST_EXACT = 20


class BornMachine(nn.Module):
    """A distribution of bits: what a circuit reads, shot by shot.

    Source: Cheng, Chen and Wang, "Information perspective to probabilistic modeling: Boltzmann machines versus Born
    machines", 2018, arXiv:1712.04144.

    Training needs no device: an IQP circuit of any width learns from expectation values of sampled strings, any other
    circuit of up to 20 qubits from exact probabilities.

    Args:
        circuit: an IQP circuit, or a circuit without inputs.
        backend: where bits are drawn.
        hidden: the last qubits of a circuit that are not drawn; an IQP circuit has its own number.
        scales: of the Gaussian kernels of the loss, in bits.
        strings, samples: how many Z strings, and how many phases for each, a loss of an IQP circuit takes.
        seed: of the initial weights, which are small.

    Attributes:
        weight: (W,), the angles.
        bits: how many are drawn.
        kernel: of the loss.
        compiled: the circuit on its backend.
        gates: (), a checksum of which qubits the gates of an IQP circuit act on: the couplers of a device may change.

    Raises:
        CircuitError: the circuit has inputs, or more qubits than its loss allows.
        InputError: a scale is not above zero.
        BackendError: the backend cannot serve it.
    """

    masks: Tensor
    gates: Tensor

    def __init__(
        self,
        circuit: IQP | LayerCircuit,
        backend: str | Backend = "statevector",
        hidden: int = 0,
        scales: tuple[float, ...] = (1.0, 2.0, 4.0),
        strings: int = 512,
        samples: int = 512,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.iqp = circuit if isinstance(circuit, IQP) else None
        self.circuit = circuit.circuit() if isinstance(circuit, IQP) else along_z(circuit)
        self.hidden = circuit.hidden if isinstance(circuit, IQP) else hidden
        if self.circuit.num_inputs:
            raise CircuitError(f"a Born machine has no inputs, and this circuit has {self.circuit.num_inputs}")
        if self.iqp is None and self.circuit.qubits > MOST_EXACT:
            raise CircuitError(
                f"a circuit of {self.circuit.qubits} qubits is learned from all its probabilities, which "
                f"{MOST_EXACT} qubits allow at most: take fewer, or an IQP circuit, of any width"
            )
        self.strings, self.samples = strings, samples
        self.bits = self.circuit.qubits - self.hidden
        self.kernel = GaussianKernels(self.bits, scales)
        self.compiled = CompiledCircuit.build(self.circuit, backend)
        self.outcomes = None if self.circuit.qubits > MOST_EXACT else OutcomeProbabilities(self.circuit)
        source = torch.Generator().manual_seed(seed)
        self.weight = nn.Parameter(0.1 * torch.randn(self.circuit.num_weights, generator=source))
        masks = torch.zeros(0, 0) if self.iqp is None else torch.from_numpy(self.iqp.masks).float()
        self.register_buffer("masks", masks, persistent=False)
        self.register_buffer("gates", torch.tensor(0 if self.iqp is None else crc32(self.iqp.masks.tobytes())))

    @property
    def executable(self) -> Executable:
        """What draws the bits."""
        return self.compiled.executable

    def bind_weights(self) -> None:
        """Compile for the weights as they are now, as sampling does; see `QuantumLayer.bind_weights`.

        Raises:
            BackendError, CircuitError: the backend cannot serve the circuit at these weights.
        """
        self.compiled = self.compiled.bound(self.weight)

    def release_weights(self) -> None:
        """Compile for any weights."""
        self.compiled = self.compiled.bound(None)

    def draw(self, count: int, seed: int) -> Tensor:
        """Return bits (count, n), uint8, on the CPU: as many shots of the one circuit."""
        weights = self.weight.detach().double().cpu()
        return self.executable.draw(torch.zeros(0, dtype=torch.float64), weights, count, seed)[:, : self.bits]

    def probabilities(self) -> Tensor:
        """Return the probabilities (2^n,) of the drawn bits, exactly and differentiably; bit q is what qubit q reads.

        Raises:
            CircuitError: more than 20 qubits.
        """
        if self.outcomes is None:
            raise CircuitError(f"probabilities of {self.circuit.qubits} qubits: {MOST_EXACT} are the most")
        joint: Tensor = cast(Any, _Probabilities).apply(self.weight, self.outcomes)
        return joint.reshape(1 << self.hidden, -1).sum(0)

    def loss(self, bits: Tensor, source: torch.Generator, kernel: Kernel | None = None) -> Tensor:
        """Return an estimate of the squared MMD between the distribution of these bits and that of what is drawn.

        Unbiased: it may be negative, where it is zero within its error.

        Args:
            bits: (B, n), float, 0 or 1: samples.
            source: of the strings and phases of an IQP circuit, on the CPU.
            kernel: another one than its own, such as `AdaptiveKernel`.
        """
        kernel = self.kernel if kernel is None else kernel
        if self.iqp is None:
            codes = (bits.long() << torch.arange(self.bits, device=bits.device)).sum(1)
            data = torch.bincount(codes, minlength=1 << self.bits) / len(bits)
            return kernel.exact_mmd(exact_squared_differences(self.probabilities(), data, len(bits)))
        own = kernel.draw(self.strings, source).to(bits.device)
        uniform = torch.rand(self.samples, self.iqp.qubits, generator=source).round().to(bits.device)
        padded = nn.functional.pad(own, (0, self.hidden))
        cosines = phases(self.weight, self.masks, padded, uniform).cos()
        return kernel.mmd(squared_differences(cosines, data_values(bits, own), len(bits)), own)

    @torch.no_grad()
    def start(self, mean: Tensor, second: Tensor) -> None:
        """Set an IQP circuit's angles by the data, so that means and correlations of bits come near; see `fit_moments`.

        Source: Lerch et al., 2026: a start that depends on the data has no barren plateau, unlike random angles.

        Args:
            mean: (n,), of the bits.
            second: (n, n), means of their products.
        """
        if self.iqp is None:
            return
        wanted = 1 - 2 * mean, 1 - 2 * (mean + mean[:, None]) + 4 * second
        source = torch.Generator().manual_seed(int(self.gates))
        self.weight.copy_(fit_moments(self.iqp.gates, self.iqp.qubits, *wanted, source))

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *others: Any) -> None:
        """Refuse angles of other gates; runs of before the checksum have none."""
        if int(state_dict.setdefault(f"{prefix}gates", self.gates)) != int(self.gates):
            raise CircuitError(
                "the couplers of the device are other ones than those that this run was trained on: install the "
                "qiskit-ibm-runtime that its provenance names, or train it anew"
            )
        super()._load_from_state_dict(state_dict, prefix, *others)


class _Probabilities(torch.autograd.Function):
    """The probabilities (2^n,) of a circuit's outcomes at weights (W,), and their adjoint."""

    @staticmethod
    def forward(ctx: Any, weight: Tensor, outcomes: OutcomeProbabilities) -> Tensor:
        ctx.outcomes = outcomes
        ctx.save_for_backward(weight)
        return outcomes.values(_batch(weight))[0]

    @staticmethod
    def backward(ctx: Any, *upstream: Tensor) -> tuple[Tensor | None, None]:
        (weight,) = ctx.saved_tensors
        _, found = ctx.outcomes.vjp(_batch(weight), upstream[0][None], (False, True))
        return found[0].to(weight.dtype), None


def _batch(weight: Tensor) -> Batch:
    place = torch.zeros(1, dtype=torch.int64, device=weight.device)
    return Batch(weight.new_zeros(1, 0), weight.detach()[None], place, place)
