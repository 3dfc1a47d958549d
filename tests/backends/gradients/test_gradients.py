"""Gradient methods against each other, against differences of Qiskit's own values, and against what theory predicts."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from drawn import STANDARD, layer_circuits
from effort import examples
from hypothesis import given
from hypothesis import strategies as st
from qiskit import QuantumCircuit
from qiskit.circuit import Gate, Parameter
from qiskit.circuit.library import RXGate, UGate
from qiskit.quantum_info import SparsePauliOp, Statevector, random_unitary

from qgen import LayerCircuit, QuantumLayer
from qgen.backends import SPSA, Adjoint, GradientMethod, ParameterShift, open_backend, resolve_gradient
from qgen.backends.gradients.parameter_shift import shift_rule
from qgen.backends.parameters.shift_form import parametrize_gates
from qgen.circuits import Mixture, ansatz
from qgen.errors import BackendError

EXACT = 1e-8
BOTH = (True, True)
PARAMETERISED = sorted(name for name, gate in STANDARD.items() if gate.params and name != "global_phase")
X, W = Parameter("x"), Parameter("w")
#: Evaluations for each parameter of a gate: two a frequency that a value can have in it.
COUNTS = {
    **{key: [2] for key in ["rx", "ry", "rz", "p", "u1", "rxx", "ryy", "rzz", "rzx", "cp", "cu1", "mcphase"]},
    **{key: [4] for key in ["crx", "cry", "crz"]},
    "r": [2, 4],
    "u2": [2, 2],
    "u": [2, 2, 2],
    "u3": [2, 2, 2],
    "cu": [4, 2, 2, 2],
    "cu3": [4, 2, 2],
    **{key: [4, 4] for key in ["xx_plus_yy", "xx_minus_yy"]},
}


def hidden(gate: Gate, parameters: list[Parameter], seed: int = 3) -> LayerCircuit:
    """A gate between two random unitaries, so that no symmetry hides a wrong derivative."""
    qubits = max(gate.num_qubits, 2)
    circuit = QuantumCircuit(qubits)
    circuit.unitary(random_unitary(2**qubits, seed=seed), range(qubits))
    circuit.append(gate, range(gate.num_qubits))
    circuit.unitary(random_unitary(2**qubits, seed=seed + 1), range(qubits))
    return LayerCircuit(circuit, parameters, [], ["Z" * qubits, "X" + "Y" * (qubits - 1)])


def differences(circuit: LayerCircuit, inputs: torch.Tensor, weights: torch.Tensor, step: float = 1e-3) -> torch.Tensor:
    """The Jacobian (O, I + W) of Qiskit's values at one sample, by central differences of the fourth order."""
    moves = step * torch.eye(inputs.numel() + weights.numel()).double()
    at = torch.cat([inputs, weights]) + torch.stack([2 * moves, moves, -moves, -2 * moves])
    values = (
        open_backend("reference").compile(circuit).expectations(at[..., : inputs.numel()], at[..., inputs.numel() :])
    )
    return torch.einsum("s,spo->op", torch.tensor([-1.0, 8.0, -8.0, 1.0]).double(), values) / (12 * step)


def product(
    method: GradientMethod, backend: str, circuit: LayerCircuit, inputs: torch.Tensor, weights: torch.Tensor
) -> tuple[torch.Tensor, Callable[[torch.Tensor], tuple[torch.Tensor | None, torch.Tensor | None]]]:
    return method.value_and_vjp(open_backend(backend).compile(circuit), inputs, weights, BOTH)


