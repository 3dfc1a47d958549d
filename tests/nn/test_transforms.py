"""A layer under torch's transforms, against the same transforms of its closed form."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from drawn import layer_circuits
from effort import examples
from hypothesis import assume, given
from hypothesis import strategies as st
from qiskit import QuantumCircuit
from qiskit.circuit import ParameterVector
from torch.autograd import forward_ad, functional
from torch.func import functional_call, grad, hessian, jacfwd, jacrev, jvp, vjp, vmap

from qgen import LayerCircuit, QuantumLayer, QuantumProbabilities
from qgen.backends import SPSA, Backend, Executable, open_backend
from qgen.backends.api import Batch, Capabilities
from qgen.circuits import ansatz
from qgen.errors import BackendError, InputError
from qgen.randomness import Streams

Function = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
DRAWN = torch.Generator().manual_seed(5)
X, W = torch.randn(2, 2, dtype=torch.float64, generator=DRAWN)
XS, WS = (torch.randn(count, 2, dtype=torch.float64, generator=DRAWN) for count in (5, 4))


def circuit() -> LayerCircuit:
    x, w = ParameterVector("x", 2), ParameterVector("w", 2)
    drawn = QuantumCircuit(2)
    drawn.rx(x[0], 0)
    drawn.ry(w[0], 0)
    drawn.rx(x[1], 1)
    drawn.ry(w[1] * x[0], 1)
    drawn.cx(0, 1)
    return LayerCircuit(drawn, x, w, ["ZI", "IZ", "XX"])


def closed_form(inputs: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """The values of `circuit`: each qubit's vector turns about X, then Y, and CX takes Z of 1 to ZZ, X of 0 to XX."""
    first = inputs[..., 0].cos() * weights[..., 0].cos()
    second = inputs[..., 1].cos() * (weights[..., 1] * inputs[..., 0]).cos()
    return torch.stack([first * second, first, inputs[..., 0].cos() * weights[..., 0].sin()], dim=-1)


def calls(layer: QuantumLayer) -> Function:
    return lambda inputs, weights: functional_call(layer, {"weight": weights}, (inputs,))


def loss(f: Function) -> Callable[[torch.Tensor, torch.Tensor], torch.Tensor]:
    return lambda x, w: (f(x, w) * torch.tensor([0.3, -0.9, 0.5], dtype=torch.float64)).sin().sum()


def in_forward_mode(f: Function) -> Any:
    with forward_ad.dual_level():
        dual = forward_ad.make_dual(X, torch.tensor([1.5, -0.5], dtype=torch.float64))
        return forward_ad.unpack_dual(f(dual, W)).tangent


def backward_over_forward(f: Function) -> Any:
    x = X.clone().requires_grad_()
    with forward_ad.dual_level():
        tangent = forward_ad.unpack_dual(f(forward_ad.make_dual(x, torch.ones_like(x)), W)).tangent
        return torch.autograd.grad(tangent.square().sum(), x)


def batched_gradients(f: Function) -> Any:
    x, w = X.clone().requires_grad_(), W.clone().requires_grad_()
    return torch.autograd.grad(f(x, w), (x, w), torch.eye(3, dtype=torch.float64), is_grads_batched=True)


def upstream_with_a_tangent(f: Function) -> Any:
    x = X.clone().requires_grad_()
    values = f(x, W)
    with forward_ad.dual_level():
        onto = forward_ad.make_dual(torch.zeros_like(values), torch.ones_like(values))
        return forward_ad.unpack_dual(torch.autograd.grad(values, x, onto)[0]).tangent


