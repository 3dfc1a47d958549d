"""QuantumLayer: a circuit, or several of one form, as a torch module."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy.typing as npt
import torch
from qiskit_machine_learning.connectors import TorchConnector

from qgen.backends import Backend, GradientMethod
from qgen.circuits import LayerCircuit
from qgen.errors import InputError, short_repr
from qgen.nn.arguments import checked_circuit, checked_copies, checked_seed
from qgen.nn.autograd import evaluate
from qgen.nn.compiled import CompiledCircuit
from qgen.nn.connector import CircuitNetwork
from qgen.nn.initialisers import Initialiser, InitialWeights


class _TorchAttribute:
    """Hides a property of the base class, so that torch finds a parameter where it keeps it, or a replica's tensor."""

    def __get__(self, instance: object, owner: type) -> Any:
        raise AttributeError


class QuantumLayer(TorchConnector):
    """A parameterised circuit as a torch module: inputs (..., I) -> expectation values (..., O).

    It drops in wherever a `TorchConnector` is expected. Unlike one, it takes any number of leading axes, keeps the
    device and the floating-point type, computes only the gradients that are wanted, and evaluates a batch at once.
    Inputs and weights on a GPU stay there (backend `statevector`). All of `torch.func` works on it, and forward mode.

    With copies it is K circuits of one form, each with weights of its own: inputs (..., K, I) -> values (..., K, O).
    All of them, for all leading axes (images, patches), are one call of the backend.

    Args:
        circuit: the circuit, with its inputs, weights and observables.
        backend: where it runs: a name (`qgen.backends.backend_names()`) or a `Backend`.
        gradient: how it is differentiated: a name or a `GradientMethod`; `auto` takes the backend's best.
        shots: shots per circuit, for a backend that measures; see `qgen.backends.open_backend`. No two
            calls share their shots; `torch.manual_seed` repeats them.
        seed: of the initial weights, a whole number from 0 on; None draws them from torch's global generator. Layers
            with equal circuits and equal seeds start with equal weights; the copies of one layer never do.
        initial: the initial weights: an `Initialiser`, or the numbers themselves, in the shape of `weight`.
        copies: K, how many circuits; None: one, without an axis for them.

    Attributes:
        weight: the weights, a parameter of shape (W,), or (K, W), of torch's default type.
        compiled: the circuit as its backend runs and differentiates it.

    Raises:
        BackendError, CircuitError: the backend or its gradient cannot serve this circuit.
        InputError: another argument has no sense; or from a call whose input has another last axis than I, does not
            end in (K, I), or (on the CPU) holds NaN or infinity.
    """

    if TYPE_CHECKING:
        weight: torch.nn.Parameter
    else:
        weight = _TorchAttribute()

    def __init__(
        self,
        circuit: LayerCircuit,
        backend: str | Backend = "statevector",
        gradient: str | GradientMethod = "auto",
        shots: int | None = None,
        seed: int | None = 0,
        initial: Initialiser | npt.ArrayLike | None = None,
        copies: int | None = None,
    ) -> None:
        # Not the connector's own: it would build a network first, and register its weights twice.
        torch.nn.Module.__init__(self)
        self.copies = checked_copies(copies)
        self._initial = InitialWeights(checked_circuit(circuit), initial, checked_seed(seed), self.copies)
        self.compiled = CompiledCircuit.build(circuit, backend, gradient, shots)
        self._sparse = False  # of the connector
        self.weight = torch.nn.Parameter(torch.empty(self._initial.shape))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Reset the weights to their initial values; with `seed=None` they are drawn anew."""
        with torch.no_grad():
            self.weight.copy_(self._initial.draw())

    def bind_weights(self) -> None:
        """Compile for the weights as they are now, as sampling does: fewer gates, where a device runs the circuit.

        Until `release_weights` is called, other weights are refused there, and gradients by weights.

        Raises:
            BackendError, CircuitError: the backend cannot serve the circuit at these weights.
        """
        self.compiled = self.compiled.bound(self.weight)

    def release_weights(self) -> None:
        """Compile for any weights, as training does."""
        self.compiled = self.compiled.bound(None)

    @property
    def neural_network(self) -> CircuitNetwork:
        """The compiled circuit as a qiskit-machine-learning network, as every `TorchConnector` has one."""
        return CircuitNetwork(self.compiled)

    @property
    def circuit(self) -> LayerCircuit:
        """The circuit."""
        return self.compiled.circuit

    @torch.compiler.disable  # type: ignore[untyped-decorator]  # the graph goes around the circuit
    def forward(self, input_data: torch.Tensor | None = None) -> torch.Tensor:
        """Return expectation values (..., O) of the circuit at inputs (..., I), or (..., K, O) at (..., K, I).

        A circuit without inputs may go without.
        """
        weight = self.weight
        if input_data is None:
            input_data = weight.new_zeros(*weight.shape[:-1], 0)
        if not isinstance(input_data, torch.Tensor):
            raise InputError(
                f"a quantum layer takes a tensor {self._expected_shape()}, not {short_repr(input_data)}: "
                "torch.as_tensor(x, dtype=torch.float32) makes one"
            )
        if input_data.layout is not torch.strided:
            raise InputError(f"a quantum layer takes a dense tensor, not {input_data.layout}: give inputs.to_dense()")
        if self.copies is not None and input_data.shape[-2:] != (self.copies, self.circuit.num_inputs):
            raise InputError(f"this quantum layer takes inputs {self._expected_shape()}, not {tuple(input_data.shape)}")
        return evaluate(self.compiled, input_data.resolve_neg() if input_data.is_neg() else input_data, weight)

    def extra_repr(self) -> str:
        """Return the line that torch prints for this module."""
        circuit, copies = self.circuit, "" if self.copies is None else f"copies={self.copies}, "
        return (
            f"{copies}qubits={circuit.qubits}, inputs={circuit.num_inputs}, weights={circuit.num_weights}, "
            f"observables={circuit.num_observables}, backend={self.compiled.executable.backend.name}"
        )

    def _expected_shape(self) -> str:
        return f"(..., {'' if self.copies is None else f'{self.copies}, '}{self.circuit.num_inputs})"

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *others: Any) -> None:
        """Load a stock connector's state too, which has its weights twice, as `weight` and `_weights`."""
        duplicate = state_dict.pop(f"{prefix}_weights", None)
        if duplicate is not None:
            state_dict.setdefault(f"{prefix}weight", duplicate)
        super()._load_from_state_dict(state_dict, prefix, *others)


@runtime_checkable
class BindsWeights(Protocol):
    """A module with a circuit that can be compiled for the weights as they are."""

    def bind_weights(self) -> None:
        """See `QuantumLayer.bind_weights`."""


def bind_weights(module: torch.nn.Module) -> None:
    """Compile all circuits inside a module for the weights as they are now; see `QuantumLayer.bind_weights`."""
    for inner in module.modules():
        if isinstance(inner, BindsWeights):
            inner.bind_weights()


def describe_runs(module: torch.nn.Module, gradients: bool = False) -> str:
    """Return where and how the circuits inside a module run, in words: "aer (256 shots)"; "" where there are none.

    Args:
        module: any.
        gradients: say how they are differentiated, and how many circuits that takes for each one of the module.
    """
    circuits = [inner.compiled for inner in module.modules() if isinstance(inner, QuantumLayer)]
    return "; ".join(dict.fromkeys(compiled.describe_run(gradients) for compiled in circuits))
