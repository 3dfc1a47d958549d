"""Circuits placed on devices: whatever the transpiler does to them, the values stay those of the logical circuit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from itertools import repeat

import numpy as np
import numpy.typing as npt
import pytest
from drawn import STANDARD, layer_circuits
from effort import examples
from hypothesis import given, reject
from hypothesis import strategies as st
from qiskit import QuantumCircuit, generate_preset_pass_manager
from qiskit.circuit import Gate, Parameter, ParameterVector
from qiskit.circuit.library import CXGate, CZGate, RXGate, RZGate, SXGate, UGate, UnitaryGate
from qiskit.primitives import StatevectorSampler
from qiskit.providers.fake_provider import GenericBackendV2
from qiskit.quantum_info import Statevector, random_unitary
from qiskit.transpiler import CouplingMap, Target
from qiskit_aer import AerSimulator
from qiskit_ibm_runtime.fake_provider import FakeBrisbane, FakeFez, FakeLagosV2, FakeManilaV2

from qgen import LayerCircuit
from qgen.backends import open_backend
from qgen.backends.device.routing import RoutedCircuit, route
from qgen.backends.measurement import Basis, Measurement, permute_probabilities, sample_bitstrings
from qgen.circuits import ansatz
from qgen.errors import BackendError

Doubles = npt.NDArray[np.float64]

EXACT = 1e-9
SURE = 22.0  # a deviation is called wrong where chance makes it with a probability below 2 exp(-22)


def target_of(gates: Sequence[Gate], qubits: int | None, coupling: CouplingMap | None = None) -> Target:
    target = Target(num_qubits=qubits)
    for gate in gates:
        if coupling is None:
            target.add_instruction(gate)
        elif gate.num_qubits == 1:
            target.add_instruction(gate, {(q,): None for q in range(coupling.size())})
        else:
            target.add_instruction(gate, dict.fromkeys(coupling.get_edges()))
    return target


ANGLE = Parameter("angle")
IBM = [RZGate(ANGLE), SXGate(), CZGate()]
TARGETS: dict[str, Callable[[], Target]] = {
    "manila": lambda: FakeManilaV2().target,
    "lagos": lambda: FakeLagosV2().target,
    "brisbane": lambda: FakeBrisbane().target,
    "fez": lambda: FakeFez().target,
    "line": lambda: GenericBackendV2(6, coupling_map=CouplingMap.from_line(6), seed=3).target,
    "ring": lambda: target_of([RXGate(ANGLE), RZGate(ANGLE), CZGate()], 6, CouplingMap.from_ring(6)),
    "one-way line": lambda: target_of(
        [UGate(*map(Parameter, "abc")), CXGate()], 5, CouplingMap([(0, 1), (2, 1), (2, 3), (4, 3)])
    ),
    "all to all": lambda: target_of(IBM, 5),
    "any number of qubits": lambda: target_of(IBM, None),
}
target = cache(lambda name: TARGETS[name]())


def routed_for(circuit: LayerCircuit, device: Target, **options: object) -> tuple[RoutedCircuit, Measurement]:
    measurement = Measurement(circuit.observables)
    parameters = [*circuit.inputs, *circuit.weights]
    return route(circuit.circuit, parameters, device, measurement.bases, **options), measurement


def probabilities(routed: RoutedCircuit, numbers: Doubles) -> list[Doubles]:
    """For each basis those of the logical qubits' outcomes (1, 2^n), by qiskit's own simulation of the wires."""
    columns = routed.parameter_map.values(numbers)[0]
    bound = dict(zip(routed.parameters, columns, strict=True))
    states = [Statevector(circuit.assign_parameters(bound)) for circuit in routed.circuits]
    return [permute_probabilities(state.probabilities()[None], routed.wires) for state in states]


def logical_values(circuit: LayerCircuit, numbers: Doubles) -> list[float]:
    parameters = [*circuit.inputs, *circuit.weights]
    state = Statevector(circuit.circuit.assign_parameters(dict(zip(parameters, numbers[0], strict=True))))
    return [state.expectation_value(observable).real for observable in circuit.observables]


def numbers_for(circuit: LayerCircuit, seed: int) -> Doubles:
    return np.random.default_rng(seed).normal(size=(1, circuit.num_inputs + circuit.num_weights))


@pytest.mark.rows(3)
@pytest.mark.parametrize("name", TARGETS)
@given(circuit=layer_circuits(most_qubits=5, most_gates=8), seed=st.integers(0, 2**62), level=st.integers(0, 3))
@examples(4)
def test_values_are_those_of_the_logical_circuit(name: str, circuit: LayerCircuit, seed: int, level: int) -> None:
    try:
        routed, measurement = routed_for(circuit, target(name), seed=seed, level=level)
    except BackendError as error:
        if level < 3 or "take level 2" not in str(error):
            raise
        reject()
    numbers = numbers_for(circuit, seed)
    exact = probabilities(routed, numbers)
    wanted = logical_values(circuit, numbers)
    np.testing.assert_allclose(measurement.from_probabilities(exact)[0], wanted, rtol=0, atol=EXACT)
    shots, rng = 400, np.random.default_rng(seed)
    sampled = measurement.from_outcomes([sample_bitstrings(some, shots, repeat(rng)) for some in exact])[0]
    # Bernstein's inequality: 5 standard errors and more, and right for rare outcomes, too.
    errors = np.sqrt(2 * SURE * measurement.variances(exact, shots)[0])
    largest = np.array([np.abs(observable.coeffs).sum() for observable in circuit.observables])
    assert (np.abs(sampled - wanted) <= errors + 2 * SURE / 3 * largest / shots + EXACT).all()


@pytest.mark.parametrize("name", ["lagos", "line", "fez", "one-way line"])
def test_circuits_hold_the_devices_gates_where_it_has_them(name: str) -> None:
    circuit = LayerCircuit(*parts(ansatz("basic", qubits=5, layers=1)), ["XYZXY", "ZZXXX", "IIIIZ"])
    routed, _ = routed_for(circuit, target(name))
    assert len(routed.circuits) == 3
    for narrow in routed.circuits:
        assert tuple(narrow.parameters) == routed.parameters
        for instruction in narrow.data:
            wires = (narrow.find_bit(qubit).index for qubit in instruction.qubits)
            positions = tuple(routed.physical[wire] for wire in wires)
            assert target(name).instruction_supported(instruction.operation.name, positions)
            assert all(isinstance(angle, (float, Parameter)) for angle in instruction.params)


def parts(circuit: LayerCircuit) -> tuple[QuantumCircuit, Sequence[Parameter], Sequence[Parameter]]:
    return circuit.circuit, circuit.inputs, circuit.weights


def test_wires_are_the_qubits_that_are_touched_or_read() -> None:
    circuit = QuantumCircuit(6)
    x = Parameter("x")
    circuit.h(1)
    circuit.cx(1, 3)
    circuit.barrier()
    circuit.ry(x, 3)
    bases = [Basis("IIXIIZ"), Basis("IZIIII")]
    manager = generate_preset_pass_manager(0, target=target("fez"), initial_layout=[10, 11, 12, 13, 30, 40])
    routed = route(circuit, [x], target("fez"), bases, isa=manager.run(circuit))
    touched = set(routed.physical)
    assert {12, 40} <= touched  # read, though no gate acts on them
    assert not {10, 30} & touched
    assert [routed.wires[0], routed.wires[4]] == [-1, -1]
    assert routed.device_qubits == 156
    values = probabilities(routed, np.zeros((1, 1)))[1][0]
    assert values[np.arange(64) >> 1 & 1 == 1].sum() == pytest.approx(0.5)


@given(circuit=layer_circuits(most_qubits=4, most_gates=6), seed=st.integers(0, 2**32))
@examples(6)
def test_the_whole_device_measures_each_logical_qubit_into_its_bit(circuit: LayerCircuit, seed: int) -> None:
    routed, _ = routed_for(circuit, target("line"), seed=seed)
    numbers = numbers_for(circuit, seed)
    wanted = probabilities(routed, numbers)
    bound = dict(zip(routed.parameters, routed.parameter_map.values(numbers)[0], strict=True))
    shots = 300
    for wide, basis, some in zip(routed.physical_circuits(True), routed.bases, wanted, strict=True):
        assert (wide.num_qubits, wide.num_clbits) == (6, circuit.qubits)
        result = StatevectorSampler(seed=seed).run([wide.assign_parameters(bound)], shots=shots).result()
        outcomes = np.array([[int(bits, 2) for bits in result[0].data.meas.get_bitstrings()]])
        for qubit, axis in enumerate(basis.axes):
            ones = 0.0 if axis == "I" else min(1.0, some[0][np.arange(some.shape[1]) >> qubit & 1 == 1].sum())
            found = (outcomes >> qubit & 1).mean()
            assert abs(found - ones) <= np.sqrt(2 * SURE * ones * (1 - ones) / shots) + 2 * SURE / 3 / shots + EXACT
    for wide, narrow in zip(routed.physical_circuits(False), routed.circuits, strict=True):
        assert (wide.num_qubits, wide.num_clbits) == (6, 0)
        assert wide.count_ops() == narrow.count_ops()


# What Aer knows by name; of the others it says that it does not.
UNKNOWN_TO_AER = {"rv", "xx_plus_yy", "xx_minus_yy"}
PARAMETERISED = sorted({name for name, gate in STANDARD.items() if gate.params} - UNKNOWN_TO_AER - {"global_phase"})


@pytest.mark.parametrize("name", PARAMETERISED)
def test_aer_binds_the_columns_of_every_gate(name: str, rng: np.random.Generator) -> None:
    """Aer leaves the angles of Qiskit's crx, cry, crz, cp, cu1, cu3 and mcphase at zero, and says nothing."""
    gate = STANDARD[name]
    numbers = rng.normal(size=(3, len(gate.params)))
    parameters = [Parameter(f"x{k}") for k in range(len(gate.params))]
    circuit = QuantumCircuit(gate.num_qubits)
    for around in (1, 2):
        circuit.append(UnitaryGate(random_unitary(2**gate.num_qubits, seed=around)), circuit.qubits)
        if around == 1:
            circuit.append(gate.base_class(*(2 * parameter for parameter in parameters)), circuit.qubits)
    spare = [other for other in IBM if other.name != name]
    device = target_of([gate.base_class(*map(Parameter, "abcd"[: len(parameters)])), *spare], None)
    bases = [Basis("X" * gate.num_qubits)]
    routed = route(circuit, parameters, device, bases, level=0)
    (placed_circuit,) = routed.circuits
    assert name in placed_circuit.count_ops()
    columns = routed.parameter_map.values(numbers)
    placed_circuit.save_probabilities()
    binds = [{parameter: list(column) for parameter, column in zip(routed.parameters, columns.T, strict=True)}]
    result = AerSimulator(method="statevector").run(
        placed_circuit, parameter_binds=binds, runtime_parameter_bind_enable=True
    )
    circuit.h(circuit.qubits)
    for row, found in zip(numbers, result.result().results, strict=True):
        wanted = Statevector(circuit.assign_parameters(dict(zip(parameters, row, strict=True)))).probabilities()
        read = permute_probabilities(np.array([found.data.probabilities]), routed.wires)[0]
        np.testing.assert_allclose(read, wanted, rtol=0, atol=EXACT)