#: What any method of differentiation serves.
FIRST: dict[str, Callable[[Function], Any]] = {
    "vmap over inputs": lambda f: vmap(f, (0, None))(XS, W),
    "vmap over weights": lambda f: vmap(f, (None, 0))(X, WS),
    "vmap over weights of a batch": lambda f: vmap(f, (None, 0))(XS, WS),
    "vmap over both": lambda f: vmap(f)(XS[:4], WS),
    "vmap, last axis first": lambda f: vmap(f, (1, None), out_dims=1)(XS.T, W),
    "vmap in chunks": lambda f: vmap(f, (0, None), chunk_size=2)(XS, W),
    "nested vmap": lambda f: vmap(vmap(f, (None, 0)), (0, None))(XS, WS),
    "nested vmap the other way": lambda f: vmap(vmap(f, (0, None)), (None, 0))(XS, WS),
    "vmap of a batch": lambda f: vmap(f, (0, None))(XS.expand(3, 5, 2), W),
    "jacrev": lambda f: jacrev(f, (0, 1))(X, W),
    "jacrev of a batch": lambda f: jacrev(f, (0, 1))(XS, W),
    "jacfwd": lambda f: jacfwd(f, (0, 1))(X, W),
    "jacfwd of a batch": lambda f: jacfwd(f, (0, 1))(XS, W),
    "jvp": lambda f: jvp(f, (X, W), (W, X)),
    "jvp of inputs alone": lambda f: jvp(lambda x: f(x, W), (X,), (W,)),
    "vjp": lambda f: vjp(f, X, W)[1](torch.ones(3, dtype=torch.float64)),
    "grad": lambda f: grad(loss(f), (0, 1))(X, W),
    "grad of a batch": lambda f: grad(loss(f), 1)(XS, W),
    "gradients of each sample": lambda f: vmap(grad(loss(f), 1), (0, None))(XS, W),
    "gradients of each model": lambda f: vmap(grad(loss(f), 1), (None, 0))(XS, WS),
    "grad of vmap": lambda f: grad(lambda w: vmap(loss(f), (0, None))(XS, w).square().sum())(W),
    "jacrev of vmap": lambda f: jacrev(lambda w: vmap(f, (0, None))(XS, w))(W),
    "vmap of jacrev": lambda f: vmap(jacrev(f, (0, 1)), (0, None))(XS, W),
    "vmap of jacfwd": lambda f: vmap(jacfwd(f, (0, 1)), (0, None))(XS, W),
    "jacobian": lambda f: functional.jacobian(f, (X, W)),
    "jacobian, vectorised": lambda f: functional.jacobian(f, (X, W), vectorize=True),
    "jacobian, vectorised, of a batch": lambda f: functional.jacobian(f, (XS, W), vectorize=True),
    "jacobian, forward": lambda f: functional.jacobian(f, (X, W), strategy="forward-mode", vectorize=True),
    "forward mode": in_forward_mode,
    "batched gradients": batched_gradients,
}
#: What takes derivatives of derivatives.
SECOND: dict[str, Callable[[Function], Any]] = {
    "hessian": lambda f: hessian(f, (0, 1))(X, W),
    "hessian of a batch": lambda f: hessian(f)(XS, W),
    "jacrev of jacrev": lambda f: jacrev(jacrev(f), 1)(X, W),
    "jacrev of jacfwd": lambda f: jacrev(jacfwd(f), 1)(X, W),
    "jacfwd of jacfwd": lambda f: jacfwd(jacfwd(f), 1)(X, W),
    "grad of grad": lambda f: grad(lambda x: grad(loss(f))(x, W).square().sum())(X),
    "vmap of hessian": lambda f: vmap(hessian(f), (0, None))(XS, W),
    "hessian of vmap": lambda f: hessian(lambda w: vmap(loss(f), (0, None))(XS, w).sum())(W),
    "hessian times vector": lambda f: jvp(grad(loss(f), (0, 1)), (X, W), (W, X)),
    "third derivatives": lambda f: jacfwd(hessian(loss(f)), 1)(X, W),
    "third derivatives, backward": lambda f: jacrev(jacrev(jacrev(loss(f), 1)), 1)(X, W),
    "functional.hessian": lambda f: functional.hessian(loss(f), (X, W)),
    "functional.hessian, vectorised": lambda f: functional.hessian(loss(f), (X, W), vectorize=True),
    "functional.hvp": lambda f: functional.hvp(loss(f), (X, W), (W, X)),
    "functional.vhp": lambda f: functional.vhp(loss(f), (X, W), (W, X)),
    "functional.jvp": lambda f: functional.jvp(f, (X, W), (W, X)),
    "backward over forward": backward_over_forward,
    "upstream with a tangent": upstream_with_a_tangent,
}


OTHERS = [("aer", "adjoint"), ("statevector", "parameter-shift"), ("reference", "parameter-shift")]


@pytest.mark.rows(10)
@pytest.mark.parametrize("transform", FIRST.values(), ids=FIRST)
def test_first_derivatives(transform: Callable[[Function], Any]) -> None:
    check_transform(transform, "statevector", "adjoint")


