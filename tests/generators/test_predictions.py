"""What a network predicts, from its settings to samples and resuming."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from small_runs import train_small

from qgen.backends import open_backend
from qgen.diffusion import Denoiser
from qgen.errors import ConfigError
from qgen.generators.diffusion import DiffusionGenerator
from qgen.runs import build_generator, read_config, resume_config
from qgen.sampling import open_trained


@pytest.mark.parametrize("prediction", ["epsilon", "x0", "v"])
def test_training_and_sampling_mean_the_same_prediction(prediction: str) -> None:
    config = read_config("digits", [f"diffusion.prediction={prediction}", "sampling.steps=2"])
    generator = build_generator(config, (1, 8, 8), open_backend("statevector"))
    assert isinstance(generator, DiffusionGenerator)
    assert generator.objective.prediction == prediction
    denoiser = Denoiser(generator.network.eval(), generator.objective.schedule, generator.objective.prediction)
    (level,) = denoiser.schedule.levels([999])
    x = torch.randn(2, 1, 8, 8)
    with torch.no_grad():
        output = generator.network(x, torch.tensor([999, 999]))
        x0 = denoiser.x0(x, level)
    by_hand = {
        "epsilon": (x - level.sigma * output) / level.alpha,
        "x0": output,
        "v": level.alpha * x - level.sigma * output,
    }[prediction]
    torch.testing.assert_close(x0, by_hand)


def test_a_flow_is_trained_and_sampled_by_its_own_settings(tmp_path: Path) -> None:
    run, _ = train_small(tmp_path / "run", "diffusion.schedule=flow", "sampling={sampler: heun, steps: 3, eta: 0.0}")
    trained = open_trained(run)
    assert isinstance(trained.generator, DiffusionGenerator)
    assert trained.generator.objective.times == "logit-normal"
    assert trained.generator.objective.prediction == "flow"
    assert trained.generator.num_calls == 5
    images = trained.generator.sample([1, 2])
    assert images.shape == (2, 1, 8, 8)
    assert images.abs().max() <= 1
    assert run.config().groups["diffusion"].plain()["prediction"] == "flow"
    with pytest.raises(ConfigError, match=r"diffusion.schedule would change"):
        resume_config(run, ["diffusion.schedule=cosine"])


def test_a_run_that_predicts_v_is_sampled_and_keeps_its_prediction(tmp_path: Path) -> None:
    run, _ = train_small(tmp_path / "run", "diffusion.prediction=v")
    images = open_trained(run).generator.sample([1, 2])
    assert images.shape == (2, 1, 8, 8)
    assert images.abs().max() <= 1
    with pytest.raises(ConfigError, match=r"diffusion.prediction would change"):
        resume_config(run, ["diffusion.prediction=epsilon"])
    assert resume_config(run, ["sampling.steps=4"]).groups["diffusion"].plain()["prediction"] == "v"