def test_equal_seeds_give_equal_placements() -> None:
    circuit = ansatz("basic", qubits=5, layers=2)
    numbers = numbers_for(circuit, 0)

    def described(seed: int) -> str:
        routed, _ = routed_for(circuit, target("lagos"), seed=seed)
        columns = routed.parameter_map.values(numbers)[0]
        bound = [str(one.assign_parameters(columns).draw()) for one in routed.circuits]
        return f"{routed.physical} {routed.wires} {bound}"

    found = [described(seed) for seed in (*range(8), *range(8))]
    assert found[:8] == found[8:]
    assert len(set(found)) > 1


def test_a_routed_circuit_is_taken_as_it_is() -> None:
    circuit = QuantumCircuit(3)
    circuit.cx(0, 1)
    manager = generate_preset_pass_manager(2, target=target("lagos"), initial_layout=[1, 0, 2])
    routed = route(circuit, [], target("lagos"), [Basis("ZZI")], isa=manager.run(circuit))
    assert [routed.physical[wire] for wire in routed.wires[:2]] == [1, 0]


def test_identities_need_no_circuit() -> None:
    routed, _ = routed_for(LayerCircuit(QuantumCircuit(2), [], [], "II"), target("lagos"))
    assert (routed.circuits, routed.physical, routed.wires) == ((), (), (-1, -1))


