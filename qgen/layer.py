"""QuantumLayer, and QuantumLayers for several at once: the one bridge between circuits and torch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import torch
from qiskit_machine_learning.connectors import TorchConnector
from qiskit_machine_learning.neural_networks import NeuralNetwork

from qgen.backends import Adjoint, Backend, Executable, GradientMethod, open_backend, resolve_gradient
from qgen.circuits import LayerCircuit
from qgen.errors import BackendError, InputError
from qgen.initialisers import Initialiser, UniformAngle
from qgen.randomness import Streams, derive

Array = npt.NDArray[np.float64]


class CircuitNetwork(NeuralNetwork):
    """A compiled circuit as a qiskit-machine-learning `NeuralNetwork`, for use under a stock `TorchConnector`.

    Its `backward` answers whole Jacobians, as that interface asks for; `QuantumLayer` asks for products, which are
    O times cheaper.

    Args:
        circuit: the circuit.
        backend: a backend, or the name of one.
        gradient: a gradient method, or the name of one.
        shots: how often each circuit is measured; for a backend given by name.
    """

    def __init__(
        self,
        circuit: LayerCircuit,
        backend: str | Backend = "statevector",
        gradient: str | GradientMethod = "auto",
        shots: int | None = None,
    ) -> None:
        opened = _opened(backend, shots)
        self.circuit = circuit
        self.executable: Executable = opened.compile(circuit)
        self.gradient = resolve_gradient(gradient, self.executable)
        super().__init__(
            circuit.num_inputs,
            circuit.num_weights,
            sparse=False,
            output_shape=circuit.num_observables,
            input_gradients=True,
        )

    @property
    def second_derivatives(self) -> bool:
        """Whether gradients can be differentiated again, as a gradient penalty does; else that is refused."""
        return isinstance(self.gradient, Adjoint)

    def describe_run(self, gradients: bool = False) -> str:
        """See `describe_runs`."""
        run = f"{self.executable.backend.name} ({self.executable.method})"
        if not gradients:
            return run
        count = self.gradient.evaluations(self.executable, (self.num_inputs > 0, self.num_weights > 0))
        way = type(self.gradient).__name__
        return f"{run}, differentiated by {way}" + (f" ({count:,} runs for each)" if count > 1 else "")

    def _forward(self, input_data: Array | None, weights: Array | None) -> npt.NDArray[Any]:
        return self.executable.expectations(*self._arrays(input_data, weights))

    def _backward(self, input_data: Array | None, weights: Array | None) -> tuple[Array | None, Array | None]:
        """Jacobians (N, O, I) and (N, O, W): every sample has weights of its own, and one product an observable."""
        inputs, theta = (torch.from_numpy(array) for array in self._arrays(input_data, weights))
        wants = (self.input_gradients and self.num_inputs > 0, self.num_weights > 0)
        values, pull_back = self.gradient.record(self.executable, inputs, theta.expand(len(inputs), -1), wants)
        rows = [pull_back(one.expand_as(values)) for one in torch.eye(values.shape[-1], dtype=values.dtype)]
        return tuple(  # type: ignore[return-value]
            torch.stack([row[k] for row in rows], dim=1).numpy() if wanted else None  # type: ignore[misc]
            for k, wanted in enumerate(wants)
        )

    def _arrays(self, input_data: Array | None, weights: Array | None) -> tuple[Array, Array]:
        return (
            np.zeros((1, 0)) if input_data is None else input_data,
            np.zeros(0) if weights is None else weights,
        )


def _evaluate(network: CircuitNetwork, inputs: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Values (..., O), with all that a gradient takes only where somebody may ask for one."""
    if torch.is_grad_enabled() and (inputs.requires_grad or weights.requires_grad):
        return _Expectations.apply(inputs, weights, network)  # type: ignore[no-any-return, no-untyped-call]
    return network.executable.expectations(inputs, weights)


