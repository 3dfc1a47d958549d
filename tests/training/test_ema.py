"""The moving average: the published decays, and that the average is one."""

import numpy as np
import pytest
import torch
from torch import nn

from qgen.errors import RunError
from qgen.runs import EMASettings
from qgen.training import MovingAverage, decay_at
from qgen.training.ema import averaged_estimates


@pytest.mark.parametrize(("step", "decay"), [(99, 0.0), (101, 0.0), (199, 0.953), (499, 0.982), (999, 0.9892)])
def test_decays_of_the_published_code(step: int, decay: float) -> None:
    """De Falco et al., arXiv:2402.16147: clip(1 - (1 + max(0, step - 101))^(-2/3), 0, 0.995) at 0-based steps."""
    assert decay_at(step, EMASettings()) == pytest.approx(decay, abs=5e-4)


def test_the_decay_grows_to_its_limit_near_step_2927() -> None:
    settings = EMASettings()
    decays = [decay_at(step, settings) for step in range(4000)]
    assert decays == sorted(decays)
    assert next(step for step, decay in enumerate(decays) if decay == 0.995) == pytest.approx(2927, abs=3)


@pytest.mark.parametrize("after", [0, 7])
def test_the_ratio_is_that_of_diffusers(after: int) -> None:
    """From the first step after `after` on, where diffusers copies the weights and this is 1 / 10."""
    training_utils = pytest.importorskip("diffusers.training_utils")
    settings = EMASettings(warm_up="ratio", after=after, decay=0.98)
    reference = training_utils.EMAModel(nn.Linear(1, 1).parameters(), decay=0.98, update_after_step=after)
    assert decay_at(after, settings) == pytest.approx(0.1)
    for step in range(after + 1, 600):
        assert decay_at(step, settings) == pytest.approx(reference.get_decay(step + 1), rel=1e-12)


def test_a_thousand_steps_forget_the_first_weights_by_the_ratio() -> None:
    """The share of the first weights that is left: 37 % with a constant 0.999."""
    settings = EMASettings(warm_up="ratio", after=0, every=1, decay=0.999)
    assert np.prod([decay_at(step, settings) for step in range(1000)]) < 1e-12
    assert EMASettings().plain() == {"decay": 0.995, "every": 10, "after": 100, "power": 2 / 3}


class Centred(nn.Module):
    """A mean that is linear in the weight: under averaged weights it is the average of the means."""

    averaged_buffers = ("mean",)

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(3, dtype=torch.float64))
        self.register_buffer("mean", torch.zeros(3, dtype=torch.float64))
        self.register_buffer("other", torch.zeros(3, dtype=torch.float64))


def test_estimates_are_those_of_the_averaged_weights(rng: np.random.Generator) -> None:
    network = nn.ModuleDict({"own": Centred(), "frozen": Centred()})
    parameters = {"own.weight": network["own"].weight}
    estimates = averaged_estimates(network, parameters)
    assert list(estimates) == ["own.mean"]
    average = MovingAverage(parameters, EMASettings(after=2, every=1), estimates)
    for step in range(20):
        with torch.no_grad():
            network["own"].weight.copy_(torch.from_numpy(rng.normal(size=3)))
            network["own"].mean.copy_(2 * network["own"].weight + 1)
        average.update(step)
    last = network["own"].mean.clone()
    with average.applied():
        assert not torch.equal(network["own"].mean, last)
        torch.testing.assert_close(network["own"].mean, 2 * network["own"].weight + 1)
    assert torch.equal(network["own"].mean, last)
    average.load({"own.weight": torch.ones(3, dtype=torch.float64)})  # of a version that did not average it
    assert torch.equal(average.values["own.mean"], last)


def test_it_copies_first_then_averages_every_few_steps(rng: np.random.Generator) -> None:
    settings = EMASettings(after=5, every=3, decay=0.9)
    module = nn.Linear(2, 2)
    average = MovingAverage(dict(module.named_parameters()), settings)
    expected = module.weight.detach().clone()
    for step in range(40):
        with torch.no_grad():
            module.weight.copy_(torch.from_numpy(rng.normal(size=(2, 2))))
        average.update(step)
        if step < 5:
            expected = module.weight.detach().clone()
        elif (step + 1) % 3 == 0:
            decay = min(max(1 - (1 + max(0, step - 6)) ** (-2 / 3), 0), 0.9)
            expected = decay * expected + (1 - decay) * module.weight.detach()
        assert torch.allclose(average.values["weight"], expected, atol=1e-6)


def test_applied_lends_the_average_and_gives_the_weights_back() -> None:
    module = nn.Linear(3, 1)
    own = module.weight.detach().clone()
    average = MovingAverage(dict(module.named_parameters()), EMASettings())
    average.values["weight"].fill_(7.0)
    with average.applied():
        assert module.weight.eq(7).all()
        assert module(torch.ones(3)).item() == pytest.approx(21 + module.bias.item(), rel=1e-6)
    assert torch.equal(module.weight, own)


def test_values_of_another_model_are_refused() -> None:
    with pytest.raises(RunError, match="another model"):
        MovingAverage(dict(nn.Linear(2, 2).named_parameters()), EMASettings()).load(
            MovingAverage(dict(nn.Linear(2, 3).named_parameters()), EMASettings()).values
        )
