"""Controls of every kind of hybrid: what is replaced, that differences are paired, and what is claimed of them."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from effort import examples
from hypothesis import given
from hypothesis import strategies as st
from small_runs import small_autoencoder, small_config, small_gan

from qgen.backends import open_backend
from qgen.evaluation import (
    PROTOCOLS,
    Control,
    ControlImages,
    Evaluation,
    Evaluator,
    Reference,
    TrialResult,
    compare_controls,
    control_text,
    run_trials,
    sample_controls,
)
from qgen.evaluation.controls import _difference
from qgen.evaluation.page import page
from qgen.evaluation.results import Difference
from qgen.generators import Generator, Trial, image_seeds
from qgen.metrics import FeatureSpace
from qgen.metrics.bootstrap import Interval
from qgen.metrics.features import Features
from qgen.nn import output_means, quantum_layers
from qgen.runs import RunConfig, build_generator


def untrained(config: RunConfig, classes: int | None = 10) -> Generator:
    shape = (1, 2, 1) if config.data.name == "gaussian-3d" else (1, 8, 8)
    return build_generator(config, shape, open_backend("statevector"), num_classes=classes)


def latent(place: str) -> RunConfig:
    """A latent diffusion whose first stage is known by its settings alone."""
    first = small_autoencoder(f"model.quantum.place={place}").model.plain()
    changes = {"kind": "latent-diffusion", "autoencoder": {k: v for k, v in first.items() if k != "kind"}}
    changes["denoiser"] = {"width": 8, "depth": 1, "quantum": {"kind": "circuit", "qubits": 2, "layers": 1}}
    base = small_config().plain()
    return RunConfig.read({**base, "model": changes})


HYBRIDS: dict[str, Callable[[], RunConfig]] = {
    "hqconv": partial(small_config),
    "fqconv": partial(small_config, "model.vertex.ansatz=fqconv"),
    "quanvolution": partial(small_config, "model.quanvolution.level=0", "model.quanvolution.groups=1"),
    "guided": partial(small_config, "model.conditioning=label", "sampling.guidance=2"),
    "gan": partial(small_gan, "gan-quantum-g"),
    "patches": partial(small_gan, "patch-gan"),
    "decoder": partial(small_autoencoder, "model.quantum.place=decoder"),
    "latent": partial(latent, "decoder"),
}


def sampled(generator: Generator, count: int = 5) -> torch.Tensor:
    conditions = None if generator.conditioning is None else generator.conditioning.examples(count)
    return generator.sample(image_seeds(3, count), conditions)


def test_samples_of_a_hybrid_have_controls(rng: np.random.Generator) -> None:
    check_controls(str(rng.choice(list(HYBRIDS))))


@pytest.mark.slow
@pytest.mark.parametrize("kind", HYBRIDS)
def test_samples_of_every_kind_have_controls(kind: str) -> None:
    check_controls(kind)


def check_controls(kind: str) -> None:
    generator = untrained(HYBRIDS[kind]())
    for layer in quantum_layers(generator.network).values():
        torch.nn.init.uniform_(layer.weight, -1.5, 1.5)
    with output_means(generator.sampler) as means:
        own = sampled(generator)
    assert torch.equal(own, sampled(generator))
    assert means
    runs: list[str] = []
    layers = quantum_layers(generator.network)
    for name, layer in layers.items():
        layer.register_forward_hook(lambda *_, name=name: runs.append(name))
    made = {}
    for each in sample_controls(generator.sampler, means, lambda: sampled(generator), 7):
        made[each.name] = each
        assert each.images.shape == own.shape
        assert bool(torch.isfinite(each.images).all())
        assert not torch.equal(each.images, own), each.name
    assert [(each.name, each.circuits) for each in made.values()] == [("mean", 0), ("shuffled", 7)]
    assert torch.equal(own, sampled(generator))  # as before
    if kind == "patches":  # nothing but circuits: one image over and over, and the same ones in another order
        assert torch.equal(made["mean"].images, made["mean"].images[:1].expand_as(own))
        distances = torch.cdist(made["shuffled"].images.flatten(1), own.flatten(1))
        assert sorted(distances.argmin(1).tolist()) == list(range(len(own)))


def test_without_circuits_there_are_no_controls() -> None:
    generator = untrained(small_gan("gan-classical"))
    with output_means(generator.sampler) as means:
        sampled(generator)
    assert list(sample_controls(generator.sampler, means, lambda: sampled(generator), 0)) == []
    assert run_trials(generator, torch.zeros(4, 1, 8, 8), torch.zeros(4, 1, 8, 8)) == ()


def test_on_a_device_nothing_is_shuffled() -> None:
    generator = untrained(small_gan("gan-quantum-g"))
    with output_means(generator.sampler) as means:
        sampled(generator)
    made = list(sample_controls(generator.sampler, means, lambda: sampled(generator), 5, shuffle=False))
    assert [each.name for each in made] == ["mean"]


@pytest.mark.parametrize(
    ("config", "name"),
    [
        (partial(small_gan, "gan-quantum-d"), "discriminator"),
        (partial(small_autoencoder, "model.quantum.place=encoder"), "reconstruction"),
        (partial(small_autoencoder, "model.quantum.place=decoder"), "reconstruction"),
    ],
)
def test_circuits_that_do_not_sample_are_tried(
    config: Callable[[], RunConfig], name: str, rng: np.random.Generator
) -> None:
    generator = untrained(config())
    real, samples = (torch.from_numpy(rng.uniform(-1, 1, (30, 1, 8, 8))).float() for _ in range(2))
    (found,) = run_trials(generator, real, samples)
    assert (found.trial.name, found.count) == (name, 30)
    with torch.no_grad():
        own = found.trial.run(real, samples).double()
    assert found.value == pytest.approx(float(own.mean()), abs=1e-5)
    assert found.interval.low <= found.value <= found.interval.high
    assert list(found.differences) == ["mean", "shuffled"]
    for each in found.differences.values():
        assert each.paired
        assert each.interval.low <= each.value <= each.interval.high
    if name == "discriminator":
        assert 0 <= found.value <= 1
        with torch.no_grad():
            scores = [generator.network.discriminator(images) for images in (real, samples)]  # type: ignore[operator]
        assert found.value == pytest.approx(float((scores[0] > scores[1]).double().mean()))


def latent_gan() -> RunConfig:
    """A GAN in the codes of an autoencoder that is known by its settings alone, with a circuit that scores codes."""
    first = small_autoencoder("model.vector=4", "model.quantum.place=encoder").model.plain()
    block = {"kind": "quantum", "width": 2, "layers": 1}
    players = {
        "generator": {"kind": "style", "observables": "xz", "layers": 1},
        "discriminator": {"extractor": {"name": "mlp", "hidden": [8, 4]}, "block": block},
    }
    model = {"kind": "gan", "autoencoder": first, **players}
    return RunConfig.read({**small_gan("style-gan").plain(), "model": model, "data": {"name": "digits"}})


def test_a_discriminator_of_codes_is_tried_on_the_codes_of_images(rng: np.random.Generator) -> None:
    generator = untrained(latent_gan())
    real, samples = (torch.from_numpy(rng.uniform(-1, 1, (30, 1, 8, 8))).float() for _ in range(2))
    codec = generator.codec  # type: ignore[attr-defined]
    codec.mean.copy_(torch.from_numpy(rng.normal(size=4)))
    codec.deviation.copy_(torch.from_numpy(rng.uniform(0.2, 2, size=4)))
    (found,) = run_trials(generator, real, samples)
    with torch.no_grad():
        codes = [(codec.autoencoder.encode(each).mean - codec.mean) / codec.deviation for each in (real, samples)]
        scores = [generator.network.discriminator(each.reshape(30, 4, 1, 1)) for each in codes]  # type: ignore[operator]
    assert found.value == pytest.approx(float((scores[0] > scores[1]).double().mean()))
    assert (found.trial.name, found.count, list(found.differences)) == ("discriminator", 30, ["mean", "shuffled"])


def test_a_trial_shuffles_among_its_images(rng: np.random.Generator) -> None:
    """The trial returns the circuit's output itself: its mean stays, and each image has that of another one."""
    from qgen.circuits import ansatz
    from qgen.nn import QuantumLayer

    layer = QuantumLayer(ansatz("basic", qubits=2, layers=1))
    seen: list[torch.Tensor] = []

    def run(real: torch.Tensor, samples: torch.Tensor) -> torch.Tensor:
        seen.append(layer(real.flatten(1)[:, :2])[:, 0].detach())
        return seen[-1]

    trial = Trial("own", "own", "", layer, run)
    made = SimpleNamespace(trials=lambda: (trial,))
    real = torch.from_numpy(rng.uniform(-1, 1, (12, 1, 2, 1)))
    (found,) = run_trials(made, real, real)  # type: ignore[arg-type]
    own, mean, shuffled = seen
    torch.testing.assert_close(mean, own.mean().expand(12))
    torch.testing.assert_close(shuffled.sort().values, own.sort().values)
    assert not (shuffled == own).any()
    assert found.differences["shuffled"].value == pytest.approx(0, abs=1e-6)
    assert found.differences["shuffled"].verdict == "not resolved"