class _Expectations(torch.autograd.Function):
    """Values forward, vector-Jacobian products backward, for whichever of inputs and weights want one."""

    @staticmethod
    def forward(ctx: Any, inputs: torch.Tensor, weights: torch.Tensor, network: CircuitNetwork) -> torch.Tensor:
        ctx.save_for_backward(inputs, weights)
        ctx.network = network
        ctx.streams = network.executable.streams(inputs, weights)  # backward sees what forward drew
        values, ctx.pull_back = network.gradient.record(
            network.executable, inputs, weights, (ctx.needs_input_grad[0], ctx.needs_input_grad[1]), ctx.streams
        )
        return values

    @staticmethod
    def backward(ctx: Any, upstream: torch.Tensor) -> tuple[torch.Tensor | None, torch.Tensor | None, None]:
        inputs, weights = ctx.saved_tensors  # torch refuses, if they have changed since
        if torch.is_grad_enabled():  # somebody asked for create_graph
            steps = ctx.pull_back, ctx.network, ctx.streams
            d_inputs, d_weights = _Products.apply(inputs, weights, upstream, *steps)  # type: ignore[no-untyped-call]
        else:
            d_inputs, d_weights = ctx.pull_back(upstream)
        return d_inputs, d_weights, None


class _Products(torch.autograd.Function):
    """The vector-Jacobian products as a step of the graph, whose own derivatives come from traced values."""

    @staticmethod
    def forward(
        ctx: Any,
        inputs: torch.Tensor,
        weights: torch.Tensor,
        upstream: torch.Tensor,
        pull_back: Callable[[torch.Tensor], tuple[torch.Tensor | None, torch.Tensor | None]],
        network: CircuitNetwork,
        streams: Streams,
    ) -> tuple[torch.Tensor | None, torch.Tensor | None]:
        ctx.save_for_backward(inputs, weights, upstream)
        ctx.set_materialize_grads(False)
        ctx.network, ctx.streams = network, streams
        return pull_back(upstream)

    @staticmethod
    def backward(ctx: Any, *onto: torch.Tensor | None) -> tuple[torch.Tensor | None, ...]:
        network: CircuitNetwork = ctx.network
        if not network.second_derivatives:
            raise BackendError(
                "a second derivative of a QuantumLayer was asked for (a gradient penalty, or create_graph=True "
                f"followed by backward), and there is none on {network.describe_run(gradients=True)}. Take backend "
                "`statevector` with gradient `adjoint`, or penalise finite differences of its values, or its weights."
            )
        once_more = torch.is_grad_enabled()
        with torch.enable_grad():
            # Each as a tensor of its own: where weights were computed from inputs, that is not this step's business.
            leaves = [tensor.view_as(tensor) for tensor in ctx.saved_tensors]
            values = network.executable.differentiable(leaves[0], leaves[1], ctx.streams)
            first = _gradients([values], leaves[2:], leaves[:2], [each is not None for each in onto], True)
            second = _gradients(first, onto, leaves, ctx.needs_input_grad[:3], once_more)
        return *second, None, None, None


def _gradients(
    outputs: Sequence[torch.Tensor | None],
    upstream: Sequence[torch.Tensor | None],
    leaves: Sequence[torch.Tensor],
    wanted: Sequence[bool],
    create_graph: bool,
) -> list[torch.Tensor | None]:
    """Gradients of sum(upstream * outputs) for the wanted leaves, 0 where nothing depends on one; None for others."""
    pairs = [
        (output, onto)
        for output, onto in zip(outputs, upstream, strict=True)
        if output is not None and output.requires_grad and onto is not None
    ]
    asked = [leaf for leaf, one in zip(leaves, wanted, strict=True) if one]
    found = [torch.zeros_like(leaf) for leaf in asked]
    if pairs and asked:
        sums, directions = zip(*pairs, strict=True)
        found = list(
            torch.autograd.grad(
                sums, asked, directions, create_graph=create_graph, allow_unused=True, materialize_grads=True
            )
        )
    return [found.pop(0) if one else None for one in wanted]


