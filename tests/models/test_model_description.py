"""The description of a model: the published table, row by row, and totals that are those of the model."""

from __future__ import annotations

import json
from typing import Any

import pytest
import torch

from qgen.models import build_unet, describe_unet

# name, channels and side of what comes out, parameters: the table of the published model for 28x28 images
TABLE = [
    ("encoder.init", (10, 28), 500),
    ("encoder.time.hidden", (40,), 440),
    ("encoder.time.out", (40,), 1_640),
    ("encoder.levels.0.block_0", (10, 28), 2_680),
    ("encoder.levels.0.block_1", (10, 28), 2_680),
    ("encoder.levels.0.attention", (10, 28), 5_150),
    ("encoder.levels.0.down", (10, 14), 1_610),
    ("encoder.levels.1.block_0", (10, 14), 2_680),
    ("encoder.levels.1.block_1", (10, 14), 2_680),
    ("encoder.levels.1.attention", (10, 14), 5_150),
    ("encoder.levels.1.down", (20, 7), 3_220),
    ("encoder.levels.2.block_0", (20, 7), 8_960),
    ("encoder.levels.2.block_1", (20, 7), 8_960),
    ("encoder.levels.2.attention", (20, 7), 10_300),
    ("encoder.levels.2.down", (30, 2), 29_430),
    ("encoder.levels.3.block_0", (30, 2), 18_840),
    ("encoder.levels.3.block_1", (30, 2), 18_840),
    ("encoder.levels.3.attention", (30, 2), 15_450),
    ("encoder.out", (40, 2), 10_840),
    ("vertex.block_0", (40, 2), 32_320),
    ("vertex.attention", (40, 2), 20_560),
    ("vertex.block_1", (40, 2), 32_320),
    ("decoder.levels.3.block_0", (40, 2), 45_960),
    ("decoder.levels.3.block_1", (40, 2), 45_960),
    ("decoder.levels.3.attention", (40, 2), 20_600),
    ("decoder.levels.3.up", (30, 7), 10_830),
    ("decoder.levels.2.block_0", (30, 7), 25_770),
    ("decoder.levels.2.block_1", (30, 7), 25_770),
    ("decoder.levels.2.attention", (30, 7), 15_450),
    ("decoder.levels.2.up", (20, 14), 5_420),
    ("decoder.levels.1.block_0", (20, 14), 11_380),
    ("decoder.levels.1.block_1", (20, 14), 11_380),
    ("decoder.levels.1.attention", (20, 14), 10_300),
    ("decoder.levels.1.up", (10, 28), 1_810),
    ("decoder.levels.0.block_0", (10, 28), 3_790),
    ("decoder.levels.0.block_1", (10, 28), 3_790),
    ("decoder.levels.0.attention", (10, 28), 5_150),
    ("decoder.levels.0.up", (10, 28), 910),
    ("decoder.final", (10, 28), 3_790),
    ("decoder.out", (1, 28), 11),
]


def test_the_published_table(presets: Any) -> None:
    described = describe_unet(presets.built("unet"))
    assert [(row.name, row.shape[:2], row.parameters) for row in described.rows] == TABLE
    assert all(len(row.shape) == 1 or row.shape[1] == row.shape[2] for row in described.rows)
    assert described.parameters == sum(parameters for _, _, parameters in TABLE) == 483_321
    assert (described.quantum_parameters, described.circuits_per_call, described.qubits) == (0, 0, 0)
    assert described.circuits == ()


@pytest.mark.parametrize(
    ("preset", "variant", "quantum", "frozen"),
    [
        ("1hq", "paper", 336, 0),
        ("1fq", "paper", 288, 0),
        ("7hq", "paper", 2_352, 0),
        ("7fq", "paper", 2_016, 0),
        ("full-hq", "paper", 4_432, 0),
        ("full-fq", "paper", 3_808, 0),
        ("quanvunet", "paper", 336 + 56, 0),
        ("1hq", "published", 336, 312),
        ("1fq", "published", 288, 144),
        ("full-hq", "published", 4_432, 4_432 - 656),
        ("quanvunet", "published", 672, 672 - 72),
    ],
)
def test_totals(presets: Any, preset: str, variant: str, quantum: int, frozen: int) -> None:
    model = presets.built(preset, variant)
    described = describe_unet(model)
    assert described.quantum_parameters == quantum
    assert described.parameters - described.trainable == frozen
    assert sum(row.parameters for row in described.rows) == described.parameters
    assert sum(row.circuits for row in described.rows) == described.circuits_per_call == model.circuits_per_call
    assert described.qubits == 12


def test_the_circuits_of_a_hybrid(presets: Any) -> None:
    result = describe_unet(presets.built("full-hq", "published")).circuits
    assert [(item.part, item.ansatz, item.qubits, item.layers, item.copies) for item in result] == [
        ("vertex", "hqconv-published", 12, 3, 52),
        ("vertex", "basic", 4, 4, 4),
    ]
    result = describe_unet(presets.built("quanvunet")).circuits
    assert [(item.part, item.ansatz, item.layers, item.copies) for item in result] == [
        ("encoder.levels.1", "hqconv", 1, 2),
        ("vertex", "hqconv", 3, 4),
    ]


def test_shapes_are_those_of_a_run(presets: Any) -> None:
    model = build_unet(presets.small("quanvunet", mults=(2, 1, 3)), 3, 9)
    seen = {}
    for row in describe_unet(model).rows:
        model.get_submodule(row.name).register_forward_hook(
            lambda module, given, output, name=row.name: seen.update({name: tuple(output.shape[1:])})
        )
    model(torch.randn(1, 3, 9, 9), torch.zeros(1))
    assert seen == {row.name: row.shape for row in describe_unet(model).rows}


def test_plain_values_are_json(presets: Any) -> None:
    described = describe_unet(presets.built("1hq")).to_dict()
    assert json.loads(json.dumps(described)) == described
    assert described["rows"][0] == {"name": "encoder.init", "shape": [10, 28, 28], "parameters": 500, "circuits": 0}
