"""Files of OpenQASM load, or one line says what is wrong with them, and where."""

import math
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qgen.backends import open_backend
from qgen.circuits import LayerCircuit
from qgen.circuits.qasm import read_qasm
from qgen.errors import CircuitError

BELL_2 = 'include "qelib1.inc";\nqreg q[2];\ncreg c[2];\nh q[0];\ncx q[0],q[1];\nmeasure q -> c;\n'
BELL_3 = 'include "stdgates.inc";\nqubit[2] q;\nh q[0];\ncx q[0],q[1];\n'
VERSION_2, VERSION_3 = "OPENQASM 2.0;\n", "OPENQASM 3.0;\n"
MARK = "\ufeff"


def read(folder: Path, text: str) -> LayerCircuit:
    path = folder / "given.qasm"
    path.write_text(text, encoding="utf-8")
    return read_qasm(path)


def values(circuit: LayerCircuit) -> list[float]:
    actual = open_backend("reference").compile(circuit).expectations(np.zeros(0), np.zeros(circuit.num_weights))
    return [float(value) for value in actual]


BELLS = {
    "2": VERSION_2 + BELL_2,
    "2 without a version": BELL_2,
    "2 after a mark": MARK + VERSION_2 + BELL_2,
    "2 after a mark and comments": f"{MARK}// one\n/* two\n OPENQASM 3.0; */ {VERSION_2}{BELL_2}",
    "2 with comments within": VERSION_2 + BELL_2.replace("h q[0];", '/* " */ h /* q[1] */ q[0]; // "'),
    "3": VERSION_3 + BELL_3,
    "3 without a version": BELL_3,
    "3 without a version, a comment first": "// qreg q[2];\n" + BELL_3,
    "3 after a mark": MARK + VERSION_3 + BELL_3,
    "3 after a block": "/* block\n OPENQASM 2.0; */\n" + VERSION_3 + BELL_3,
    "3 after a comment in its line": "/* (c) */ " + VERSION_3 + BELL_3,
    "3 after another line": "// OPENQASM 2.0;\n\n" + VERSION_3 + BELL_3,
    "3.1 with old registers": "OPENQASM 3;\n" + BELL_3.replace("qubit[2] q", "qreg q[2]"),
}


@pytest.mark.parametrize("name", BELLS)
def test_a_bell_pair_is_read_whatever_comes_first(name: str, tmp_path: Path) -> None:
    circuit = read(tmp_path, BELLS[name])
    assert circuit.circuit.count_ops() == {"h": 1, "cx": 1}
    assert np.allclose(values(circuit), [0, 0], atol=1e-12)
    assert np.allclose(values(LayerCircuit(circuit.circuit, [], [], ["ZZ", "XX"])), [1, 1], atol=1e-12)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (VERSION_3 + 'include "stdgates.inc";\nqubit[2] q;\nbit[2] c;\nreset q;\nry(0.4) q[0];\nc = measure q;\n', 2),
        (VERSION_3 + 'include "stdgates.inc";\nqubit[1] q;\nry(0.4) q[0];\ndelay[100ns] q[0];\n', 1),
        (
            VERSION_2
            + 'include "qelib1.inc";\nqreg q[2];\ncreg c[1];\nreset q;\nry(0.4) q[0];\nmeasure q[0] -> c[0];\n',
            1,
        ),
    ],
)
def test_resets_first_delays_and_measurements_at_the_end_are_read(text: str, expected: int, tmp_path: Path) -> None:
    actual = values(read(tmp_path, text))
    assert np.allclose(actual, [math.cos(0.4), 1.0][:expected], atol=1e-12)


RZ, CX = "gate rz(t) a { U(t,0,0) a; }\n", "gate cx a,b { U(0.4,0,0) a; CX b,a; }\n"
RUN = "rz(0.7) q[0];\ncx q[0],q[1];\n"
OWN = {
    "2, in the file": VERSION_2 + RZ + CX + "qreg q[2];\n" + RUN,
    "2, partly in another file": VERSION_2 + 'include "own.inc";\n' + RZ + "qreg q[2];\nU(0.4,0,0) q[0];\n" + RUN,
    "3": VERSION_3 + RZ + "gate CX a,b { ctrl @ U(pi,0,pi) a,b; }\n" + CX + "qubit[2] q;\n" + RUN,
}