def describe_runs(module: torch.nn.Module, gradients: bool = False) -> str:
    """Where and how the circuits inside a module run, in words, as "aer (256 shots)"; "" where there are none.

    Args:
        module: any.
        gradients: say how they are differentiated, and how many circuits that takes for each one of the module.
    """
    networks = [inner.network for inner in module.modules() if isinstance(inner, QuantumLayer | QuantumLayers)]
    return "; ".join(dict.fromkeys(network.describe_run(gradients) for network in networks))


class QuantumLayer(TorchConnector):
    """A parameterised circuit as a torch module: inputs (..., I) -> expectation values (..., O).

    It drops in wherever a `TorchConnector` is expected. Unlike one, it takes any number of leading axes, keeps the
    device and the floating-point type, computes only the gradients that are wanted, and evaluates a batch at once.
    Inputs and weights on a GPU stay there (backend `statevector`).

    Args:
        circuit: the circuit, with its inputs, weights and observables.
        backend: where it runs: a name (`qgen.backends.backend_names()`) or a `Backend`.
        gradient: how it is differentiated: a name or a `GradientMethod`; `auto` takes the backend's best.
        shots: how often each circuit is measured, for a backend that can; see `qgen.backends.open_backend`. No two
            calls share their shots; `torch.manual_seed` repeats them.
        seed: of the initial weights; None draws them from torch's global generator. Layers with equal circuits and
            equal seeds start with equal weights.
        initial: the initial weights: an `Initialiser`, or the W numbers themselves.

    Attributes:
        weight: the weights, a parameter of shape (W,).

    Raises:
        BackendError, CircuitError: the backend or its gradient cannot serve this circuit.
        InputError: from a call whose input has another last axis than I, or (on the CPU) holds NaN or infinity.
    """

    def __init__(
        self,
        circuit: LayerCircuit,
        backend: str | Backend = "statevector",
        gradient: str | GradientMethod = "auto",
        shots: int | None = None,
        seed: int | None = 0,
        initial: Initialiser | npt.ArrayLike | None = None,
    ) -> None:
        network = CircuitNetwork(circuit, backend, gradient, shots)
        super().__init__(network, initial_weights=_initial_weights(circuit, initial, seed))
        del self._parameters["_weights"]  # the connector registers its weights twice; `state_dict` needs them once

    @property
    def network(self) -> CircuitNetwork:
        """The compiled circuit, as a qiskit-machine-learning network."""
        return cast(CircuitNetwork, self._neural_network)

    @property
    def circuit(self) -> LayerCircuit:
        """The circuit."""
        return self.network.circuit

    @property
    def weight(self) -> torch.nn.Parameter:
        """The weights (W,)."""
        found = self.__dict__.get("_replicated", self._parameters.get("weight"))
        if found is None:
            raise AttributeError("weight")  # torch asks before it registers the parameter
        return found  # type: ignore[no-any-return]

    @weight.setter
    def weight(self, value: torch.Tensor) -> None:
        # Only torch's replication sets a bare tensor: in a replica, weights are no leaves and hence no parameters.
        self.__dict__["_replicated"] = value

    @torch.compiler.disable  # type: ignore[untyped-decorator]  # the graph goes around the circuit
    def forward(self, input_data: torch.Tensor | None = None) -> torch.Tensor:
        """Expectation values (..., O) of the circuit at inputs (..., I); a circuit without inputs may go without."""
        if input_data is None:
            input_data = self.weight.new_zeros(0)
        if not isinstance(input_data, torch.Tensor):
            raise InputError(f"a quantum layer takes a tensor (..., {self.circuit.num_inputs}), not {input_data!r}")
        return _evaluate(self.network, input_data, self.weight)

    def extra_repr(self) -> str:
        """The line that torch prints for this module."""
        backend = self.network.executable.backend.name
        circuit = self.circuit
        return (
            f"qubits={circuit.qubits}, inputs={circuit.num_inputs}, weights={circuit.num_weights}, "
            f"observables={circuit.num_observables}, backend={backend}"
        )


