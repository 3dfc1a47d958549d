"""What every backend has to give from the day it is listed: the numbers of Qiskit's own Statevector."""

from __future__ import annotations

from copy import deepcopy
from functools import lru_cache
from math import prod
from typing import NamedTuple

import numpy as np
import pytest
import torch
from chi_square import check_frequencies
from drawn import layer_circuits, small_ansatz
from effort import examples
from hypothesis import given
from hypothesis import strategies as st
from qiskit import QuantumCircuit
from qiskit.circuit import Parameter
from qiskit.quantum_info import Statevector

from qgen import QuantumLayer
from qgen.backends import FORMS, Backend, backend_names, open_backend
from qgen.backends.measurement import Measurement
from qgen.circuits import LayerCircuit, Mixture, ansatz, ansatz_names
from qgen.errors import InputError, QgenError

EXACT, SINGLE = 1e-10, 1e-5  # tolerances in float64 and float32, for observables of norm 1
SHOTS = 4096
DRAWN = 5000  # shots whose bits are looked at
QUIET = "depolarizing: {one_qubit: 0.0}\nbasis: [rz, sx, x, cx]\ncoupling: line\n"


NOISE = """
depolarizing: {one_qubit: 0.001, two_qubit: 0.01}
relaxation: {t1_us: 50, t2_us: 40, one_qubit_ns: 50, two_qubit_ns: 400}
"""


class Case(NamedTuple):
    """A backend whose values are, or estimate, those of the ideal circuit."""

    name: str
    shots: int | None = None
    noise_scale: float | None = None
    method: str | None = None

    def open(self) -> Backend:
        return opened(self)

    def __str__(self) -> str:
        return f"{self.name}{' sampled' if self.shots else ''}{f' {self.method}' if self.method else ''}"

    @property
    def rounding(self) -> float:
        """How far values are off, for observables of norm 1: paths are in float32, whatever the layer is."""
        return SINGLE if self.method == "paths" else EXACT


@lru_cache
def opened(case: Case) -> Backend:
    return open_backend(*case[:3], method=case.method)


#: A device or file for each form of names; noise at strength zero leaves the ideal circuit, transpiled and routed.
EXAMPLES = {
    "noisy:DEVICE": [
        Case("noisy:fake_lagos", None, 0.0),
        Case("noisy:fake_lagos", None, 0.0, "paths"),
        Case("noisy:fake_lagos", SHOTS, 0.0),
    ],
    "noisy:FILE.yaml": [Case("noisy:quiet.yaml")],
    "aer:DEVICE": [Case("aer:fake_lagos", None, 0.0), Case("aer:fake_lagos", SHOTS, 0.0)],
    "aer:FILE.yaml": [Case("aer:quiet.yaml")],
    "fake_DEVICE": [],  # has noise always: see aer/test_noisy.py
    "ibm_DEVICE": [],  # see tests/backends/ibm
    "provider:NAME": [],  # see device/test_provider.py
    "provider:MODULE:OBJECT": [],  # likewise
}
LISTED = [Case(name) for name in backend_names()]
CASES = [
    *(case for case in LISTED if case.name != "reference"),
    *(Case(case.name, SHOTS) for case in LISTED if case.open().capabilities.countable),
    *(case for some in EXAMPLES.values() for case in some),
]
ADJOINT = [*(case for case in LISTED if case.open().capabilities.adjoint), Case("noisy:noise.yaml")]

cases = pytest.mark.parametrize("case", CASES, ids=str)
shapes = st.sampled_from([((), ()), ((3,), ()), ((2, 3), ()), ((2, 1), (3,)), ((), (2,)), ((5,), (5,))])


