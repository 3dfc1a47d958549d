"""Checkpoints know weights by their names: those of older runs are read as long as these stay."""

from __future__ import annotations

import hashlib

import pytest

from qgen.backends import open_backend
from qgen.runs import read_config
from qgen.runs.building import build_generator

CASES = [
    ("digits", (1, 8, 8), "vertex.block_0.stages.banks.0.sets.1.circuits.weight", "738911d5411b"),
    ("patch-gan", (1, 8, 8), "generator.patches.circuits.weight", "250262eb3c4b"),
    ("style-gan", (3, 1, 1), "generator.circuit.weight", "6b7eede51354"),
    ("gan-quantum-both", (1, 8, 8), "discriminator.block.circuit.weight", "53b1a89790ca"),
]


@pytest.mark.parametrize(("preset", "shape", "circuits", "digest"), CASES, ids=[case[0] for case in CASES])
def test_names_and_shapes_are_those_of_version_0_1(
    preset: str, shape: tuple[int, int, int], circuits: str, digest: str
) -> None:
    state = build_generator(read_config(preset), shape, open_backend("statevector")).network.state_dict()
    assert circuits in state
    names = [(name, tuple(weights.shape)) for name, weights in state.items()]
    assert hashlib.sha256(repr(names).encode()).hexdigest()[:12] == digest