@pytest.mark.parametrize("frequencies", [(1.0,), (0.5, 1.0), (1.0, 2.0), (1.0, 2.0, 3.0), (0.25, 0.5, 0.75, 1.0)])
def test_shift_rules_are_exact_for_their_frequencies(frequencies: tuple[float, ...], rng: np.random.Generator) -> None:
    w, (a, b) = np.array(frequencies), rng.normal(size=(2, len(frequencies)))
    at, constant = rng.normal(), rng.normal()
    rule = shift_rule(frequencies)
    values = constant + np.array([a @ np.cos(w * (at + s)) + b @ np.sin(w * (at + s)) for s in rule.shifts])
    assert len(values) == 2 * len(frequencies)
    np.testing.assert_allclose(rule.coefficients @ values, -a * w @ np.sin(w * at) + b * w @ np.cos(w * at), atol=1e-12)


@pytest.mark.parametrize("name", PARAMETERISED)
def test_each_gate_takes_as_few_evaluations_as_its_frequencies(name: str) -> None:
    gate = STANDARD[name]
    parameters = [Parameter(f"p{k}") for k in range(len(gate.params))]
    circuit = hidden(gate.base_class(*parameters), parameters)
    form = parametrize_gates(circuit.circuit)
    found = {
        p: sum(2 * len(f) for e, f in zip(form.expressions, form.frequencies, strict=True) if p in e.parameters)
        for p in parameters
    }
    assert list(found.values()) == COUNTS[name]
    inputs, nothing = 2 * torch.randn(1, len(parameters)).double(), torch.zeros(0).double()
    wanted = differences(circuit, inputs[0], nothing)
    values, vjp = product(ParameterShift(), "statevector", circuit, inputs, nothing)
    for row, upstream in zip(wanted, torch.eye(2).double(), strict=True):
        torch.testing.assert_close(vjp(upstream.expand_as(values))[0][0], row, rtol=0, atol=EXACT)


@pytest.mark.parametrize(
    ("gate", "count"),
    [
        (RXGate(X).control(1, ctrl_state=0, annotated=False), 4),
        (RXGate(X).control(3, ctrl_state=2, annotated=False), 4),
        (UGate(X, 0.3, 0.1).control(2, annotated=False), 4),
        (UGate(0.3, X, 0.1).control(2, annotated=False), 2),
        (UGate(X, X, X).control(1, annotated=False), 8),
        (RXGate(2 * X * X).control(1, annotated=True), None),
    ],
)
def test_controlled_gates(gate: Gate, count: int | None) -> None:
    circuit, at = hidden(gate, [X]), torch.randn(1, 1).double()
    executable = open_backend("statevector").compile(circuit)
    if count is not None:
        assert ParameterShift().evaluations(executable, BOTH) == 1 + count
    _values, vjp = ParameterShift().value_and_vjp(executable, at, torch.zeros(0).double(), BOTH)
    wanted = differences(circuit, at[0], torch.zeros(0).double())[0]
    torch.testing.assert_close(vjp(torch.tensor([[1.0, 0.0]]).double())[0][0], wanted, rtol=0, atol=EXACT)


@pytest.mark.parametrize("backend", ["statevector", "aer", "reference"])
@examples(6)
@given(circuit=layer_circuits(most_qubits=4, most_gates=8), seed=st.integers(0, 2**31))
def test_parameter_shift_is_the_adjoint_gradient(backend: str, circuit: LayerCircuit, seed: int) -> None:
    """Shared parameters, scaled ones, inside curved expressions, with leading axes that broadcast."""
    torch.manual_seed(seed)
    inputs = torch.randn(2, 1, circuit.num_inputs).double()
    weights = torch.randn(3, circuit.num_weights).double()
    values, wanted = product(Adjoint(), "statevector", circuit, inputs, weights)
    found, vjp = product(ParameterShift(), backend, circuit, inputs, weights)
    norm = max(1.0, *(float(np.abs(observable.coeffs).sum()) for observable in circuit.observables))
    torch.testing.assert_close(found, values, rtol=0, atol=1e-10 * norm)
    upstream = torch.randn(values.shape).double()
    for one, other in zip(vjp(upstream), wanted(upstream), strict=True):
        torch.testing.assert_close(one, other, rtol=EXACT, atol=EXACT * norm)