@pytest.mark.parametrize("name", OWN)
@pytest.mark.parametrize("backend", ["reference", "statevector", "aer", "aer:fake_manila"])
def test_gates_that_a_file_defines_are_its_own(name: str, backend: str, tmp_path: Path) -> None:
    """A turn of qubit 0 about Y by 0.7 + 0.4, which qubit 1 leaves alone: it is |0>."""
    (tmp_path / "own.inc").write_text("// gates\ngate cx a,b { CX b,a; }\n")
    circuit = read(tmp_path, OWN[name])
    runs = open_backend(backend, noise_scale=0.0) if ":" in backend else open_backend(backend)
    actual = runs.compile(circuit).expectations(np.zeros(0), np.zeros(0))
    assert np.allclose(actual, [math.cos(1.1), 1.0], atol=1e-7)
    assert LayerCircuit.from_json(circuit.to_json()) == circuit


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (VERSION_3 + BELL_3 + "bit c;\nfor int i in [0:1] { h q[i]; }\n", r"reads: line 7: .*cannot read.*OpenQASM 3"),
        (VERSION_3 + BELL_3 + "input float[64] a;\nrx(1/(a**2)) q[0];\n", r"reads: line 7: .*'\*\*'.*as OpenQASM 3"),
        ("// one\n/* two\n three */\n" + BELL_3 + "hh q[0];\n", r"reads: line 8: gate 'hh'.*as OpenQASM 3"),
        (MARK + VERSION_2 + "/* two\n */" + BELL_2 + "hh q[0];\n", r"reads: line 9: 'hh'.*as OpenQASM 2"),
        ("// one\n" + BELL_2 + "hh q[0];\n", r"reads: line 8: 'hh'.*as OpenQASM 2"),
        (VERSION_3 + BELL_3 + "cx q[0],, q[1];\n", r"reads: line 6: ','.*as OpenQASM 3"),
        (VERSION_2 + "qreg q[99999999999999999999];\n", "line 2: a register of a number of 20 digits"),
        (VERSION_3 + "qubit[99999999999999999999] q;\n", "line 2: a register of a number of 20 digits"),
        ("qubit[1_000_000_000] q;\n", "line 1: a register of 1,000,000,000 .* 1,000 qubits at most"),
        (VERSION_2 + "creg c[3000000000];\n", "line 2: a register of 3,000,000,000"),
        (VERSION_2 + "\n".join(f"qreg q{k}[999];" for k in range(3)), "2,997 qubits; any backend runs 1,000 at most"),
        (VERSION_2 + f"qreg q[1];\nU({'(' * 100_000}1{')' * 100_000},0,0) q[0];", "line 3: more than 100 brackets"),
        (VERSION_3 + f"qubit q;\nU({'(' * 100_000}1{')' * 100_000},0,0) q;", "line 3: more than 100 brackets"),
        ("", "no statement"),
        (MARK + "// nothing\n/* at all */\n", "no statement"),
        (VERSION_3 + "/* never closed\n" + BELL_3, "OpenQASM 3"),
        (VERSION_2 + BELL_2 + "if (c == 1) h q[0];\n", r"\(measure on qubit 0\) cannot be part"),
    ],
)
def test_what_cannot_be_read_is_refused_by_a_line(text: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(CircuitError, match=rf"given\.qasm.*{words}") as refused:
        read(tmp_path, text)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("place", [".", os.devnull])
def test_what_is_no_file_is_not_waited_for(place: str) -> None:
    with pytest.raises(CircuitError, match=r"cannot be read: it is (a folder|a device), not a file"):
        read_qasm(Path(place))


@given(text=st.text(alphabet=st.sampled_from('OPENQASM 23.0;qbit[]{}()/*"\n\ufeffmeasur->,hcx'), max_size=60))
def test_any_text_is_a_circuit_or_a_line(text: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("drawn")
    for start in ("", VERSION_2 + "qreg q[2];", VERSION_3 + "qubit[2] q;"):
        try:
            read(folder, start + text)
        except CircuitError as error:
            assert "given.qasm" in str(error)  # noqa: PT017  # no error is as good