@pytest.mark.rows(1)
@pytest.mark.parametrize(("backend", "gradient"), OTHERS)
def test_first_derivatives_elsewhere(backend: str, gradient: str, rng: np.random.Generator) -> None:
    """By some of the transforms; `slow` has them all."""
    for name in rng.choice([*FIRST], 5, replace=False):
        check_transform(FIRST[name], backend, gradient)


@pytest.mark.slow
@pytest.mark.parametrize(("backend", "gradient"), OTHERS)
@pytest.mark.parametrize("transform", FIRST.values(), ids=FIRST)
def test_all_first_derivatives_elsewhere(transform: Callable[[Function], Any], backend: str, gradient: str) -> None:
    check_transform(transform, backend, gradient)


def check_transform(transform: Callable[[Function], Any], backend: str, gradient: str) -> None:
    layer = QuantumLayer(circuit(), backend, gradient).double()
    torch.testing.assert_close(transform(calls(layer)), transform(closed_form), rtol=0, atol=1e-9)


@pytest.mark.rows(12)
@pytest.mark.parametrize("backend", ["statevector", "aer"])
@pytest.mark.parametrize("transform", SECOND.values(), ids=SECOND)
def test_derivatives_of_derivatives(transform: Callable[[Function], Any], backend: str) -> None:
    layer = QuantumLayer(circuit(), backend).double()
    torch.testing.assert_close(transform(calls(layer)), transform(closed_form), rtol=0, atol=1e-9)


@pytest.mark.rows(6)
@pytest.mark.parametrize("transform", SECOND.values(), ids=SECOND)
def test_are_refused_where_there_are_none(transform: Callable[[Function], Any]) -> None:
    layer = QuantumLayer(circuit(), gradient="parameter-shift").double()
    with pytest.raises(BackendError, match=r"second derivative .* none on statevector .* Take backend `statevector`"):
        transform(calls(layer))


@examples(20)
@given(circuit=layer_circuits(most_qubits=3, most_gates=6), seed=st.integers(0, 2**31), data=st.data())
def test_drawn_circuits(circuit: LayerCircuit, seed: int, data: st.DataObject) -> None:
    """Every way to a Jacobian is the same one, sample by sample, wherever the batch's axis is."""
    assume(circuit.num_inputs + circuit.num_weights > 0)
    torch.manual_seed(seed)
    f = calls(QuantumLayer(circuit).double())
    xs, ws = (torch.randn(3, size, dtype=torch.float64) for size in (circuit.num_inputs, circuit.num_weights))
    places = [k for k, size in enumerate((circuit.num_inputs, circuit.num_weights)) if size]
    wanted = [[functional.jacobian(f, (x, w))[k] for k in places] for x, w in zip(xs, ws, strict=True)]
    for way in (jacrev, jacfwd):
        axes = data.draw(st.tuples(st.integers(-2, 1), st.integers(-2, 1)))
        moved = [leaf.movedim(0, axis) for leaf, axis in zip((xs, ws), axes, strict=True)]
        result = vmap(way(f, tuple(places)), axes)(*moved)
        for left, rows in zip(result, zip(*wanted, strict=True), strict=True):
            torch.testing.assert_close(left, torch.stack(rows), rtol=1e-9, atol=1e-9)


def test_vmap_runs_one_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not a sample after the other, and weights that all share are sent once."""
    layer, seen = QuantumLayer(circuit()).double(), []
    evaluate = layer.compiled.executable.evaluate

    def counted(batch: Any, seed: int) -> torch.Tensor:
        seen.append((len(batch.inputs), len(batch.weights)))
        return evaluate(batch, seed)

    monkeypatch.setattr(layer.compiled.executable, "evaluate", counted)
    vmap(layer)(XS)
    vmap(vmap(calls(layer), (None, 0)), (0, None))(XS, WS)
    assert seen == [(5, 1), (20, 4)]


@pytest.mark.parametrize("gradient", ["parameter-shift", SPSA(directions=3)])
def test_jacobians_run_the_circuits_of_one_gradient(gradient: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many rows or columns they have."""
    layer, runs = QuantumLayer(circuit(), "aer", gradient, shots=64).double(), []
    record = type(layer.compiled.gradient).value_and_vjp
    monkeypatch.setattr(
        type(layer.compiled.gradient),
        "value_and_vjp",
        lambda self, *rest: runs.append(len(rest[1])) or record(self, *rest),
    )
    for transform in (jacrev, jacfwd):
        runs.clear()
        transform(calls(layer), (0, 1))(XS, W)
        assert runs == [5]