def test_noise_between_the_parts_of_a_gate_leaves_the_rule_exact() -> None:
    circuit = QuantumCircuit(2)
    circuit.h([0, 1])
    circuit.cp(X, 0, 1)
    circuit.ry(X * W, 1)
    circuit.cu(W, X, 0.3, W, 1, 0)
    layer = LayerCircuit(circuit, [X], [W], ["XX", "YZ", "ZI"])
    executable = open_backend("aer:fake_manila", noise_scale=5.0).compile(layer)
    inputs, weights = torch.randn(1).double(), torch.randn(1).double()
    _values, vjp = ParameterShift().value_and_vjp(executable, inputs, weights, BOTH)
    upstream, step = torch.randn(3).double(), 1e-3
    found = torch.cat(vjp(upstream))
    at = torch.cat([inputs, weights]) + step * torch.stack([k * torch.eye(2).double() for k in (2, 1, -1, -2)])
    moved = executable.expectations(at[..., :1], at[..., 1:]) @ upstream
    wanted = torch.tensor([-1.0, 8.0, -8.0, 1.0]).double() @ moved / (12 * step)
    torch.testing.assert_close(found, wanted, rtol=0, atol=EXACT)


def test_mixtures_are_averaged() -> None:
    m = Parameter("m")
    circuit = QuantumCircuit(2)
    circuit.rx(X, 0)
    circuit.cry(W + m * X, 0, 1)
    layer = LayerCircuit(circuit, [X], [W], mixture=Mixture([m], [[0.0], [0.4], [1.3]]))
    inputs, weights = torch.randn(4, 3, 1).double(), torch.randn(3, 1).double()
    values, wanted = product(Adjoint(), "statevector", layer, inputs, weights)
    found, vjp = product(ParameterShift(), "aer", layer, inputs, weights)
    upstream = torch.randn(values.shape).double()
    for one, other in zip((found, *vjp(upstream)), (values, *wanted(upstream)), strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=EXACT)


@pytest.mark.parametrize("backend", ["reference", "aer:fake_lagos"])
def test_what_nothing_is_measured_of_has_no_gradient(backend: str) -> None:
    circuit = QuantumCircuit(2)
    circuit.rx(X, 0)
    circuit.cx(0, 1)
    circuit.ry(W, 1)
    executable = open_backend(backend).compile(LayerCircuit(circuit, [X], [W], ["II"]))
    values, vjp = ParameterShift().value_and_vjp(executable, torch.ones(3, 1), torch.ones(1), BOTH)
    assert values.tolist() == [[1.0]] * 3
    assert [part.abs().max().item() for part in vjp(torch.ones(3, 1))] == [0, 0]


def test_only_what_is_wanted_is_evaluated() -> None:
    circuit = QuantumCircuit(3)
    circuit.rx(X, 0)
    circuit.rx(W, 0)  # one turn with the one before
    circuit.cx(0, 1)
    circuit.ry(W, 1)
    circuit.rz(X, 2)  # reaches nothing that is measured
    executable = open_backend("statevector").compile(LayerCircuit(circuit, [X], [W], ["IZI"]))
    counts = [
        ParameterShift().evaluations(executable, wants)
        for wants in [BOTH, (True, False), (False, True), (False, False)]
    ]
    assert counts == [5, 3, 5, 1]
    _, vjp = ParameterShift().value_and_vjp(executable, torch.zeros(1), torch.zeros(1), (False, True))
    assert vjp(torch.ones(1))[0] is None


