"""Class labels in the U-Net: one embedding more, a null label, and nothing else changed."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from qgen.conditioning import Labels
from qgen.errors import ConfigError, InputError
from qgen.models import UNetSettings, build_unet
from qgen.models.unet import describe_unet

CLASSES = 4


def test_settings_without_conditioning_are_those_of_earlier_versions() -> None:
    """So that fingerprints of their checkpoints match."""
    assert "conditioning" not in UNetSettings().plain()
    assert UNetSettings.read({"conditioning": "none"}) == UNetSettings()
    conditional = UNetSettings.read({"conditioning": "label"})
    assert conditional.plain() == UNetSettings().plain() | {"conditioning": "label"}
    assert UNetSettings.read(conditional.plain()) == conditional
    with pytest.raises(ConfigError, match="`conditioning`: input should be 'none' or 'label'"):
        UNetSettings.read({"conditioning": "text"})


@pytest.mark.parametrize("preset", ["unet", "1hq"])
def test_labels_add_one_table_and_change_no_other_weight(presets: Any, preset: str) -> None:
    plain = build_unet(presets.small(preset), 1, 8, seed=5, num_classes=CLASSES)
    conditional = build_unet(presets.small(preset, conditioning="label"), 1, 8, seed=5, num_classes=CLASSES)
    before, after = plain.state_dict(), conditional.state_dict()
    assert set(after) - set(before) == {"condition.table.weight"}
    assert after["condition.table.weight"].shape == (CLASSES + 1, 4 * 7)
    assert all(torch.equal(after[name], weight) for name, weight in before.items())
    again = build_unet(presets.small(preset, conditioning="label"), 1, 8, seed=5, num_classes=CLASSES)
    second = build_unet(presets.small(preset, conditioning="label"), 1, 8, seed=6, num_classes=CLASSES)
    assert torch.equal(again.state_dict()["condition.table.weight"], after["condition.table.weight"])
    assert not torch.equal(second.state_dict()["condition.table.weight"], after["condition.table.weight"])
    assert conditional.circuits_per_call == plain.circuits_per_call
    row = next(row for row in describe_unet(conditional).rows if row.name == "condition")
    assert (row.shape, row.parameters) == ((28,), (CLASSES + 1) * 28)
    assert sum(row.parameters for row in describe_unet(conditional).rows) == describe_unet(conditional).parameters


def test_every_label_has_an_output_of_its_own_and_none_is_the_null_label(presets: Any) -> None:
    model = build_unet(presets.small("unet", conditioning="label"), 1, 8, num_classes=CLASSES).eval().double()
    image, times = torch.randn(1, 1, 8, 8, dtype=torch.float64).expand(CLASSES + 1, -1, -1, -1), torch.full((5,), 7)
    with torch.no_grad():
        outputs = model(image, times, Labels(torch.arange(CLASSES + 1), CLASSES))
        torch.testing.assert_close(outputs[-1:], model(image[:1], times[:1]))
        alone = model(image[:1], times[:1], Labels.of([2], CLASSES))
    torch.testing.assert_close(outputs[2:3], alone)
    distances = (outputs.unsqueeze(0) - outputs.unsqueeze(1)).flatten(2).abs().amax(2)
    assert distances[~torch.eye(CLASSES + 1, dtype=torch.bool)].min() > 1e-3


def test_gradients_reach_the_labels_that_were_seen(presets: Any) -> None:
    model = build_unet(presets.small("unet", conditioning="label"), 1, 8, num_classes=CLASSES)
    labels = Labels.of([0, 2, 2], CLASSES).dropped(torch.tensor([False, False, True]))
    model(torch.randn(3, 1, 8, 8), torch.tensor([1, 2, 3]), labels).square().sum().backward()
    assert model.condition is not None
    gradient = model.condition.table.weight.grad
    assert gradient is not None
    assert (gradient.abs().amax(1) > 0).tolist() == [True, False, True, False, True]


def test_conditions_that_do_not_fit_are_refused(presets: Any) -> None:
    images, times = torch.randn(2, 1, 8, 8), torch.zeros(2, dtype=torch.int64)
    plain = build_unet(presets.small("unet"), 1, 8)
    with pytest.raises(InputError, match=r"built without conditioning.*`model.conditioning`"):
        plain(images, times, Labels.of([0, 1], CLASSES))
    conditional = build_unet(presets.small("unet", conditioning="label"), 1, 8, num_classes=CLASSES)
    with pytest.raises(InputError, match="takes the labels of 4 classes"):
        conditional(images, times, Labels.of([0, 1], 3))
    with pytest.raises(InputError, match="2 images need as many labels, not 3"):
        conditional(images, times, Labels.of([0, 1, 1], CLASSES))
    with pytest.raises(ConfigError, match="needs images with labels, and these have none"):
        build_unet(presets.small("unet", conditioning="label"), 1, 8)
