"""The presets after utai-utai/quantum-diffusion-model-anime: their circuits, their twins, and the published numbers."""

from __future__ import annotations

import json
from typing import Any

import pytest
from typer.testing import CliRunner

from qgen.captions import CaptionFacts
from qgen.cli.main import app
from qgen.models import AutoencoderSettings
from qgen.runs import build_generator, build_without_weights, override_config, read_config

FIRST = {"model": {"autoencoder": AutoencoderSettings(widths=(8, 8)).plain()}}


def described(preset: str, *changes: str) -> Any:
    config = override_config(read_config(preset, list(changes)), [FIRST])
    made = build_without_weights(lambda: build_generator(config, (1, 28, 28), num_classes=10))
    return made, made.describe()


@pytest.mark.parametrize(
    ("preset", "qubits", "tokens", "sampling"), [("qldm-anime", 8, 16, 1), ("qldm-anime-16", 16, 4, 4)]
)
def test_the_middle_has_the_circuits(preset: str, qubits: int, tokens: int, sampling: int) -> None:
    made, facts = described(preset)
    assert (facts.quantum_parameters, facts.qubits) == (2 * 3 * qubits, qubits)
    assert facts.circuits_per_call == tokens * sampling
    assert made.circuits_per_training_image == tokens
    assert [row.name for row in facts.rows if row.circuits] == [
        "denoiser.mid_block.attentions.0.transformer_blocks.0.ff.branch"
    ]
    assert sum(row.parameters for row in facts.rows) == facts.parameters
    _, twin = described(preset, "model.denoiser.quantum.kind=classical")
    _, none = described(preset, "model.denoiser.quantum.kind=none")
    assert twin.parameters == facts.parameters == none.parameters + facts.branch_parameters
    assert (twin.circuits_per_call, none.circuits_per_call, none.branch_parameters) == (0, 0, 0)


def test_the_emoji_of_prompts_have_a_circuit_for_each_token_of_the_middle() -> None:
    """Words in place of MiniLM, which is an extra, and their captions, so that no picture is read."""
    changes = [FIRST, "model.text.encoder=words"]
    facts = CaptionFacts(("blue", "heart", "red"), ("red heart",))

    def build(*more: str) -> Any:
        config = override_config(read_config("qldm-emoji"), [*changes, *more])
        return build_without_weights(lambda: build_generator(config, (3, 32, 32), captions=facts)).describe()

    circuit, twin, none = (build(f"model.denoiser.quantum.kind={kind}") for kind in ("circuit", "classical", "none"))
    assert (circuit.circuits_per_call, circuit.qubits, circuit.quantum_parameters) == (16, 8, 48)
    assert twin.parameters == circuit.parameters == none.parameters + circuit.branch_parameters


@pytest.mark.slow
def test_describe_prints_the_published_numbers() -> None:
    result = CliRunner().invoke(app, ["describe", "qldm-anime-published", "--json"])
    assert result.exit_code == 0, result.output
    facts = json.loads(result.stdout)
    assert (facts["quantum_parameters"], facts["circuits_per_call"]) == (264, 404)
    assert facts["branch_parameters"] == 10_889_279
    own = [row for row in facts["rows"] if row["name"].endswith(".branch")]
    assert len(own) == 11
    assert sum(row["parameters"] for row in own) == 10_889_279
    assert facts["circuits"] == [{"part": "denoiser", "ansatz": "masked", "qubits": 8, "layers": 2, "copies": 11}]
