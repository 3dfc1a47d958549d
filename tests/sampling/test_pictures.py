"""Pictures of interpolation and of steps: what they show, of every kind, and where they are refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from small_runs import small_autoencoder, small_config, small_gan
from typer.testing import CliRunner

from qgen.backends import open_backend
from qgen.cli.main import app
from qgen.data import open_images
from qgen.diffusion import visited_times
from qgen.errors import ConfigError, InputError
from qgen.generators import Generator, HasSteps, image_seeds
from qgen.interpolation import seeds_between
from qgen.randomness import generator as seeded
from qgen.runs import Run, RunConfig, build_generator
from qgen.sampling import check_interpolation, check_steps, open_trained, sample_images

PLAIN = ("model.vertex.groups=0",)
STEPS = (*PLAIN, "sampling.sampler=ancestral", "sampling.eta=0", "sampling.steps=4")
KINDS: dict[str, Callable[[], RunConfig]] = {
    # v: of what rounding leaves in a prediction of the noise, the first step makes over 150 times as much
    "diffusion": partial(small_config, *STEPS, "diffusion.prediction=v"),
    "by class": partial(small_config, *PLAIN, "model.conditioning=label", "sampling.guidance=2"),
    "gan": partial(small_gan, "gan-classical"),
    "patches": partial(small_gan, "patch-gan"),
    "autoencoder": partial(small_autoencoder, "model.quantum.kind=none"),
}


def untrained(config: RunConfig) -> Generator:
    return build_generator(config, (1, 8, 8), open_backend("statevector"), num_classes=10)


def assert_rows_go(kind: str) -> None:
    generator = untrained(KINDS[kind]())
    seeds = image_seeds(4, 3)
    conditions = None if generator.conditioning is None else generator.conditioning.examples(2)
    rows = generator.sample(seeds_between(seeds, 5), None if conditions is None else conditions.repeated(5))
    rows = rows.unflatten(0, (2, 5))
    for row in range(2):
        given = None if conditions is None else conditions.part(slice(row, row + 1)).repeated(2)
        ends = generator.sample(seeds[row : row + 2], given)
        torch.testing.assert_close(rows[row, [0, -1]], ends, rtol=1e-3, atol=1e-4)
        steps = (rows[row, 1:] - rows[row, :-1]).flatten(1).norm(dim=1)
        assert (steps > 0).all()


def test_a_row_goes_from_one_sample_to_the_next(rng: np.random.Generator) -> None:
    assert_rows_go(str(rng.choice(list(KINDS))))


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_a_row_of_every_kind_goes_from_one_sample_to_the_next(kind: str) -> None:
    assert_rows_go(kind)


@pytest.mark.parametrize("sampler", ["ddim", "heun", "ancestral"])
def test_steps_end_in_the_samples(sampler: str) -> None:
    generator = untrained(small_config(*PLAIN, f"sampling.sampler={sampler}", "sampling.eta=0", "sampling.steps=6"))
    assert isinstance(generator, HasSteps)
    seeds = image_seeds(2, 3)
    found = generator.sample_steps(seeds, frames=4)
    times = visited_times(generator.sampling, generator.objective.schedule)  # type: ignore[attr-defined]
    assert len(times) == 6
    assert found.times == (times[0], times[2], times[4], -1)
    assert found.noisy.shape == found.predicted.shape == (3, 4, 1, 8, 8)
    own = generator.sample(seeds)
    assert torch.equal(found.noisy[:, -1], own)
    assert torch.equal(found.predicted[:, -1], own)
    seen: dict[int, torch.Tensor] = {}
    generator.sample(seeds, watch=lambda time, states, _: seen.update({time: states}))  # type: ignore[call-arg]
    noise = torch.stack([torch.randn(1, 8, 8, generator=seeded(seed, "image")) for seed in seeds])
    torch.testing.assert_close(seen[times[0]], noise)
    torch.testing.assert_close(found.noisy[:, 0], noise.clamp(-1, 1))
    torch.testing.assert_close(found.noisy[:, 1], seen[times[2]].clamp(-1, 1))
    level = generator.objective.schedule.levels([times[2]])[0]  # type: ignore[attr-defined]
    with torch.no_grad():
        output = generator.network.eval()(seen[times[2]], torch.full((3,), times[2]), None)
        clean = (seen[times[2]] - level.sigma * output) / level.alpha
    torch.testing.assert_close(found.predicted[:, 1], clean.clamp(-1, 1), rtol=1e-3, atol=1e-3)
    with pytest.raises(InputError, match="at most 64 images"):
        generator.sample_steps(range(65), frames=4)


def test_more_columns_than_steps_are_all_steps() -> None:
    generator = untrained(small_config(*PLAIN, "sampling.steps=2"))
    assert isinstance(generator, HasSteps)
    assert generator.sample_steps([1], frames=9).noisy.shape[1] == 3


def test_what_has_no_steps_is_refused() -> None:
    with pytest.raises(ConfigError, match="in one pass"):
        check_steps(untrained(small_gan("gan-classical")), "mine")


def test_no_device_runs_what_is_not_planned() -> None:
    config = SimpleNamespace(data=SimpleNamespace(name="digits"))
    backend = SimpleNamespace(name="ibm_fez", capabilities=SimpleNamespace(remote=True))
    with pytest.raises(ConfigError, match="ibm_fez is a device"):
        check_interpolation(SimpleNamespace(config=config, backend=backend))  # type: ignore[arg-type]
    config.data.name = "gamma"
    with pytest.raises(ConfigError, match="no images"):
        check_interpolation(SimpleNamespace(config=config, backend=backend))  # type: ignore[arg-type]


def test_the_command_writes_pictures(
    trained_once: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    run = str(trained_once())

    def sample(*arguments: str) -> dict[str, object]:
        done = CliRunner().invoke(app, ["sample", run, "--device", "cpu", "--out", "x.png", "--json", *arguments])
        assert done.exit_code == 0, done.output
        return json.loads(done.stdout)  # type: ignore[no-any-return]

    def size() -> tuple[int, int]:
        with Image.open("x.png") as picture:
            return picture.size

    facts = sample("--interpolate", "3", "--count", "6")
    assert (facts["picture"], facts["rows"], facts["columns"], facts["images"]) == ("interpolation", 2, 3, 6)
    width, height = size()
    assert width / height == pytest.approx(3 / 2, rel=0.1)
    facts = sample("--trajectory", "3", "--count", "2")
    assert (facts["picture"], facts["circuits_of_steps"]) == ("trajectory", 0)
    assert len(facts["steps"]) == 3  # type: ignore[arg-type]
    width, height = size()
    assert width / height == pytest.approx(3 / 4, rel=0.1)
    assert Path("x.json").is_file()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--interpolate", "4", "--count", "10"], "8 are"),
        (["--interpolate", "4", "--trajectory", "4"], "one picture at a time"),
        (["--interpolate", "4", "--single"], "--single"),
        (["--nearest", "--gif", "4"], "give one of --gif, --nearest"),
        (["--nearest", "--single"], "--single"),
        (["--gif", "4", "--out", "x.png"], "does not end in .gif"),
        (["--trajectory", "4", "--count", "65"], "64 at most"),
        (["--interpolate", "2"], "--interpolate"),
    ],
)
def test_contradictions_are_one_line(arguments: list[str], said: str) -> None:
    done = CliRunner().invoke(app, ["sample", "nowhere", *arguments])
    assert done.exit_code == 2
    assert said in " ".join(done.stderr.replace("│", " ").split())


def test_an_animation_ends_in_the_grid_and_pairs_are_the_nearest(
    trained_once: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    run = Run(trained_once())

    def sample(out: str, *arguments: str) -> dict[str, Any]:
        done = CliRunner().invoke(
            app,
            [
                "sample",
                str(run.path),
                "--device",
                "cpu",
                "--seed",
                "4",
                "--count",
                "5",
                "--json",
                "--out",
                out,
                *arguments,
            ],
        )
        assert done.exit_code == 0, done.output
        return dict(json.loads(done.stdout))

    def pixels(image: Image.Image) -> np.ndarray:
        return np.asarray(image.convert("L")).astype(int)

    grid = sample("grid.png", "--sampler", "ddim", "--steps", "6")
    facts = sample("x.gif", "--sampler", "ddim", "--steps", "6", "--gif", "4")
    assert (facts["picture"], len(facts["steps"]), facts["circuits"]) == ("denoising", 4, grid["circuits"])
    with Image.open("x.gif") as movie, Image.open("grid.png") as last:
        assert movie.n_frames == 4  # type: ignore[attr-defined]
        assert (pixels(movie) != pixels(last)).mean() > 0.5  # noise
        movie.seek(3)
        assert np.array_equal(pixels(movie), pixels(last))
    facts = sample("pairs.png", "--nearest")
    images = open_images(run.config().data)
    real = images.scaled(torch.arange(len(images))).flatten(1).double().numpy()
    made = sample_images(open_trained(run), 5, 4).flatten(1).double().numpy()
    distances = np.sqrt(((made[:, None] - real[None]) ** 2).mean(2)) / 2
    assert [pair["image"] for pair in facts["nearest"]] == distances.argmin(1).tolist()
    np.testing.assert_allclose([pair["distance"] for pair in facts["nearest"]], distances.min(1), rtol=1e-6)
    with Image.open("pairs.png") as picture:
        width, height = picture.size
        assert width / height == pytest.approx(5 / 2, rel=0.1)
        scale = width // 44  # five images of 8 pixels, four gaps as wide as one
        centre = 4 * scale + scale // 2
        below = pixels(picture)[9 * scale + centre, [9 * scale * k + centre for k in range(5)]]
    middle = real.reshape(-1, 8, 8)[distances.argmin(1)][:, 4, 4]
    assert np.abs(below - (middle + 1) * 127.5).max() <= 1


def test_classes_stand_beside_their_rows() -> None:
    from qgen.conditioning import LabelConditioning
    from qgen.sampling.sample import grid_prompts

    def beside(source: LabelConditioning | None, name: str = "garments") -> list[str] | None:
        config = SimpleNamespace(data=SimpleNamespace(name=name))
        trained = SimpleNamespace(generator=SimpleNamespace(conditioning=source), config=config)
        return grid_prompts(trained, 3)  # type: ignore[arg-type]

    assert beside(LabelConditioning(2, None)) == ["class 0", "class 1", "class 0"]
    assert beside(LabelConditioning(10, (9, 3, 0)), "fashion-mnist") == ["Ankle boot", "Dress", "T-shirt/top"]
    assert beside(LabelConditioning(9, (3,))) is None  # all are of one
    assert beside(None) is None