class QuantumLayers(torch.nn.Module):
    """Several circuits of one form, each with weights of its own: inputs (..., K, I) -> values (..., K, O).

    All of them, for all leading axes (images, patches), are one call of the backend. With K = 1 it is a `QuantumLayer`
    with one more axis.

    Args:
        circuit: the circuit that all K share.
        count: K, how many of them.
        backend: where they run: a name or a `Backend`.
        gradient: how they are differentiated: a name or a `GradientMethod`.
        seed: of the initial weights, which differ among the K; None draws them from torch's global generator.
        initial: where the weights start: an `Initialiser`, or the numbers themselves, (K, W).

    Attributes:
        weight: the weights, a parameter of shape (K, W).

    Raises:
        BackendError, CircuitError: the backend or its gradient cannot serve this circuit.
        InputError: from a call whose input does not end in (K, I), or (on the CPU) holds NaN or infinity.
    """

    def __init__(
        self,
        circuit: LayerCircuit,
        count: int,
        backend: str | Backend = "statevector",
        gradient: str | GradientMethod = "auto",
        seed: int | None = 0,
        initial: Initialiser | npt.ArrayLike | None = None,
    ) -> None:
        super().__init__()
        self.network = CircuitNetwork(circuit, backend, gradient)
        # One more number mixed in for each, so that K circuits of one seed do not start as copies of one another.
        seeds = [None if seed is None else derive(seed, "circuit", k) for k in range(count)]
        starts = _starts(initial, count)
        weights = np.stack([_initial_weights(circuit, *each) for each in zip(starts, seeds, strict=True)])
        self.weight = torch.nn.Parameter(torch.tensor(weights, dtype=torch.get_default_dtype()))

    @torch.compiler.disable  # type: ignore[untyped-decorator]  # the graph goes around the circuit
    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Expectation values (..., K, O) at inputs (..., K, I)."""
        count, circuit = len(self.weight), self.network.circuit
        if inputs.shape[-2:] != (count, circuit.num_inputs):
            raise InputError(
                f"these quantum layers take inputs (..., {count}, {circuit.num_inputs}), not {tuple(inputs.shape)}"
            )
        return _evaluate(self.network, inputs, self.weight)

    def extra_repr(self) -> str:
        """The line that torch prints for this module."""
        circuit = self.network.circuit
        return (
            f"circuits={len(self.weight)}, qubits={circuit.qubits}, inputs={circuit.num_inputs}, "
            f"weights={circuit.num_weights}, observables={circuit.num_observables}, "
            f"backend={self.network.executable.backend.name}"
        )


def _opened(backend: str | Backend, shots: int | None) -> Backend:
    if isinstance(backend, str):
        return open_backend(backend, shots)
    if shots not in (None, backend.capabilities.shots):
        raise BackendError(
            f"shots = {shots} was given beside the backend `{backend.name}`, which is open already: "
            f"give them where it is opened, as in open_backend(..., shots={shots})"
        )
    return backend


def _starts(initial: Initialiser | npt.ArrayLike | None, count: int) -> list[Initialiser | Array | None]:
    """Where each of several circuits starts."""
    if initial is None or isinstance(initial, Initialiser):
        return [initial] * count
    rows = _numbers(initial)
    if rows.ndim != 2 or len(rows) != count:
        raise InputError(f"initial weights have shape {rows.shape}; give {count} rows, one a circuit")
    return list(rows)


def _numbers(given: npt.ArrayLike) -> Array:
    return np.asarray(given.detach().cpu() if isinstance(given, torch.Tensor) else given, dtype=np.float64)


def _initial_weights(
    circuit: LayerCircuit, initial: Initialiser | npt.ArrayLike | None, seed: int | None
) -> npt.NDArray[np.float64]:
    if initial is None or isinstance(initial, Initialiser):
        generator = torch.Generator()
        generator.manual_seed(int(torch.randint(2**62, ()).item()) if seed is None else seed)
        weights = (initial or UniformAngle()).draw(circuit, generator).numpy()
    else:
        weights = _numbers(initial)
    if weights.shape != (circuit.num_weights,):
        raise InputError(
            f"initial weights have shape {weights.shape}; give {circuit.num_weights} numbers, one a weight"
        )
    if not np.isfinite(weights).all():
        raise InputError("initial weights hold NaN or infinity; give finite numbers")
    return weights