@pytest.fixture(autouse=True, scope="module")
def _noise_file(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("noise")
    (folder / "quiet.yaml").write_text(QUIET)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        (folder / "noise.yaml").write_text(NOISE)
        for name in ("aer:quiet.yaml", "noisy:quiet.yaml", "noisy:noise.yaml"):
            opened(Case(name))


def test_every_form_of_names_has_examples() -> None:
    assert set(EXAMPLES) == set(FORMS)


def tolerance(circuit: LayerCircuit, inputs: torch.Tensor, weights: torch.Tensor) -> np.ndarray:
    """Five standard errors of the values of one sample, by the probabilities that Statevector gives."""
    bound = circuit.circuit.assign_parameters(
        dict(zip(circuit.inputs + circuit.weights, [*inputs.tolist(), *weights.tolist()], strict=True))
    )
    measurement, probabilities = Measurement(circuit.observables), []
    for basis in measurement.bases:
        turned = bound.copy()
        for qubit, axis in enumerate(basis.axes):
            if axis == "Y":
                turned.sdg(qubit)
            if axis in "XY":
                turned.h(qubit)
        probabilities.append(Statevector(turned).probabilities()[None])
    return 5 * np.sqrt(measurement.variances(probabilities, SHOTS)[0])


@cases
@examples(5)
@given(circuit=layer_circuits(most_qubits=6), shape=shapes, seed=st.integers(0, 2**31))
def test_values_are_those_of_qiskit(
    case: Case, circuit: LayerCircuit, shape: tuple[tuple[int, ...], tuple[int, ...]], seed: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    sizes = (*shape[0], circuit.num_inputs), (*shape[1], circuit.num_weights)
    inputs, weights = (torch.randn(size, generator=generator).double() for size in sizes)  # float32 numbers
    norm = max(1.0, *(float(np.abs(observable.coeffs).sum()) for observable in circuit.observables))
    wanted = open_backend("reference").compile(circuit).expectations(inputs, weights)
    executable = case.open().compile(circuit)
    found = executable.expectations(inputs, weights, seed)
    assert found.dtype == torch.float64
    assert found.shape == wanted.shape
    if case.shots:
        lead = found.shape[:-1]
        rows = [t.expand(*lead, t.shape[-1]).reshape(prod(lead), t.shape[-1]) for t in (inputs, weights)]
        limits = np.array([tolerance(circuit, *row) for row in zip(*rows, strict=True)])
        # A rare outcome comes once or not at all: that is far from normal, and worth a few counts.
        off = (found - wanted).reshape(len(limits), -1).abs().numpy()
        assert (off <= limits + 10 * norm / SHOTS).all()
        return
    torch.testing.assert_close(found, wanted, rtol=0, atol=case.rounding * norm)
    found = executable.expectations(inputs.float(), weights.float())
    assert found.dtype == torch.float32
    torch.testing.assert_close(found.double(), wanted, rtol=0, atol=SINGLE * norm)


@pytest.mark.rows(9)
@pytest.mark.parametrize("case", ADJOINT, ids=str)
@pytest.mark.parametrize("name", ansatz_names())
def test_gradients_are_differences_of_its_own_values(case: Case, name: str) -> None:
    circuit = small_ansatz(name)
    executable = case.open().compile(circuit)
    inputs, weights = torch.randn(circuit.num_inputs).double(), torch.rand(circuit.num_weights).double()
    upstream = torch.randn(circuit.num_observables).double()
    moves = 1e-5 * torch.eye(len(inputs) + len(weights)).double()
    moved = torch.cat([inputs, weights]) + torch.stack([moves, -moves])
    values = executable.expectations(moved[..., : len(inputs)], moved[..., len(inputs) :]) @ upstream
    found = executable.vjp(inputs, weights, upstream, (True, True))
    torch.testing.assert_close(torch.cat(found), (values[0] - values[1]) / 2e-5, rtol=0, atol=1e-6)


@pytest.mark.rows(4)
@cases
@examples(2)
@given(circuit=layer_circuits(most_qubits=5), seed=st.integers(0, 2**31))
def test_bits_follow_the_probabilities(case: Case, circuit: LayerCircuit, seed: int) -> None:
    rng = np.random.default_rng(seed)
    inputs, weights = rng.normal(size=(2, circuit.num_inputs)), rng.normal(size=circuit.num_weights)
    bits = case.open().compile(circuit).draw(inputs, weights, DRAWN, seed)
    assert bits.shape == (2, DRAWN, circuit.qubits)
    for row, own in zip(bits, inputs, strict=True):
        numbers = [*own.tolist(), *weights.tolist()]
        names = circuit.inputs + circuit.weights
        state = Statevector(circuit.circuit.assign_parameters(dict(zip(names, numbers, strict=True))))
        # Rounding of one backend or another is no outcome that comes.
        check_frequencies(row, np.where(state.probabilities() < 1e-9, 0, state.probabilities()))


@cases
def test_bits_come_in_any_shape_and_follow_their_seed(case: Case) -> None:
    executable = case.open().compile(ansatz("basic"))
    inputs, weights = torch.randn(2, 1, 4), torch.rand(3, 16)
    bits = executable.draw(inputs, weights, 5, 1)
    assert (bits.shape, bits.dtype) == ((2, 3, 5, 4), torch.uint8)
    assert torch.equal(executable.draw(inputs, weights, 5, 1), bits)
    assert not torch.equal(executable.draw(inputs, weights, 5, 2), bits)
    torch.manual_seed(5)
    one, other = (executable.draw(inputs, weights, 5) for _ in range(2))
    torch.manual_seed(5)
    assert torch.equal(executable.draw(inputs, weights, 5), one)
    assert not torch.equal(one, other)
    assert executable.draw(inputs[:0], weights, 5).shape == (0, 3, 5, 4)
    with pytest.raises(QgenError, match="shots"):
        executable.draw(inputs, weights, 0)
    with pytest.raises(InputError, match="inputs"):
        executable.draw(inputs * torch.nan, weights, 5)


@cases
def test_a_mixture_draws_from_all_of_its_points(case: Case) -> None:
    """Each shot is of one point; neighbouring shots are of points of their own."""
    turn, circuit = Parameter("t"), QuantumCircuit(2)
    circuit.ry(turn, 0)
    circuit.cx(0, 1)
    layer = LayerCircuit(circuit, [], [], mixture=Mixture([turn], [[0.0], [np.pi], [np.pi], [np.pi / 2]]))
    bits = case.open().compile(layer).draw(np.zeros(0), np.zeros(0), DRAWN, 3)
    check_frequencies(bits, np.array([1.5, 0, 0, 2.5]) / 4)
    check_frequencies(bits.reshape(-1, 4)[:, ::2], np.array([2.25, 3.75, 3.75, 6.25]) / 16)


@cases
def test_no_samples_give_no_values(case: Case) -> None:
    executable = case.open().compile(ansatz("basic"))
    assert executable.expectations(torch.zeros(0, 4), torch.zeros(16)).shape == (0, 4)


@pytest.mark.rows(4)
@cases
def test_a_copy_of_a_layer_gives_the_same_values(case: Case) -> None:
    layer = QuantumLayer(ansatz("basic"), backend=case.open())
    inputs, found = torch.randn(3, 4), []
    for each in (layer, deepcopy(layer)):
        torch.manual_seed(1)
        found.append(each(inputs))
    torch.testing.assert_close(*found)


@pytest.mark.parametrize("case", [case for case in CASES if case.shots], ids=str)
def test_shots_follow_the_seed_and_nothing_else(case: Case) -> None:
    executable = case.open().compile(ansatz("basic"))
    inputs, weights = torch.zeros(50, 4).double(), torch.rand(16).double()
    first, second, again = (executable.expectations(inputs, weights, seed) for seed in (1, 2, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, second)
    assert len(torch.unique(first[:, 0])) > 10  # samples of one call do not share theirs
    torch.manual_seed(5)
    one, other = (executable.expectations(inputs, weights) for _ in range(2))
    torch.manual_seed(5)
    assert torch.equal(executable.expectations(inputs, weights), one)
    assert not torch.equal(one, other)
