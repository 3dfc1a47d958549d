"""Checkpoints know weights by their names: those of older runs are read as long as these stay."""

from __future__ import annotations

import hashlib

import pytest

from qgen.backends import open_backend
from qgen.runs import model_fingerprint, read_config
from qgen.runs.building import build_generator
from qgen.runs.checkpoint import fingerprint

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


FINGERPRINTS = [
    ("digits", (1, 8, 8), "999be7854ce4", "5a27a82747b8"),
    ("patch-gan", (1, 8, 8), "002ca77ed31e", "d0885dac2880"),
    ("style-gan", (3, 1, 1), "b0a81da01733", "56a264e16e57"),
    ("gan-quantum-both", (1, 8, 8), "2a970693f194", "20cf1695c7e6"),
    ("quanvunet", (1, 28, 28), "ccec4649df5e", "6b59bfe6cb78"),
]


@pytest.mark.parametrize(("preset", "shape", "model", "run"), FINGERPRINTS, ids=[case[0] for case in FINGERPRINTS])
def test_fingerprints_are_those_of_version_0_1(preset: str, shape: tuple[int, int, int], model: str, run: str) -> None:
    """Settings that were added since are left out of plain values where they have their defaults."""
    config = read_config(preset)
    assert model_fingerprint(config, shape)[:12] == model
    assert fingerprint(config.plain())[:12] == run
