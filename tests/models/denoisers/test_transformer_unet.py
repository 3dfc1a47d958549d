"""U-Nets with spatial transformers: the published network's numbers, circuits, texts, and what is logged."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
import torch

from qgen.backends import open_backend
from qgen.conditioning import Texts
from qgen.errors import ConfigError
from qgen.generators.inspection import count_circuits
from qgen.models.circuit_context import CircuitContext
from qgen.models.denoisers import DenoiserSettings, LatentDiT, TransformerUNet, build_denoiser
from qgen.models.description import count
from qgen.models.quantum_branch import branches
from qgen.models.text import TextForm
from qgen.models.transformer import SpatialTransformer
from qgen.nn import QuantumLayer

CIRCUIT = {"kind": "circuit", "qubits": 2, "layers": 1}
SMALL = {"name": "transformer-unet", "width": 8, "heads": 2}
PUBLISHED = {
    "name": "transformer-unet",
    "variant": "published",
    "width": 128,
    "mults": [1, 2, 4, 8],
    "depth": 2,
    "transformers": [1, 2],
    "heads": 8,
    "head_width": 64,
    "quantum": {
        "kind": "circuit",
        "ansatz": "masked",
        "options": {"form": "ancilla"},
        "qubits": 4,
        "blocks": "all",
        "post": "published",
        "gate_by": "scalar",
        "gate": 0.2,
    },
}


def built(
    shape: tuple[int, int, int] = (2, 7, 5), texts: TextForm | None = None, classes: int | None = None, **given: Any
) -> Any:
    settings = DenoiserSettings.read({**SMALL, **given})
    return build_denoiser(settings, shape, CircuitContext(open_backend("statevector"), "auto", 3), classes, texts)


@pytest.fixture(scope="module")
def published() -> TransformerUNet:
    context = CircuitContext(open_backend("statevector"), "auto", 0)
    with torch.device("meta"):
        settings = DenoiserSettings.read(PUBLISHED)
        return TransformerUNet(settings, (4, 16, 16), context, None, TextForm(77, features=512))


def test_the_published_network_has_the_published_numbers(published: TransformerUNet) -> None:
    """By hand; in the code utai-utai/quantum-diffusion-model-anime the whole and the branches were counted, too."""
    transformers = [part for part in published.modules() if isinstance(part, SpatialTransformer)]
    widths = [part.proj_in.in_channels for part in transformers]
    assert sorted(widths) == [256] * 5 + [512] * 5 + [1024]
    found = branches(published)
    assert len(found) == 11
    layers = [part for part in published.modules() if isinstance(part, QuantumLayer)]
    assert sum(layer.weight.numel() for layer in layers) == 264 == 11 * 2 * 3 * 4
    assert sum(count(branch) for branch in found) == 10_889_279
    assert published.circuits_per_call == published.circuits_per_training_call == 404
    assert published.circuits_per_call == 4 * 1 + 16 * (2 + 3) + 64 * (2 + 3)
    res = lambda i, o: 2 * i + 9 * i * o + o + 2 * o + 9 * o * o + o + 512 * o + o + (i * o + o) * (i != o)  # noqa: E731
    block = lambda d, w: (  # noqa: E731
        2 * (d * d + d)
        + 3 * 2 * d
        + 3 * d * 512
        + 512 * d
        + d
        + d * 512
        + 2 * w * 512
        + 512 * d
        + d
        + 8 * d * d
        + 5 * d
    )
    down = [(128, 128)] * 2 + [(128, 256), (256, 256), (256, 512), (512, 512), (512, 1024), (1024, 1024)]
    middle = [(1024, 1024)] * 2
    up = [(2048, 1024)] * 2 + [(1536, 1024), (1536, 512), (1024, 512), (768, 512), (768, 256), (512, 256), (384, 256)]
    up += [(384, 128), (256, 128), (256, 128)]
    expected = sum(res(*sizes) for sizes in down + middle + up) + sum(block(width, 512) for width in widths)
    expected += sum(9 * width * width + width for width in (128, 256, 512, 1024, 512, 256))  # other sizes
    expected += 9 * 4 * 128 + 128 + 2 * 128 + 9 * 128 * 4 + 4
    own = count(published) - count(published.conditions) - sum(count(branch) for branch in found)
    assert own == expected
    assert count(published) - count(published.conditions.text) == 280_525_635
    assert count(published.conditions.time) == 128 * 512 + 512 + 512 * 512 + 512


@pytest.mark.rows(2)
@pytest.mark.parametrize(("blocks", "expected"), [("middle", 4), ("all", 4 + 3 * 12)])
@pytest.mark.parametrize("kind", ["circuit", "classical", "none"])
def test_circuits_are_those_that_run(kind: str, blocks: str, expected: int) -> None:
    made = built((2, 7, 6), mults=[1, 1, 2], transformers=[1], quantum={**CIRCUIT, "kind": kind, "blocks": blocks})
    assert made.circuits_per_call == (expected if kind == "circuit" else 0)
    states, times = torch.zeros(3, 2, 7, 6), torch.zeros(3)
    assert count_circuits(made, lambda: made(states, times)) == 3 * made.circuits_per_call
    twin = built((2, 7, 6), mults=[1, 1, 2], transformers=[1]).state_dict()
    assert all(torch.equal(made.state_dict()[name], weight) for name, weight in twin.items())


@pytest.mark.parametrize("name", ["transformer-unet", "dit"])
def test_texts_are_attended_to_and_the_null_condition_is_one(name: str) -> None:
    quantum = {**CIRCUIT, "place": "feed-forward"}
    made = built(texts=TextForm(4, words=9), name=name, quantum=quantum).double().eval()
    for number, weight in enumerate(made.parameters()):
        if not weight.any():
            weight.data.normal_(std=0.2, generator=torch.Generator().manual_seed(number))
    states, times = torch.randn(3, 2, 7, 5, dtype=torch.float64), torch.tensor([1, 500, 900])
    mask = torch.tensor([[True, True, False, False], [True] * 4, [True, False, False, False]])
    texts = Texts(torch.rand(3, 9).argsort(1)[:, :4], mask, None, torch.tensor([False, False, True]))
    result = made(states, times, texts)
    pooled = made.conditions(times, texts).vector
    words = Texts(texts.tokens.flip(1), mask.flip(1), None, texts.null)  # other places: the same pooled vector
    torch.testing.assert_close(made.conditions(times, words).vector, pooled)
    other = made(states, times, words)
    assert (other - result)[:2].abs().min() > 0
    torch.testing.assert_close(other[2], result[2], rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(made(states, times)[2], result[2], rtol=1e-9, atol=1e-9)
    made(states, times, texts).square().mean().backward()
    assert made.conditions.text.project.weight.grad.any()


def test_a_dit_has_circuits_in_one_block_or_in_all() -> None:
    made = {}
    for blocks in ("middle", "all"):
        quantum = {**CIRCUIT, "place": "feed-forward", "blocks": blocks}
        made[blocks] = built((2, 3, 2), name="dit", depth=3, quantum=quantum)
        assert isinstance(made[blocks], LatentDiT)
        ran = count_circuits(made[blocks], partial(made[blocks], torch.zeros(2, 2, 3, 2), torch.zeros(2)))
        assert ran == 2 * made[blocks].circuits_per_call
    assert (made["middle"].circuits_per_call, made["all"].circuits_per_call) == (6, 18)
    hybrid = [bool(branches(block)) for block in made["middle"].blocks]
    assert hybrid == [False, True, False]


def test_what_its_branches_say_is_a_mean() -> None:
    made = built(quantum={**CIRCUIT, "blocks": "all"})
    with torch.no_grad():
        for branch in branches(made):
            branch.gate.normal_()
    made(torch.randn(2, 2, 7, 5), torch.zeros(2))
    said = [branch.metrics() for branch in branches(made)]
    for name, value in made.metrics().items():
        assert value.item() == pytest.approx(sum(one[name].item() for one in said) / len(said), rel=1e-5)
    assert built().metrics() == {}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"transformers": [2]}, "names level 2, and there are 2"),
        ({"name": "unet", "mults": [1]}, "`mults` is of `name: transformer-unet`"),
        ({"name": "unet", "quantum": {"place": "feed-forward"}}, "is of `name: transformer-unet` or `dit`"),
        ({"quantum": {"place": "middle"}}, "leave `place` out"),
        ({"variant": "published", "width": 8}, "multiple of 32, not 8"),
    ],
)
def test_contradicting_settings_are_refused(given: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        DenoiserSettings.read({**SMALL, **given})