@examples(30)
@given(st.floats(-3, 3), st.integers(0, 2**31))
def test_a_difference_is_resolved_where_its_interval_says_so(shift: float, seed: int) -> None:
    values = torch.from_numpy(np.random.default_rng(seed).normal(shift, 1, 40))
    found = _difference(values)
    expected = "not resolved" if found.interval.low <= 0 <= found.interval.high else "better" if shift > 0 else "worse"
    if abs(shift) > 1.5:  # nine deviations of the mean
        assert found.verdict == expected == ("better" if shift > 0 else "worse")
    error = 1.96 * float(values.std()) / 40**0.5
    assert found.interval.high - found.interval.low == pytest.approx(2 * error, rel=0.35)


class RowSpace(FeatureSpace):
    """The mean of each row of pixels: few features, so that a distance takes no time."""

    def _extract(self, pixels: torch.Tensor, progress: object) -> Features:
        return Features(pixels.double().mean(dim=(1, 3)).numpy(), None)


@pytest.fixture(scope="module")
def evaluator(digits_reference: Reference) -> Evaluator:
    space = RowSpace("rows", "means of rows", digits_reference.whole.shape)
    return Evaluator(space, digits_reference, PROTOCOLS["default"], resamples=20)


@pytest.fixture
def controlled(evaluator: Evaluator) -> Callable[..., Evaluation]:
    """Evaluates images and those of controls, and returns what is said of them."""

    def make(own: torch.Tensor, **controls: torch.Tensor) -> Evaluation:
        facts = {"seed": 1, "step": 5, "backend": {"name": "statevector"}}
        first = evaluator(own, "run", facts)
        made = [ControlImages(name, images, 9) for name, images in controls.items()]  # type: ignore[arg-type]
        return replace(first, controls=control_text.summarised(compare_controls(first, made, evaluator), ()))

    return make


