"""A folder in which every command that help and README show can be tried in seconds."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch

from qgen.backends.ibm.journal import Journal
from qgen.data import save_single


def prepare(folder: Path, monkeypatch: pytest.MonkeyPatch, run: Path) -> Path:
    """Goes to this folder, makes the files that examples name, a copy of a run among them.

    `qgen train` stops there before it trains.
    """
    monkeypatch.chdir(folder)
    shutil.copytree(run, "runs/first-try")
    save_single(torch.rand(12, 1, 8, 8), "images", [f"{number}" for number in range(12)])
    Path("my.yaml").write_text("preset: unet\n")
    Path("circuit.qasm").write_text('OPENQASM 2.0;\ninclude "qelib1.inc";\nqreg q[2];\nh q[0];\ncx q[0],q[1];\n')
    Journal(Path("runs/first-try/jobs.sqlite")).close()
    # What comes after the settings were read and the folder was chosen takes minutes; other tests train.
    monkeypatch.setattr("qgen.cli.train._train", lambda *arguments: None)
    for command in ("study", "study_noise"):
        monkeypatch.setattr(f"qgen.cli.{command}.run_and_report", lambda *arguments: None)
    return folder