def test_values_and_shifts_are_one_submission(monkeypatch: pytest.MonkeyPatch) -> None:
    from qiskit_aer import AerSimulator

    sizes, run = [], AerSimulator.run

    def counted(
        self: AerSimulator, circuits: object, parameter_binds: list[dict[object, list[float]]], **options: object
    ) -> object:
        sizes.append(sum(map(len, parameter_binds[0].values())))
        return run(self, circuits, parameter_binds, **options)

    monkeypatch.setattr(AerSimulator, "run", counted)
    layer = QuantumLayer(ansatz("basic", qubits=4, layers=1), backend="aer", shots=64)
    inputs = torch.randn(5, 4, requires_grad=True)
    layer(inputs).square().sum().backward()
    assert len(sizes) == 1
    executable = layer.compiled.executable
    assert ParameterShift().evaluations(executable, BOTH) * 5 * len(executable.shift_form.frequencies) <= sizes[0]
    with torch.no_grad():
        layer(inputs)
    assert len(sizes) == 2
    assert 0 < sizes[1] < sizes[0] / 2  # nobody asked for a gradient


def one_layer() -> tuple[LayerCircuit, torch.Tensor]:
    circuit = QuantumCircuit(2)
    a, b, c = (Parameter(name) for name in "abc")
    circuit.ry(a, 0)
    circuit.rx(b, 1)
    circuit.cx(0, 1)
    circuit.ry(c, 1)
    return LayerCircuit(circuit, [], [a, b, c], ["ZI"]), torch.randn(3).double()


def z_values(layer: LayerCircuit, points: torch.Tensor) -> np.ndarray:
    operator = SparsePauliOp("ZI")
    names = layer.weights
    return np.array(
        [
            Statevector(layer.circuit.assign_parameters(dict(zip(names, point.tolist(), strict=True))))
            .expectation_value(operator)
            .real
            for point in points.reshape(-1, 3)
        ]
    ).reshape(points.shape[:-1])


def test_sampled_gradients_are_unbiased_and_as_noisy_as_predicted() -> None:
    """Var = sum of c^2 (1 - f^2) / shots over all shifts; were two values to share their shots, it would be less."""
    layer, weights = one_layer()
    shots, repeats = 50, 6000
    executable = open_backend("aer", shots=shots).compile(layer)
    many = weights.expand(repeats, 3)
    values, vjp = ParameterShift().value_and_vjp(executable, torch.zeros(repeats, 0).double(), many, (False, True))
    found = vjp(torch.ones_like(values))[1].numpy()
    shifted = z_values(layer, weights + np.pi / 2 * torch.stack([torch.eye(3), -torch.eye(3)]).double())
    wanted = (shifted[0] - shifted[1]) / 2
    variance = (2 - (shifted**2).sum(axis=0)) / (4 * shots)
    np.testing.assert_array_less(np.abs(found.mean(axis=0) - wanted), 5 * np.sqrt(variance / repeats) + 1e-9)
    spread = 5 * np.sqrt(2 / repeats) + 0.02  # the relative error of a variance, and what 50 coin flips are off normal
    np.testing.assert_allclose(found.var(axis=0), variance, rtol=spread, atol=1e-9)
    forward = z_values(layer, weights)
    assert abs(float(values.mean()) - forward) < 5 * np.sqrt((1 - forward**2) / shots / repeats) + 1e-9


def test_a_random_part_of_the_angles_stays_unbiased() -> None:
    layer, weights = one_layer()
    executable = open_backend("statevector").compile(layer)
    method, repeats = ParameterShift(fraction=0.4), 1000  # of three angles: without its weight, a third of the mean
    assert method.evaluations(executable, BOTH) == 3
    nothing = torch.zeros(0).double()
    found = torch.stack(
        [method.value_and_vjp(executable, nothing, weights, BOTH)[1](torch.ones(1).double())[1] for _ in range(repeats)]
    )
    wanted = differences(layer, nothing, weights)[0]
    assert ((found != 0).sum(dim=1) <= 1).all()
    limits = 5 * found.std(dim=0) / np.sqrt(repeats) + 1e-9
    assert ((found.mean(dim=0) - wanted).abs() <= limits).all()