def test_what_is_claimed_follows_from_the_intervals(controlled, digits_reference, rng: np.random.Generator) -> None:
    good = digits_reference.whole.scaled(torch.from_numpy(digits_reference.control[-40:]))
    noise = torch.from_numpy(rng.uniform(-1, 1, good.shape)).float()
    worse = controlled(good, mean=noise, shuffled=good.flip(0))
    said = worse.controls.summary
    assert "worse without it, so they depend on how the circuits' outputs vary" in said[0]
    assert "the same in another order" in said[1]
    assert said[-1] == control_text.LIMITS
    assert "better without" in controlled(noise, mean=good).controls.summary[0]
    same = controlled(good, mean=good, shuffled=good.clone())
    assert all("has 0 in it" in line for line in same.controls.summary[:2])  # not one image is another one
    assert control_text.LIMITS not in same.controls.summary  # nothing was found to depend on the circuits
    unresolved = controlled(noise, mean=noise.roll(1, 0) + 0.05 * torch.sign(noise)).controls.samples[0]
    verdict = unresolved.differences["fid"].verdict
    assert ("has 0 in it" in control_text.summarised((unresolved,), ()).summary[0]) == (verdict == "not resolved")
    found = worse.controls.samples[0]
    assert isinstance(found, Control)
    assert all(each.paired for each in found.differences.values())


