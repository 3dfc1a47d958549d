"""IBM's backend properties as a noise file: the same device as Qiskit's own reading of its snapshot."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from qiskit_aer.noise import NoiseModel, depolarizing_error
from qiskit_ibm_runtime import fake_provider

from qgen.backends import open_backend
from qgen.circuits import ansatz
from qgen.errors import ConfigError
from qgen.noise import DeviceNoise, NoiseSource, read_noise

BACKENDS = Path(fake_provider.__file__).parent / "backends"


@pytest.mark.parametrize(("city", "kind"), [("brisbane", "FakeBrisbane"), ("fez", "FakeFez"), ("lima", "FakeLimaV2")])
def test_a_snapshot_is_read_as_qiskit_reads_it(city: str, kind: str, tmp_path: Path) -> None:
    content = (BACKENDS / city / f"props_{city}.json").read_text()
    (tmp_path / "mine.JSON").write_text(content)
    noise: NoiseSource = read_noise(tmp_path / "mine.JSON")
    theirs = getattr(fake_provider, kind)().target
    ours = noise.target(2)
    assert isinstance(noise, DeviceNoise)
    assert noise.qubits == theirs.num_qubits
    assert noise.provenance()["calibrated"]
    compared = 0
    for name in {"sx", "x", "rz", "cx", "cz", "ecr", "measure"} & set(theirs.operation_names):
        for place, facts in theirs[name].items():
            if place not in ours[name]:
                continue
            mine = ours[name][place]
            for one, other in ((mine.error, facts.error), (mine.duration, facts.duration)):
                if other is not None and other < 1:
                    assert one == pytest.approx(other, rel=1e-9, abs=1e-15)
                    compared += 1
    assert compared > 4 * theirs.num_qubits
    for mine, other in zip(ours.qubit_properties, theirs.qubit_properties, strict=True):
        assert (mine.t1, mine.t2) == pytest.approx((other.t1, other.t2))


def test_circuits_run_with_it(tmp_path: Path, rng: np.random.Generator) -> None:
    (tmp_path / "mine.json").write_text((BACKENDS / "lima" / "props_lima.json").read_text())
    circuit = ansatz("basic", qubits=2, layers=1)
    inputs, weights = rng.normal(size=circuit.num_inputs), rng.normal(size=circuit.num_weights)
    with_file, exact = (
        open_backend(name).compile(circuit).expectations(inputs, weights)
        for name in (f"aer:{tmp_path / 'mine.json'}", "statevector")
    )
    assert 1e-6 < np.abs(with_file - exact).max() < 0.3


def spoilt(**changes: Any) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((BACKENDS / "lima" / "props_lima.json").read_text())
    return content | changes


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (spoilt(qubits=[[{"name": "T1", "unit": "parsec", "value": 1}]]), "no backend properties"),
        (spoilt(qubits=[[{"name": "T1", "unit": "us", "value": "x"}]]), "no backend properties"),
        (spoilt(qubits=[]), "no backend properties"),
        (spoilt(gates=[]), "no gate on two qubits"),
        (spoilt(gates=[{"gate": "cx"}]), "no backend properties"),
        (
            spoilt(gates=[{"gate": "cx", "qubits": [0, 1], "parameters": [{"name": "gate_error", "value": 3}]}]),
            "gate_error is 3",
        ),
        ({"errors": []}, "noise model of Aer"),
        ([1], "does not hold settings"),
        ({"depolarising": {}}, "Did you mean `depolarizing`"),
    ],
)
def test_what_is_no_noise_is_refused(content: Any, words: str, tmp_path: Path) -> None:
    (tmp_path / "n.json").write_text(json.dumps(content))
    with pytest.raises(ConfigError, match=words) as caught:
        read_noise(tmp_path / "n.json")
    assert "\n" not in str(caught.value)
    assert "n.json" in str(caught.value)


def test_a_noise_model_of_aer_is_told_what_is_read(tmp_path: Path) -> None:
    model = NoiseModel()
    model.add_all_qubit_quantum_error(depolarizing_error(0.01, 1), ["sx"])
    (tmp_path / "n.json").write_text(json.dumps(model.to_dict(serializable=True)))
    with pytest.raises(ConfigError, match=r"noise model of Aer.*docs/noise-files\.md"):
        read_noise(tmp_path / "n.json")


def test_json_that_is_damaged(tmp_path: Path) -> None:
    for text in ("{", "[" * 100_000, '{"a": 1}x'):
        (tmp_path / "n.json").write_text(text)
        with pytest.raises(ConfigError, match="it is not JSON"):
            read_noise(tmp_path / "n.json")
