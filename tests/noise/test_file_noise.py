"""Noise from a file, against density-matrix algebra with Kraus operators written out here."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from qiskit import QuantumCircuit, transpile
from qiskit.circuit import Gate
from qiskit.circuit.library import get_standard_gate_name_mapping
from qiskit.quantum_info import Operator, SuperOp
from qiskit_aer import AerSimulator
from qiskit_aer.noise import NoiseModel

from qgen.errors import BackendError, ConfigError
from qgen.noise import KINDS, DeviceNoise, FileNoise, NoiseSettings, read_noise
from qgen.noise.settings import ONE_QUBIT_GATES, TWO_QUBIT_GATES

EXACT = 1e-10
Matrix = npt.NDArray[np.complex128]
Step = tuple[str, tuple[float, ...], tuple[int, ...]]  # a gate, its angles, its qubits

NOISE = """
basis: [rz, sx, x, cx, rzz]
depolarizing: {one_qubit: 0.02, two_qubit: 0.07, x: 0.05}
relaxation: {t1_us: 20, t2_us: 15, one_qubit_ns: 350, two_qubit_ns: 2000}
readout: [[0.98, 0.02], [0.07, 0.93]]
"""
# T2 > T1 takes Aer another way: it has no mixture of resets for that.
KRAUS = NOISE.replace("t2_us: 15", "t2_us: 35")

PAULIS = [np.eye(2), np.array([[0, 1], [1, 0]]), np.array([[0, -1j], [1j, 0]]), np.diag([1, -1])]


def on(qubits: Sequence[int], operator: npt.ArrayLike) -> Matrix:
    """An operator on two qubits of which only these are touched; qubit 0 is the last factor, as in Qiskit."""
    small = np.asarray(operator, dtype=complex)
    if len(qubits) == 1:
        return np.kron(small, np.eye(2)) if qubits[0] == 1 else np.kron(np.eye(2), small)
    swap = np.eye(4)[[0, 2, 1, 3]]
    return small if tuple(qubits) == (0, 1) else swap @ small @ swap


def unitary(name: str, angles: Sequence[float]) -> Matrix:
    if name == "rz":
        return np.diag(np.exp([-0.5j * angles[0], 0.5j * angles[0]]))
    if name == "rzz":
        return np.diag(np.exp(-0.5j * angles[0] * np.array([1, -1, -1, 1])))
    fixed = {
        "sx": np.array([[1 + 1j, 1 - 1j], [1 - 1j, 1 + 1j]]) / 2,
        "x": PAULIS[1],
        "cx": np.eye(4)[[0, 3, 2, 1]],  # the first qubit, the control, is the last factor
    }
    return fixed[name].astype(complex)


def through(rho: Matrix, operators: Sequence[Matrix]) -> Matrix:
    return sum((k @ rho @ k.conj().T for k in operators), np.zeros_like(rho))


def depolarizing(p: float, width: int) -> list[Matrix]:
    words = [np.kron(a, b) for a, b in product(PAULIS, PAULIS)] if width == 2 else PAULIS
    weights = [1 - p + p / len(words)] + [p / len(words)] * (len(words) - 1)
    return [math.sqrt(weight) * word.astype(complex) for weight, word in zip(weights, words, strict=True)]


def relaxation(t1: float, t2: float, time: float) -> list[Matrix]:
    """Amplitude damping, then as much dephasing as T2 still asks for."""
    stays = math.exp(-time / t1)
    damping = [np.diag([1, math.sqrt(stays)]), np.array([[0, math.sqrt(1 - stays)], [0, 0]])]
    kept = math.exp(-time / t2) / math.sqrt(stays)
    dephasing = [math.sqrt((1 + kept) / 2) * PAULIS[0], math.sqrt((1 - kept) / 2) * PAULIS[3]]
    return [(second @ first).astype(complex) for first, second in product(damping, dephasing)]


def algebra(steps: Sequence[Step], t2: float, scale: float, kinds: Sequence[str]) -> Matrix:
    """The density matrix that the numbers in NOISE lead to."""
    rho = np.zeros((4, 4), dtype=complex)
    rho[0, 0] = 1
    for name, angles, qubits in steps:
        rho = through(rho, [on(qubits, unitary(name, angles))])
        if name == "rz":
            continue
        p = {"sx": 0.02, "x": 0.05, "cx": 0.07, "rzz": 0.07}[name]
        time = 0.35 if len(qubits) == 1 else 2.0
        if "gates" in kinds:
            rho = through(rho, [on(qubits, k) for k in depolarizing(min(1, scale * p), len(qubits))])
        for qubit in qubits if "relaxation" in kinds else ():
            rho = through(rho, [on([qubit], k) for k in relaxation(20, t2, scale * time)])
    return rho


def random_steps(rng: np.random.Generator) -> list[Step]:
    steps: list[Step] = []
    for _ in range(4):
        for qubit in (0, 1):
            steps += [
                ("rz", (rng.uniform(0, 6),), (qubit,)),
                ("sx", (), (qubit,)),
                ("rz", (rng.uniform(0, 6),), (qubit,)),
            ]
        pair = (0, 1) if rng.integers(2) else (1, 0)
        steps += [("cx", (), pair), ("x", (), (int(rng.integers(2)),)), ("rzz", (rng.uniform(0, 6),), pair)]
    return steps


def simulated(steps: Sequence[Step], model: NoiseModel) -> Matrix:
    circuit = QuantumCircuit(2)
    for name, angles, qubits in steps:
        getattr(circuit, name)(*angles, *qubits)
    circuit.save_density_matrix()
    result = AerSimulator(method="density_matrix", noise_model=model).run(circuit, shots=1).result()
    return np.asarray(result.data()["density_matrix"])


def read_text(folder: Path, text: str) -> FileNoise:
    (folder / "noise.yaml").write_text(text, encoding="utf-8")
    return read_noise(folder / "noise.yaml")


@pytest.mark.rows(10)
@pytest.mark.parametrize("scale", [0.0, 1.0, 2.0, 30.0])
@pytest.mark.parametrize("kinds", [KINDS[:1], KINDS[1:2], KINDS[2:], KINDS])
@pytest.mark.parametrize(("text", "t2"), [(NOISE, 15.0), (KRAUS, 35.0)])
def test_aer_gives_what_the_algebra_gives(
    text: str, t2: float, kinds: tuple[str, ...], scale: float, tmp_path: Path, rng: np.random.Generator
) -> None:
    local = read_text(tmp_path, text).local([4, 1], scale, kinds)
    steps = random_steps(rng)
    rho = algebra(steps, t2, scale, kinds)
    np.testing.assert_allclose(simulated(steps, local.model), rho, atol=EXACT)
    if scale:
        ideal = algebra(steps, t2, 0, ())
        assert (np.abs(rho - ideal).max() > 0.01) == (kinds != ("readout",))

    wrong = [min(0.5, scale * p) if "readout" in kinds else 0 for p in (0.02, 0.07)]
    flips = [[1 - wrong[0], wrong[0]], [wrong[1], 1 - wrong[1]]]  # of both qubits: flips[prepared][read]
    wanted = np.zeros((2, 2))
    for a, b, read_a, read_b in product((0, 1), repeat=4):
        wanted[read_a, read_b] += rho[a + 2 * b, a + 2 * b].real * flips[a][read_a] * flips[b][read_b]
    prepared = np.diag(rho).real.reshape(2, 2).T  # [qubit 0, qubit 1]
    actual = np.einsum("ab,ac,bd->cd", prepared, local.confusion[0], local.confusion[1])
    np.testing.assert_allclose(actual, wanted, atol=EXACT)


def test_at_scale_zero_nothing_is_left(tmp_path: Path) -> None:
    local = read_text(tmp_path, NOISE).local([0, 1, 2], scale=0)
    assert local.model.is_ideal()
    assert np.array_equal(local.confusion, [np.eye(2)] * 3)


def test_a_probability_is_never_more_than_one(tmp_path: Path) -> None:
    noise = read_text(tmp_path, "depolarizing: {one_qubit: 0.3}\nreadout: [[0.2, 0.8], [0.3, 0.7]]")
    local = noise.local([0], scale=1000)
    rho = simulated([("sx", (), (0,))], local.model)
    np.testing.assert_allclose(rho, np.kron(np.diag([1, 0]), np.eye(2) / 2), atol=EXACT)
    np.testing.assert_allclose(local.confusion, [[[0.2, 0.8], [0.5, 0.5]]], atol=EXACT)


@pytest.mark.parametrize("text", ["", "{}", "basis: [rz, sx, x, cx]", "depolarizing: {one_qubit: 0}"])
def test_what_is_left_out_makes_no_noise(text: str, tmp_path: Path) -> None:
    local = read_text(tmp_path, text).local([0, 1])
    assert local.model.is_ideal()
    assert np.array_equal(local.confusion, [np.eye(2)] * 2)


@pytest.mark.parametrize(
    ("text", "decay"),
    [
        ("{t1_us: 2, one_qubit_ns: 1000, two_qubit_ns: 0}", (math.exp(-0.5), math.exp(-0.25))),
        ("{t2_us: 4, one_qubit_ns: 1000, two_qubit_ns: 0}", (1.0, math.exp(-0.25))),
    ],
)
def test_one_of_t1_and_t2_is_enough(text: str, decay: tuple[float, float], tmp_path: Path) -> None:
    model = read_text(tmp_path, f"relaxation: {text}").local([0]).model
    channel = SuperOp(model._default_quantum_errors["x"]).data
    np.testing.assert_allclose([channel[3, 3].real, channel[1, 1].real], decay, atol=EXACT)


def test_aer_makes_errors_after_every_gate_that_a_basis_may_hold(tmp_path: Path) -> None:
    """Fully depolarised by each of them, on the method for density matrices and on that for trajectories."""
    angles = 0.3
    for name in (*ONE_QUBIT_GATES, *TWO_QUBIT_GATES):
        basis = ["rx", "ry", "cz", *([name] if name not in ("rx", "ry", "cz") else [])]
        settings = NoiseSettings.read({"basis": basis, "virtual": [], "depolarizing": {name: 1}})
        gate = get_standard_gate_name_mapping()[name]
        circuit = QuantumCircuit(2)
        made = gate.base_class(*[angles] * len(gate.params))
        circuit.append(made, range(gate.num_qubits))
        circuit.save_density_matrix()
        model = FileNoise(settings).local([0, 1]).model
        for method, shots, tolerance in (("density_matrix", 1, EXACT), ("statevector", 400, 0.15)):
            simulator = AerSimulator(method=method, noise_model=model, seed_simulator=7)
            rho = np.asarray(simulator.run(circuit, shots=shots).result().data()["density_matrix"])
            wanted = np.eye(4) / 4 if gate.num_qubits == 2 else np.diag([0.5, 0.5, 0, 0])
            np.testing.assert_allclose(rho, wanted, atol=tolerance, err_msg=f"{name} {method}")


@pytest.mark.parametrize(
    ("coupling", "size", "pairs"),
    [
        ("null", 3, {(0, 1), (0, 2), (1, 2)}),
        ("line", 3, {(0, 1), (1, 2)}),
        ("ring", 4, {(0, 1), (1, 2), (2, 3), (0, 3)}),
        ("ring", 2, {(0, 1)}),
        ("line", 1, set()),
        ("[[0, 2], [2, 1], [1, 2]]", 3, {(0, 2), (1, 2)}),
    ],
)
def test_circuits_are_rewritten_for_its_gates_and_pairs(
    coupling: str, size: int, pairs: set[tuple[int, int]], tmp_path: Path, rng: np.random.Generator
) -> None:
    target = read_text(tmp_path, f"basis: [sx, rz, cz]\ncoupling: {coupling}").target(size)
    assert target.num_qubits == size
    assert set(target.get("cz", {})) == pairs | {pair[::-1] for pair in pairs}
    circuit = QuantumCircuit(size)
    for a in range(size):
        circuit.u(*rng.uniform(0, 6, 3), a)
        for b in range(a):
            circuit.crx(rng.uniform(0, 6), a, b)
    level = int(rng.integers(4))
    written = transpile(circuit, target=target, optimization_level=level, seed_transpiler=int(rng.integers(2**31)))
    assert set(written.count_ops()) <= {"sx", "rz", "cz"}
    touched = {
        tuple(sorted(written.find_bit(qubit).index for qubit in one.qubits))
        for one in written.data
        if len(one.qubits) == 2
    }
    assert touched <= pairs
    assert Operator.from_circuit(written).equiv(Operator(circuit))


@pytest.mark.parametrize("text", [NOISE, KRAUS, "depolarizing: {two_qubit: 1}"])
def test_its_target_reports_its_errors(text: str, tmp_path: Path) -> None:
    """A device with the durations, errors, T1 and T2 of the target has the same channels."""
    noise = read_text(tmp_path, text)
    device, local = DeviceNoise(noise.target(2), "imagined").local([0, 1]), noise.local([0, 1])
    for name, error in local.model._default_quantum_errors.items():
        place = (0, 1) if name in TWO_QUBIT_GATES else (1,)
        actual = SuperOp(device.model._local_quantum_errors[name][place])
        np.testing.assert_allclose(actual.data, SuperOp(error).data, atol=EXACT, err_msg=name)
    mean = device.confusion.mean(axis=(0, 1))
    np.testing.assert_allclose(mean.mean(), local.confusion.mean(), atol=EXACT)
    assert device.confusion[0, 0, 1] == pytest.approx(local.confusion[0][[0, 1], [1, 0]].mean())


def test_facts_hold_all_that_is_in_the_file(tmp_path: Path) -> None:
    noise = read_text(tmp_path, NOISE)
    facts = noise.local([3, 0], 2, ("gates",)).provenance
    assert FileNoise(NoiseSettings.read(facts.pop("settings"))).settings == noise.settings
    assert facts == {"name": "noise.yaml", "calibrated": None, "qubits": [3, 0], "scale": 2.0, "kinds": ["gates"]}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("relaxation: {t1_us: 10, t2_us: 21, one_qubit_ns: 1, two_qubit_ns: 1}", "t2_us is 21.* at most 2 T1, here 20"),
        ("relaxation: {t1_us: -1, one_qubit_ns: 1, two_qubit_ns: 1}", "relaxation.t1_us.*given: -1"),
        ("relaxation: {t1_us: 0, one_qubit_ns: 1, two_qubit_ns: 1}", "relaxation.t1_us"),
        ("relaxation: {t1_us: 9, one_qubit_ns: -35, two_qubit_ns: 1}", "relaxation.one_qubit_ns.*given: -35"),
        ("relaxation: {t1_us: 9, two_qubit_ns: 1}", "relaxation.one_qubit_ns` is missing"),
        ("relaxation: {t1_us: .nan, one_qubit_ns: 1, two_qubit_ns: 1}", "relaxation.t1_us"),
        ("relaxation: {one_qubit_ns: 1, two_qubit_ns: 1}", "t1_us.*t2_us.*or both"),
        ("depolarizing: {one_qubit: 1.2}", "depolarizing.one_qubit.*less than or equal to 1.*1.2"),
        ("depolarizing: {two_qubit: -0.1}", "depolarizing.two_qubit.*-0.1"),
        ("depolarizing: {two_qubits: 0.1}", "`two_qubits` is no key.*Did you mean `two_qubit`"),
        ("depolarizing: {cz: 0.1}", "`cz` is no key of `depolarizing`"),
        ("depolarizing: {rz: 0.1}", "`rz` is a virtual gate"),
        ("readout: [[0.98, 0.03], [0.03, 0.97]]", "`readout`: row 0 sums to 1.01"),
        ("readout: [[0.98, 0.02], [-0.03, 1.03]]", r"readout.1.0.*-0.03"),
        ("readout: [[1, 0]]", "readout"),
        ("basis: [rz, sx, cxx]", "`cxx` is no gate.*Did you mean `cx`"),
        ("basis: [rz, sx]", "needs a gate on two qubits"),
        ("basis: [rz, cx]", "cannot be rewritten in the basis rz, cx"),
        ("basis: [rz, sx, swap]", "cannot be rewritten"),
        ("basis: rz", "`basis`"),
        ("virtual: [rx]", "`rx` is no gate of the basis"),
        ("coupling: ladder", "`coupling`: give `line`, `ring`"),
        ("coupling: []", "`coupling`: give"),
        ("coupling: [[0, 0]]", "`coupling`: give"),
        ("coupling: [[0, 1, 2]]", "`coupling`: give"),
        ("coupling: [[0, -1]]", "`coupling`: give"),
        ("coupling: [[0, 1000000]]", "`coupling`: give"),
        ("coupling: {0: 1}", "`coupling`: give"),
        ("depolarising: {one_qubit: 0.1}", "unknown key `depolarising`. Did you mean `depolarizing`"),
        ("relaxation: {t1: 3, one_qubit_ns: 1, two_qubit_ns: 1}", "unknown key `relaxation.t1`.*`relaxation.t1_us`"),
        ("basis: [rz, sx", "is not YAML"),
        ("a: !!python/object:os.system {}", "is not YAML"),
        ("- 1", "`key: value` lines"),
        ("1: 2", "unknown key `1`"),
    ],
)
def test_what_cannot_be_is_one_line_that_names_the_file(text: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=words) as caught:
        read_text(tmp_path, text)
    assert "noise.yaml" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    for path in (tmp_path / "none.yaml", tmp_path):
        with pytest.raises(ConfigError, match=f"{path.name} cannot be read"):
            read_noise(path)
    (tmp_path / "bytes.yaml").write_bytes(b"\xff\xfe\xfa")
    with pytest.raises(ConfigError, match=r"bytes\.yaml cannot be read: it is not text"):
        read_noise(tmp_path / "bytes.yaml")


@pytest.mark.parametrize(
    ("ask", "words"),
    [
        (lambda noise: noise.target(4), "circuit has 4 qubits, the pairs in `coupling` of noise.yaml only 3"),
        (lambda noise: noise.local([3]), "qubit 3.* from 0 to 2"),
        (lambda noise: noise.local([0], kinds=["readouts"]), "Did you mean `readout`"),
    ],
)
def test_pairs_are_a_device_of_a_size(ask: Callable[[FileNoise], Any], words: str, tmp_path: Path) -> None:
    noise = read_text(tmp_path, "coupling: [[0, 1], [1, 2]]")
    assert noise.target(1).num_qubits == 3
    with pytest.raises(BackendError, match=words):
        ask(noise)


def test_gates_are_those_of_qiskit() -> None:
    known = get_standard_gate_name_mapping()
    assert all(isinstance(known[name], Gate) and known[name].num_qubits == 1 for name in ONE_QUBIT_GATES)
    assert all(isinstance(known[name], Gate) and known[name].num_qubits == 2 for name in TWO_QUBIT_GATES)
