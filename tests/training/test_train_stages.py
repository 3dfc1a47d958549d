"""Models that a run builds upon are trained before it, or refused before that."""

from __future__ import annotations

from pathlib import Path

import pytest

from qgen.errors import ConfigError
from qgen.runs import Run, read_config
from qgen.training.session import train_stages


@pytest.mark.parametrize("preset", ["gan-classical", "latent-unet", "classifier"])
def test_a_preset_that_cannot_be_built_upon_is_refused_before_it_is_trained(preset: str, tmp_path: Path) -> None:
    config = read_config("latent-digits", [f"model.first_stage={preset}"])
    with pytest.raises(ConfigError, match=f"model.first_stage = {preset} does not fit"):
        train_stages(Run(tmp_path / "run"), config, lambda *_: pytest.fail("it was trained"))
    assert not (tmp_path / "run").exists()
