"""`qgen schema`: what it prints and writes."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from qgen.cli.main import app

Draft7Validator: Any = pytest.importorskip("jsonschema", reason="jsonschema, of the extra `dev`").Draft7Validator


def test_it_prints_and_writes_schemas(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for what, good, bad in (
        ("run", {"training": {"steps": 3}}, {"training": {"steps": 0}}),
        ("noise", {"virtual": ["rz"]}, {"virtual": ["rq"]}),
    ):
        printed = CliRunner().invoke(app, ["schema", what])
        assert printed.exit_code == 0, printed.output
        written = CliRunner().invoke(app, ["schema", what, "--out", "found.json", "--json"])
        schema = json.loads(Path("found.json").read_text())
        assert schema == json.loads(printed.stdout)
        assert json.loads(written.stdout) == {"schema": "found.json", "title": schema["title"]}
        assert Draft7Validator(schema).is_valid(good)
        assert not Draft7Validator(schema).is_valid(bad)


def test_what_is_refused() -> None:
    wrong = CliRunner().invoke(app, ["schema", "nois"])
    assert (wrong.exit_code, "run, noise" in wrong.output) == (2, True)
    nowhere = CliRunner().invoke(app, ["schema", "--out", "no/such/folder.json"])
    assert nowhere.exit_code == 1