@pytest.mark.parametrize(
    ("options", "qubits", "message"),
    [
        ({}, 9, "9 qubits, but the device has 7"),
        ({"level": 7}, 3, "optimization level"),
    ],
)
def test_what_cannot_be_placed_is_refused(options: dict[str, object], qubits: int, message: str) -> None:
    circuit = QuantumCircuit(qubits)
    circuit.cx(0, range(1, qubits))
    with pytest.raises(BackendError, match=message):
        route(circuit, [], target("lagos"), [Basis("Z" * qubits)], **options)


def test_what_the_transpiler_cannot_do_is_said_in_its_words() -> None:
    circuit = QuantumCircuit(2)
    circuit.cx(0, 1)
    with pytest.raises(BackendError, match="Unable to translate"):
        route(circuit, [], target_of([RZGate(ANGLE)], 2), [Basis("ZZ")])
    with pytest.raises(BackendError, match="Unable to translate"):
        route(QuantumCircuit(2), [], target_of([RZGate(ANGLE), CZGate()], 2), [Basis("XI")])


@pytest.mark.parametrize("name", ["aer:fake_fez", "noisy:fake_fez", "aer:fake_london", "noisy:fake_london"])
def test_a_circuit_is_compiled_again_whatever_its_global_phase(name: str, rng: np.random.Generator) -> None:
    """P, CP and U gates leave weights and inputs in it, which each circuit has of its own, under the same names."""

    def build() -> LayerCircuit:
        x, w = ParameterVector("x", 2), ParameterVector("w", 4)
        circuit = QuantumCircuit(2, global_phase=w[0] + coefficients[0] * w[1] - coefficients[1] * x[0])
        circuit.h([0, 1])
        circuit.p(w[0] + coefficients[2] * w[1], 0)
        circuit.u(x[0], w[3], x[1] + w[0], 1)
        circuit.cp(w[2], 0, 1)
        circuit.h(0)
        return LayerCircuit(circuit, x, w)

    coefficients = rng.uniform(0.5, 2, 3)
    inputs, weights = rng.uniform(-3, 3, (3, 2)), rng.uniform(-3, 3, 4)
    exact = open_backend("reference").compile(build()).expectations(inputs, weights)
    backend = open_backend(name, noise_scale=0.0)
    for circuit in (build(), build()):
        assert np.allclose(backend.compile(circuit).expectations(inputs, weights), exact, atol=1e-9)
