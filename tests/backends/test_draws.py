"""Bits of single shots under noise, and what cannot be drawn."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from chi_square import check_frequencies
from drawn import layer_circuits
from effort import examples
from hypothesis import given
from hypothesis import strategies as st

from qgen.backends import Executable, open_backend
from qgen.backends.aer import noisy
from qgen.backends.measurement.estimates import walsh_hadamard_rows
from qgen.circuits import LayerCircuit, ansatz, with_z_products
from qgen.errors import BackendError

SHOTS = 4000
NOISE = """
depolarizing: {one_qubit: 0.02, two_qubit: 0.05}
relaxation: {t1_us: 50, t2_us: 40, one_qubit_ns: 500, two_qubit_ns: 2000}
readout: [[0.97, 0.03], [0.1, 0.9]]
basis: [rz, sx, x, cx]
coupling: line
"""


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("noise") / "noise.yaml"
    path.write_text(NOISE)
    return path


def read(circuit: LayerCircuit, file: Path, numbers: tuple[npt.NDArray[np.float64], ...]) -> npt.NDArray[np.float64]:
    """Probabilities (2^n,) of what is read, by Aer's density matrix."""
    values = open_backend(f"aer:{file}").compile(with_z_products(circuit)).expectations(*numbers)
    return walsh_hadamard_rows(np.asarray(values)[None], circuit.qubits)[0] / values.shape[-1]


@pytest.mark.rows(2)
@pytest.mark.parametrize(
    ("name", "shots"), [("aer", None), ("aer", 100), ("aer", 1), ("noisy", None), ("noisy", 100)], ids=str
)
@examples(2)
@given(circuit=layer_circuits(most_qubits=3, most_gates=8), seed=st.integers(0, 2**31))
def test_bits_have_a_device_s_errors(
    name: str, shots: int | None, circuit: LayerCircuit, seed: int, file: Path
) -> None:
    rng = np.random.default_rng(seed)
    numbers = rng.normal(size=circuit.num_inputs), rng.normal(size=circuit.num_weights)
    wanted = read(circuit, file, numbers)
    found = open_backend(f"{name}:{file}", shots).compile(circuit).draw(*numbers, SHOTS, seed)
    check_frequencies(found, np.where(wanted < 1e-9, 0, wanted))


def test_shots_of_trajectories_are_in_no_order(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Counts would come sorted: the first half of the shots has to be like the second one."""
    monkeypatch.setattr(noisy, "SHOTS_WORTH", 0)
    circuit = ansatz("basic", qubits=3, layers=1)
    numbers = np.full(3, 0.7), np.full(circuit.num_weights, 0.5)
    bits = open_backend(f"aer:{file}", 1).compile(circuit).draw(*numbers, 2 * SHOTS, 1)
    wanted = read(circuit, file, numbers)
    for half in (bits[:SHOTS], bits[SHOTS:]):
        check_frequencies(half, wanted)


def test_a_fake_device_draws_from_what_aer_reads() -> None:
    circuit = ansatz("basic", qubits=3, layers=1)
    numbers = np.full(3, 0.7), np.full(circuit.num_weights, 0.5)
    values = open_backend("aer:fake_manila").compile(with_z_products(circuit)).expectations(*numbers)
    wanted = walsh_hadamard_rows(np.asarray(values)[None], 3)[0] / 8
    check_frequencies(open_backend("fake_manila").compile(circuit).draw(*numbers, SHOTS, 4), wanted)


def test_what_cannot_be_drawn_is_said(file: Path) -> None:
    circuit = ansatz("basic")
    numbers = np.zeros(4), np.zeros(16)

    def refused(executable: Executable, what: str) -> None:
        with pytest.raises(BackendError, match=what):
            executable.draw(*numbers, 3, 1)

    mitigated = open_backend(f"noisy:{file}", mitigation="readout+zne:1,3")
    refused(mitigated.compile(circuit), "mitigation `readout.zne:1,3` extrapolates values, of which no bits are drawn")
    wide = ansatz("basic", qubits=11, layers=1)
    numbers = np.zeros(11), np.zeros(wide.num_weights)
    refused(open_backend(f"noisy:{file}").compile(wide), "draws the shots of 10 qubits at most, and 11 are read")