def test_sampled_gradients_are_right_on_average() -> None:
    torch.manual_seed(3)
    layer = QuantumLayer(circuit(), "aer", shots=4000).double()
    wanted = vmap(jacrev(closed_form, (0, 1)), (0, None))(XS, W)
    for result in (
        vmap(jacrev(calls(layer), (0, 1)), (0, None))(XS, W),
        vmap(jacfwd(calls(layer), (0, 1)), (0, None))(XS, W),
    ):
        for left, right in zip(result, wanted, strict=True):
            # A shift rule with two values of standard error 1/sqrt(4000), for each of at most three gates.
            assert 0 < (left - right).abs().max() < 6 * 3 / 4000**0.5


def test_spsa_is_right_on_average() -> None:
    torch.manual_seed(4)
    layer = QuantumLayer(circuit(), gradient=SPSA(directions=4000, step=0.01)).double()
    result, wanted = jacrev(calls(layer), (0, 1))(X, W), jacrev(closed_form, (0, 1))(X, W)
    for left, right in zip(result, wanted, strict=True):
        assert (left - right).abs().max() < 6 * 2 / 4000**0.5


def test_each_member_of_vmap_has_shots_of_its_own_and_seeds_repeat_them() -> None:
    layer, result = QuantumLayer(circuit(), "aer", shots=50).double(), []
    for _ in range(2):
        torch.manual_seed(1)
        result.append(vmap(layer)(X.expand(6, 2)))
    assert torch.equal(*result)
    assert len(result[0].unique(dim=0)) > 1
    assert not torch.equal(vmap(layer)(X.expand(6, 2)), result[0])


def test_many_observables_take_the_other_way_forward() -> None:
    """Of 128 outcomes a tangent comes from torch's own operations, not from 128 products."""
    several = QuantumProbabilities(ansatz("ry-cz", qubits=7, layers=1)).double()
    x, t = torch.randn(2, 7, dtype=torch.float64)
    value, tangent = jvp(several, (x,), (t,))
    step = 1e-5
    differences = (several(x + step * t) - several(x - step * t)) / (2 * step)
    torch.testing.assert_close(tangent, differences.detach(), rtol=0, atol=1e-8)
    torch.testing.assert_close(value, several(x))
    torch.testing.assert_close(vmap(lambda t: jvp(several, (x,), (t,))[1])(t.expand(3, 7)), tangent.expand(3, -1))


@pytest.mark.rows(2)
@pytest.mark.parametrize("copies", [None, 3])
@pytest.mark.parametrize("ancillas", [(), (1,)])
def test_probabilities_and_copies(copies: int | None, ancillas: tuple[int, ...]) -> None:
    layer = QuantumProbabilities(ansatz("masked", qubits=2, form="mixture"), ancillas, copies=copies).double()
    lead = () if copies is None else (copies,)
    x = torch.randn(5, *lead, layer.circuits.circuit.num_inputs, dtype=torch.float64)
    weight = {"circuits.weight": layer.circuits.weight.detach()}
    torch.testing.assert_close(vmap(layer)(x), layer(x), rtol=0, atol=1e-12)
    forward, backward = (way(lambda w: functional_call(layer, w, (x,))) for way in (jacfwd, jacrev))
    torch.testing.assert_close(forward(weight), backward(weight), rtol=0, atol=1e-10)
    parameters = layer.circuits.weight.detach().requires_grad_()
    assert torch.autograd.gradcheck(
        lambda w: functional_call(layer, {"circuits.weight": w}, (x,)),
        (parameters,),
        check_forward_ad=True,
        check_batched_grad=True,
        check_batched_forward_grad=True,
    )


def test_shapes_are_checked_as_the_user_sees_them() -> None:
    layer = QuantumLayer(circuit())
    with pytest.raises(InputError, match=r"inputs have shape \(3,\), but this circuit has 2 inputs"):
        vmap(layer)(torch.zeros(4, 3))
    with pytest.raises(InputError, match=r"inputs have shape \(\)"):
        vmap(layer)(torch.zeros(4))
    with pytest.raises(InputError, match=r"torch.int64; give real floating-point"):
        vmap(layer)(torch.zeros(4, 2, dtype=torch.int64))
    with pytest.raises(InputError, match=r"nan: angles must be finite"):
        vmap(layer)(torch.full((4, 2), float("nan")))


