"""`qgen describe`: it reports what the circuit is, and says which word is wrong."""

import json
from pathlib import Path
from typing import Any

import pytest
from qiskit import QuantumCircuit
from qiskit.circuit import Parameter
from typer.testing import CliRunner

from qgen.circuits import LayerCircuit, ansatz, ansatz_names, get_ansatz
from qgen.cli.main import app

PNG = b"\x89PNG\r\n\x1a\n"


def describe(*arguments: str) -> Any:
    return CliRunner().invoke(app, ["describe", *arguments])


def described(*arguments: str) -> Any:
    result = describe(*arguments, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_numbers_of_hqconv_are_those_of_the_paper() -> None:
    # 28 weights a layer: 8 for each of 3 channels, 2 for each of 2 neighbouring pairs; each is a controlled rotation.
    facts = described("--circuit", "hqconv:12,3")
    assert facts["parameters"] == facts["quantum_parameters"] == facts["weights"] == 3 * 28
    assert facts["two_qubit_gates"] == 3 * 28
    assert (facts["qubits"], facts["inputs"], facts["circuits_per_image"]) == (12, 12, 1)
    assert facts["observables"] == [f"Z{qubit}" for qubit in range(12)]
    assert facts["reference"] == get_ansatz("hqconv").reference


@pytest.mark.rows(3)
@pytest.mark.parametrize("name", ansatz_names())
def test_every_ansatz_is_described(name: str) -> None:
    result = describe("--circuit", name)
    assert result.exit_code == 0
    circuit, about = ansatz(name), get_ansatz(name)
    shown = " ".join(result.stdout.split())
    assert f"parameters {circuit.num_weights} learned + {circuit.num_inputs} inputs " in shown
    assert " ".join(about.reference.split()) in shown
    assert about.figure in result.stdout
    assert "q_0:" in result.stdout.replace(" ", "")


@pytest.mark.parametrize(
    ("words", "size"),
    [("basic", (4, 16)), ("basic:3", (3, 12)), ("basic:3,2", (3, 6)), ("basic:,2", (4, 8)), ("basic:", (4, 16))],
)
def test_qubits_and_layers(words: str, size: tuple[int, int]) -> None:
    facts = described("--circuit", words)
    assert (facts["qubits"], facts["weights"]) == size


def test_options_reach_the_ansatz_and_its_encoding() -> None:
    circuit = ("--circuit", "basic:3,2")
    plain = described(*circuit)["gates"]
    assert plain == {"rx": 9, "cx": 6}
    assert described(*circuit, "--option", "encoding.gate=ry")["gates"] == {"cx": 6, "rx": 6, "ry": 3}
    assert described(*circuit, "--option", "encoding.reupload=True")["gates"] == {"rx": 12, "cx": 6}
    assert described("--circuit", "masked:3", "--option", "form=ancilla")["qubits"] == 6
    assert described("--circuit", "masked:3", "--option", "masks=4", "--option", "seed=1")["circuits_per_image"] == 4
    assert described("--circuit", "basic", "--option", "qubits=2", "--option", "layers=2")["weights"] == 4
    assert describe("--circuit", "basic:3,3", "--option", "mirrored=true").exit_code == 1


def test_a_saved_circuit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    x, w = Parameter("x"), Parameter("w")
    circuit = QuantumCircuit(2)
    circuit.rx(x, 0)
    circuit.ryy(w, 0, 1)
    LayerCircuit(circuit, [x], [w], observables=["ZZ"]).save("mine.json")
    facts = described("--circuit", "mine.json")
    assert (facts["qubits"], facts["parameters"], facts["two_qubit_gates"]) == (2, 1, 1)
    assert facts["observables"] == ["Z0Z1"]
    assert describe("--circuit", "mine.json", "--option", "mirrored=true").exit_code == 2
    assert (facts["name"], facts["figure"], facts["reference"], facts["layers"]) == (None,) * 4
    for file in ("mine.json", "mine.qc", "basic:3"):
        Path("mine.json").rename(file)
        shown = describe("--circuit", file)
        assert shown.exit_code == 0
        assert file in shown.stdout
        Path(file).rename("mine.json")


def test_the_name_of_an_ansatz_is_never_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("basic").touch()
    assert described("--circuit", "basic")["name"] == "basic"


def test_the_argument_is_the_option() -> None:
    assert described("basic:3,2") == described("--circuit", "basic:3,2")


def test_json_identifies_the_circuit() -> None:
    words = ("masked:3", "--option", "form=ancilla", "--option", "encoding.gate=rx", "--option", "layers=4")
    facts = described(*words, "--option", "mirrored=true")
    assert (facts["name"], facts["data_qubits"], facts["qubits"], facts["layers"]) == ("masked", 3, 6, 4)
    assert facts["encoding"] == {"gate": "rx", "map": "arctan", "scale": 1.0, "reupload": False}
    assert facts["options"] == {"form": "ancilla", "mirrored": True}
    plain = described("basic")
    assert (plain["data_qubits"], plain["layers"], plain["options"]) == (4, 4, {})


def test_list_names_every_ansatz_with_summary_and_reference() -> None:
    shown = " ".join(describe("--list").stdout.split())
    rows = {row["name"]: row for row in described("--list")}
    assert tuple(rows) == ansatz_names()
    for name in ansatz_names():
        assert name in shown
        assert rows[name]["reference"] == get_ansatz(name).reference
    assert rows["fqconv"]["encoding"] == {"gate": "rx", "map": "raw", "scale": 1.0, "reupload": False}
    assert (rows["fqconv"]["qubit_unit"], rows["fqconv"]["min_qubits"]) == (4, 8)
    assert "default: 12 qubits, 3 layers" in shown


@pytest.mark.parametrize(("options", "every", "part"), [((), 3, 1), (("--option", "mirrored=true"), 4, 2)])
def test_a_long_drawing_is_cut_to_as_few_layers_as_there_can_be(
    options: tuple[str, ...], every: int, part: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    drawing, line, _ = describe(f"hqconv:,{every}", *options).stdout.split("\n\n", maxsplit=2)
    assert line == f"Drawn: {part} of {every} layers; --figure FILE.txt draws all of them."
    assert describe(f"hqconv:,{part}", *options).stdout.startswith(f"{drawing}\n\nOne layer on")


@pytest.mark.parametrize("circuit", ["hqconv:,1", "basic"])
def test_other_drawings_are_whole(circuit: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert "Drawn:" not in describe(circuit).stdout


def test_the_drawing_fits_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    longest = {}
    for columns in (60, 120):
        monkeypatch.setenv("COLUMNS", str(columns))
        drawing = describe("--circuit", "hqconv").stdout.partition("\n\n")[0]
        longest[columns] = max(map(len, drawing.splitlines()))
    assert longest[60] <= 60 < longest[120] <= 120


@pytest.mark.parametrize(("ending", "start"), [(".png", PNG), (".PNG", PNG), (".svg", b"<?xml"), (".pdf", b"%PDF")])
def test_pictures(ending: str, start: bytes, tmp_path: Path) -> None:
    path = tmp_path / f"basic{ending}"
    assert describe("--circuit", "basic:2,1", "--figure", str(path)).exit_code == 0
    assert path.read_bytes().startswith(start)


def test_a_text_drawing_is_not_folded(tmp_path: Path) -> None:
    path = tmp_path / "hqconv.txt"
    assert describe("--circuit", "hqconv", "--figure", str(path)).exit_code == 0
    lines = path.read_text(encoding="utf-8").splitlines()
    assert len(lines) == 2 * 12 + 1
    assert len(set(map(len, lines))) == 1


@pytest.mark.parametrize(
    ("arguments", "code", "named"),
    [
        ((), 2, "Give one circuit"),
        (("--list", "--circuit", "basic"), 2, "or --list"),
        (("basic", "--circuit", "basic"), 2, "Give one circuit"),
        (("--list", "--option", "layers=2"), 2, "--list takes neither"),
        (("--list", "--figure", "basic.png"), 2, "--list takes neither"),
        (("--circuit", "basic:a"), 2, "'basic:a'"),
        (("--circuit", "basic:1,2,3"), 2, "hqconv:12,3"),
        (("--circuit", "basic", "--option", "mirrored"), 2, "KEY=VALUE"),
        (("--circuit", "basic:4", "--option", "qubits=5"), 2, "given twice"),
        (("basic", "--option", "layers=2", "--option", "layers=3"), 2, "'layers' is given twice"),
        (("basic:" + "9" * 5000,), 2, "NAME:QUBITS"),
        (("basic:" + "9" * 100,), 1, "1,000 qubits at most"),
        (("basic", "--option", "layers=" + "9" * 4300), 1, "at most 100 digits"),
        (("basic", "--option", "qubits=" + "[" * 10_000), 1, "whole number"),
        (("basic", "--option", "encoding.map=scaled", "--option", f"encoding.scale={10**400}"), 1, "finite number"),
        (("masked:13",), 1, "set the option masks, for example masks=64"),
        (("--circuit", "basic", "--figure", "basic.gif"), 2, ".png, .svg, .pdf, .txt"),
        (("basic:1000,1", "--figure", "basic.png"), 1, "gates on 1,000 qubits are not drawn"),
        (("--circuit", "basik"), 1, "Did you mean 'basic'?"),
        (("--circuit", "basic", "--option", "mirored=true"), 1, "Did you mean 'mirrored'?"),
        (("--circuit", "basic", "--option", "encoding.gate=rw"), 1, "rx, ry"),
        (("--circuit", "basic:0"), 1, "at least 1"),
        (("--circuit", "none.json"), 1, "none.json"),
        (("--circuit", "basic", "--figure", "no/such/folder/basic.txt"), 1, "No such file"),
        (("--circuit", "basic", "--figure", "no/such/folder/basic.png"), 1, "No such file"),
    ],
)
def test_errors_name_what_is_wrong(
    arguments: tuple[str, ...], code: int, named: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = describe(*arguments)
    assert result.exit_code == code
    assert named in result.stderr
    assert not result.stdout
    if code == 1:
        assert len(result.stderr.splitlines()) == 1