@examples(30)
@given(st.floats(0.01, 100), st.floats(-0.2, 0.2), st.floats(0.001, 0.1))
def test_a_change_that_is_resolved_and_small_is_told_with_its_share(value: float, share: float, width: float) -> None:
    change = Difference(share * value, Interval((share - width) * value, (share + width) * value), True, "worse")
    after = SimpleNamespace(results={"fid": SimpleNamespace(samples=SimpleNamespace(value=(1 + share) * value))})
    said = control_text._hardly(Control("mean", after, {"fid": change}, False))  # type: ignore[arg-type]
    largest = abs(share) + width
    if abs(largest - control_text.HARDLY) > 1e-9:
        assert bool(said) == (largest < control_text.HARDLY)
    if said:
        assert float(said.split()[-5]) == pytest.approx(100 * largest, rel=0.06)  # it has two digits


def test_json_and_page_have_the_controls(controlled, digits_reference, rng: np.random.Generator) -> None:
    good = digits_reference.whole.scaled(torch.from_numpy(digits_reference.control[-30:]))
    noise = torch.from_numpy(rng.uniform(-1, 1, good.shape)).float()
    found = controlled(good, mean=noise, shuffled=noise.flip(1))
    trial = Trial("reconstruction", "PSNR of <it>", "dB", torch.nn.Identity(), lambda real, samples: real)
    off = Difference(-1.5, Interval(-2.0, -1.0), True, "worse")
    tried = TrialResult(trial, 30, 20.0, Interval(19.0, 21.0), {"mean": off, "shuffled": off})
    assert found.controls is not None
    found = replace(found, controls=control_text.summarised(found.controls.samples, (tried,)))
    plain = json.loads(json.dumps(found.plain(), allow_nan=False))["controls"]
    assert list(plain["samples"]) == ["mean", "shuffled"]
    assert plain["samples"]["shuffled"]["circuits"] == 9
    assert plain["samples"]["mean"]["differences"]["fid"]["verdict"] == "worse"
    assert plain["trials"]["reconstruction"]["differences"]["mean"]["value"] == -1.5
    assert "PSNR of <it>: 20.00 dB (19.00 to 21.00 dB)" in plain["summary"][2]
    text = page([found])
    assert "Controls of the circuits" in text
    assert "PSNR of &lt;it&gt;" in text
    assert text.count("data:image/png") == 4  # samples, two controls, nearest training images
    assert len(list(control_text.rows(found))) == len(found.results)


def test_real_images_are_looked_at_once(evaluator, digits_reference, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    extract = RowSpace._extract

    def noted(self: RowSpace, pixels: torch.Tensor, progress: object) -> Features:
        seen.append(len(pixels))
        return extract(self, pixels, progress)

    monkeypatch.setattr(RowSpace, "_extract", noted)
    again = [Evaluator(evaluator.space, digits_reference, PROTOCOLS["default"], resamples=5) for _ in range(2)]
    images = digits_reference.whole.scaled(torch.from_numpy(digits_reference.control[-30:]))
    found = [again[0](part, "x", {}) for part in (images, images, images[:20])]
    assert sorted(seen) == [20, 20, 30, 30, 30, 359]
    assert found[0].results["fid"].real.value == found[1].results["fid"].real.value
    assert again[1](images[:20], "x", {}).plain() == found[2].plain()