def test_transforms_leave_nothing_behind() -> None:
    """What an executable remembers of a first call is made of plain tensors: later calls work, in any mode."""
    layer = QuantumLayer(circuit()).double()
    before = hessian(calls(layer), (0, 1))(X, W)
    x = X.clone().requires_grad_()
    (slope,) = torch.autograd.grad(layer(x).sum(), x, create_graph=True)
    slope.sum().backward()
    with torch.inference_mode():
        layer(X)
    torch.testing.assert_close(hessian(calls(layer), (0, 1))(X, W), before)
    copy.deepcopy(layer)


def test_a_stack_of_models() -> None:
    """As `torch.func` has it: the same module with several sets of parameters."""
    models = [torch.nn.Sequential(torch.nn.Linear(3, 2), QuantumLayer(circuit(), seed=seed)) for seed in range(3)]
    params, buffers = torch.func.stack_module_state(models)
    given = torch.randn(4, 3)
    result = vmap(lambda p, b: functional_call(models[0], (p, b), (given,)))(params, buffers)
    torch.testing.assert_close(result, torch.stack([model(given) for model in models]))


class Wobbling(Backend):
    """Exact values, each row's times a number of its own that is drawn: what derivatives see has to be the same one."""

    name, capabilities = "wobbling", Capabilities(exact=False, noisy=True, adjoint=True)

    def compile(self, circuit: LayerCircuit) -> Executable:
        exact = open_backend("statevector").compile(circuit)

        def drawn(streams: Streams) -> torch.Tensor:
            return torch.tensor([[rng.uniform(0.5, 1.5)] for rng in streams.generators()], dtype=torch.float64)

        class Wobbled(Executable):
            def evaluate(self, batch: Batch, streams: Streams) -> torch.Tensor:
                return drawn(streams) * exact.evaluate(batch, streams)

            def evaluate_vjp(self, batch: Batch, upstream: torch.Tensor, wants: Any, streams: Streams) -> Any:
                return exact.evaluate_vjp(batch, drawn(streams) * upstream, wants, streams)

            def evaluate_autograd(self, batch: Batch, streams: Streams) -> torch.Tensor:
                return drawn(streams) * exact.evaluate_autograd(batch, streams)

        return Wobbled(circuit, self)


def ratio(result: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
    """The one number between two tensors, for each of the first axis."""
    numbers = (result / wanted).flatten(1)
    torch.testing.assert_close(numbers, numbers[:, :1].expand_as(numbers), rtol=0, atol=1e-6)
    return numbers[:, 0]


def with_values(f: Function) -> Function:
    """The function whose derivatives come along with its values, of the same call."""
    return lambda x, w: (lambda result: (result, result))(f(x, w))


def test_derivatives_see_what_their_values_drew() -> None:
    f = calls(QuantumLayer(circuit(), Wobbling()).double())
    values = vmap(closed_form, (0, None))(XS, W)
    slopes = vmap(jacrev(closed_form, 1), (0, None))(XS, W)
    for way in (jacrev, jacfwd):
        result, seen = vmap(way(with_values(f), 1, has_aux=True), (0, None))(XS, W)
        scale = ratio(seen, values)
        assert len(scale.unique()) == len(XS)
        torch.testing.assert_close(result, scale.reshape(-1, 1, 1) * slopes)
        result, seen = vmap(way(way(with_values(f), 1, has_aux=True), 0, has_aux=True), (0, None))(XS, W)
        curved = vmap(jacrev(jacrev(closed_form, 1), 0), (0, None))(XS, W)
        torch.testing.assert_close(result, ratio(seen, values).reshape(-1, 1, 1, 1) * curved)


def test_batched_gradients_see_what_their_values_drew() -> None:
    f, w = calls(QuantumLayer(circuit(), Wobbling()).double()), W.clone().requires_grad_()
    values = f(XS, w)
    scale = ratio(values.detach(), closed_form(XS, W)).reshape(-1, 1, 1)
    wanted = scale * vmap(jacrev(closed_form, 1), (0, None))(XS, W)
    units = torch.eye(15, dtype=torch.float64).reshape(15, 5, 3)
    (result,) = torch.autograd.grad(values, w, units, is_grads_batched=True, create_graph=True)
    torch.testing.assert_close(result.reshape(5, 3, 2), wanted)
    (second,) = torch.autograd.grad(result.sum(), w)
    curved = scale.unsqueeze(-1) * vmap(jacrev(jacrev(closed_form, 1), 1), (0, None))(XS, W)
    torch.testing.assert_close(second, curved.sum((0, 1, 2)))