@pytest.mark.parametrize("shared", [False, True])
def test_the_mean_of_spsa_is_the_gradient(shared: bool) -> None:
    circuit = ansatz("hqconv", qubits=4, layers=1)
    inputs, weights = torch.randn(3, 2, 4).double(), torch.rand(2, circuit.num_weights).double()
    executable = open_backend("statevector").compile(circuit)
    values, adjoint = Adjoint().value_and_vjp(executable, inputs, weights, BOTH)
    upstream = torch.randn(values.shape).double()
    method = SPSA(directions=500, step=1e-3, shared=shared)
    found = [method.value_and_vjp(executable, inputs, weights, BOTH)[1](upstream) for _ in range(8)]
    for k, wanted in enumerate(adjoint(upstream)):
        some = torch.stack([one[k] for one in found])
        # A sum of many random signs of one size: its spread is the size of the whole gradient, of each sample its own.
        limits = 6 * some.std(dim=0).mean(dim=-1, keepdim=True) / np.sqrt(len(found)) + 1e-5
        assert ((some.mean(dim=0) - wanted).abs() <= limits).all()
        assert some.std() > 0


def test_spsa_takes_two_values_a_direction() -> None:
    executable = open_backend("aer", shots=10).compile(ansatz("hqconv", qubits=4, layers=1))
    assert SPSA().evaluations(executable, BOTH) == 3
    assert SPSA(directions=4).evaluations(executable, BOTH) == 9
    assert SPSA(directions=4).evaluations(executable, (False, False)) == 1


def test_methods_by_name() -> None:
    exact, sampled = (open_backend("aer", shots).compile(ansatz("basic")) for shots in (None, 100))
    assert resolve_gradient("auto", exact) == Adjoint()
    assert resolve_gradient("auto", sampled) == ParameterShift()
    assert resolve_gradient("parameter-shift:fraction=0.25", sampled) == ParameterShift(0.25)
    assert resolve_gradient("spsa:directions=4,step=0.1,shared=true", sampled) == SPSA(4, 0.1, True)
    assert resolve_gradient("spsa:step=1e-2,shared=no", sampled) == SPSA(1, 0.01, False)


@pytest.mark.parametrize(
    "make",
    [
        lambda: SPSA(directions=1.5),
        lambda: SPSA(directions=True),
        lambda: SPSA(step="0.1"),
        lambda: SPSA(step=True),
        lambda: SPSA(shared=1),
        lambda: ParameterShift(fraction=True),
        lambda: ParameterShift(fraction="all"),
    ],
)
def test_options_of_another_type_are_refused(make: Callable[[], object]) -> None:
    with pytest.raises(BackendError, match="must"):
        make()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("adjoint", "`aer` has no adjoint gradients: use gradient `parameter-shift`"),
        ("parametershift", "did you mean `parameter-shift`"),
        ("spsa:steps=2", "unknown key `steps`. Did you mean `step`"),
        ("spsa:directions=0", "directions = 0 must be a whole number from 1"),
        ("spsa:directions=1.5", "`directions`: input should be a valid integer"),
        ("spsa:directions=yes", "`directions`: input should be a valid integer"),
        ("spsa:directions=3,directions=4", "each once"),
        ("spsa:step=-1", "step = -1.0 must be a positive number"),
        ("spsa:step=fast", "`step`: input should be a valid number"),
        ("spsa:step=[", "`step`: input should be a valid number"),
        ("spsa:step", "options are KEY=VALUE"),
        ("spsa:shared=1", "`shared`: give true or false"),
        ("parameter-shift:fraction=2", r"fraction = 2.0 must lie in \(0, 1\]"),
        ("parameter-shift:fraction=true", "`fraction`: input should be a valid number"),
        ("adjoint:fraction=2", "has no options"),
        ("auto:step=2", "`auto` takes no options"),
    ],
)
def test_wrong_methods_are_refused(name: str, message: str) -> None:
    executable = open_backend("aer", 100).compile(ansatz("basic"))
    with pytest.raises(BackendError, match=message):
        resolve_gradient(name, executable)
