"""GANs in the loop: moves of both players, runs that go on, and what is said of a collapse."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
import torch
from small_runs import SMALL_PLAYERS, resume_small, small_gan, train_config, trainer

from qgen import storage
from qgen.adversarial.losses import LOSSES, Losses
from qgen.data import ImageSet, batch_indices, open_images
from qgen.errors import RunError
from qgen.metrics import networks
from qgen.metrics.reference import halve
from qgen.randomness import generator
from qgen.runs import Checkpoint, Run, load_checkpoint, new_run
from qgen.training import Report, Trainer, make_fabric, metrics, start

#: With pictures and judgements on the way; few samples, as nothing is learned in so few steps.
WATCHED = ("training.judged=8", "training.sample_every=2", "training.steps=4")


@pytest.fixture(autouse=True)
def no_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The user's folder of this test alone, and judges that learn nothing, in a moment."""
    monkeypatch.setattr(storage, "user_folder", lambda platform, environ: tmp_path / "user")
    monkeypatch.setattr(networks, "_MIN_STEPS", 2)
    monkeypatch.setattr(networks, "_MIN_EPOCHS", 0)


class HaltError(Exception):
    """What a test raises in place of a crash."""


class StopAt(Report):
    """Breaks the run after a step, or asks it to stop; and notes what it is told."""

    def __init__(self, step: int = -1, *, crash: bool = False) -> None:
        self.at, self.crash, self.said = step, crash, list[str]()

    def step(self, done: int) -> None:
        if done == self.at and self.crash:
            raise HaltError
        if done == self.at:
            os.kill(os.getpid(), signal.SIGINT)

    def message(self, line: str) -> None:
        self.said.append(line)


def last(run: Run) -> Checkpoint:
    return load_checkpoint(run.checkpoints()[-1])


def assert_equal(run: Run, other: Run) -> None:
    """Weights, average, optimisers, metrics, judgements and pictures are the same to the last bit."""
    one, two = last(run), last(other)
    assert (one.step, one.numbers, one.model) == (two.step, two.numbers, two.model)
    assert one.tensors.keys() == two.tensors.keys()
    for group, tensors in one.tensors.items():
        assert tensors.keys() == two.tensors[group].keys()
        assert all(torch.equal(value, two.tensors[group][name]) for name, value in tensors.items()), group
    rows = [
        [{k: v for k, v in row.items() if not k.endswith("per_second")} for row in metrics.read(each.metrics)]
        for each in (run, other)
    ]
    assert rows[0] == rows[1]
    assert metrics.read(run.quality) == metrics.read(other.quality)
    assert [path.read_bytes() for path in sorted(run.samples.glob("*"))] == [
        path.read_bytes() for path in sorted(other.samples.glob("*"))
    ]


@pytest.mark.rows(2)
@pytest.mark.parametrize("preset", SMALL_PLAYERS)
def test_a_broken_run_goes_on_to_the_same_bits(preset: str, tmp_path: Path) -> None:
    config = small_gan(preset, *WATCHED)
    whole, finished = train_config(tmp_path / "whole", config)
    assert (finished.step, finished.stopped) == (4, False)
    broken = new_run("test", tmp_path / "broken")
    with pytest.raises(HaltError):
        start(trainer(broken, config), StopAt(3, crash=True))
    assert last(broken).step == 2
    resume_small(broken)
    assert_equal(broken, whole)
    row = metrics.read(whole.metrics)[-1]
    assert {"discriminator_loss", "discriminator_accuracy", "generator_loss", "generator_gradient_norm"} <= row.keys()
    judged = metrics.read(whole.quality)
    assert [row["step"] for row in judged] == [2, 4]
    assert all("collapse" in row for row in judged)
    trained = {name.partition(".")[0] for name in last(whole).tensors["ema"]}
    assert trained == {"generator"}


@pytest.mark.rows(1)
@pytest.mark.parametrize("method", ["exact", "propagate", "paths"])
def test_a_broken_run_under_noise_goes_on_to_the_same_bits(method: str, tmp_path: Path) -> None:
    noise = ("backend.name=noisy:fake_fez", f"backend.method={method}")
    config = small_gan("gan-quantum-g", *WATCHED, *noise)
    whole, _ = train_config(tmp_path / "whole", config)
    broken = new_run("test", tmp_path / "broken")
    with pytest.raises(HaltError):
        start(trainer(broken, config), StopAt(3, crash=True))
    resume_small(broken)
    assert_equal(broken, whole)


def test_a_picture_that_a_crash_took_is_drawn_again_and_judged_once(tmp_path: Path) -> None:
    run, _ = train_config(tmp_path / "run", small_gan("gan-classical", *WATCHED))
    rows, picture = metrics.read(run.quality), run.grid(4).read_bytes()
    run.grid(4).unlink()
    resume_small(run)
    assert metrics.read(run.quality) == rows
    assert run.grid(4).read_bytes() == picture


def test_a_stopped_run_with_a_penalty_and_several_moves_goes_on_to_the_same_bits(tmp_path: Path) -> None:
    """With all that a discriminator keeps or draws on its own: the vectors of spectral normalisation, and dropout."""
    changes = (
        "adversarial={loss: wasserstein, discriminator_steps: 2}",
        "model.discriminator.extractor.spectral_norm=true",
        "model.discriminator.extractor.dropout=0.3",
    )
    config = small_gan("gan-quantum-both", *changes, "training.steps=4")
    whole, _ = train_config(tmp_path / "whole", config)
    stopped, finished = train_config(tmp_path / "stopped", config, StopAt(1))
    assert (finished.step, finished.stopped) == (2, True)
    resume_small(stopped)
    assert_equal(stopped, whole)
    assert metrics.read(whole.metrics)[-1]["images"] == 4 * 2 * 4  # steps, moves, batch


@pytest.mark.rows(1)
@pytest.mark.parametrize("optimizer", ["sgd", "adadelta", "adam"])
def test_optimisers_go_on_from_checkpoints(optimizer: str, tmp_path: Path) -> None:
    config = small_gan("patch-gan", f"training.optimizer={optimizer}", "training.samples=0")
    whole, _ = train_config(tmp_path / "whole", config)
    broken = new_run("test", tmp_path / "broken")
    with pytest.raises(HaltError):
        start(trainer(broken, config), StopAt(5, crash=True))
    resume_small(broken)
    assert_equal(broken, whole)
    kept = last(whole).tensors
    kinds = {name.rpartition(":")[2] for name in kept.get("optimizer.generator", {})}
    assert (
        kinds
        == {
            "sgd": set(),
            "adadelta": {"step", "square_avg", "acc_delta"},
            "adam": {"step", "exp_avg", "exp_avg_sq"},
        }[optimizer]
    )


def test_a_step_is_three_moves_of_the_discriminator_and_one_of_the_generator(tmp_path: Path) -> None:
    """Each on a batch of its own, with plain gradient descent and two learning rates, against moves by hand."""
    config = small_gan(
        "gan-quantum-both",
        "adversarial={discriminator_steps: 3, discriminator_rate: 0.02}",
        "model.discriminator.extractor.spectral_norm=true",
        "training.optimizer=sgd",
        "training.learning_rate=0.3",
    )
    looped, by_hand = (trainer(new_run("test", tmp_path / name), config) for name in ("looped", "by-hand"))
    results = looped.step(2)

    images, seed, players = by_hand.images, config.training.seed, by_hand.generator.players()
    losses: dict[str, list[float]] = {"discriminator": [], "generator": []}
    for player, rate, moves in zip(players, (0.02, 0.3), (3, 1), strict=True):
        for move in range(moves):
            index = batch_indices(seed, 2 * 3 + move, 4, len(images))
            purpose = (player.name, 2, move) if move else (player.name, 2)
            draws = player.objective.draw(4, (1, 8, 8), generator(seed, *purpose))
            loss = player.objective(images.scaled(index), draws)
            losses[player.name].append(loss.item())
            names, weights = zip(*player.parameters.items(), strict=True)
            for weight, slope in zip(weights, torch.autograd.grad(loss, weights), strict=True):
                weight.data -= rate * slope
            assert all(name.startswith(f"{player.name}.") for name in names)
    wanted = by_hand.generator.network.state_dict()
    for name, value in looped.generator.network.state_dict().items():
        torch.testing.assert_close(value, wanted[name], rtol=1e-4, atol=1e-5)
    for name, each in losses.items():
        assert results[name].loss == pytest.approx(sum(each) / len(each), rel=1e-4)


def test_a_schedule_holds_for_both_players_rates(tmp_path: Path) -> None:
    rates = ("training.learning_rate=0.2", "adversarial.discriminator_rate=0.1", "training.warm_up=4")
    made = trainer(new_run("test", tmp_path / "run"), small_gan("patch-gan", *rates))
    made.step(1)
    groups = [player._optimizer.param_groups[0]["lr"] for player in made.players]
    assert groups == pytest.approx([0.05, 0.1])


def test_an_epoch_counts_the_batches_of_all_moves(tmp_path: Path) -> None:
    config = small_gan("gan-classical", "training.epochs=2", "adversarial.discriminator_steps=2")
    assert trainer(new_run("test", tmp_path / "run"), config).total == 2 * 64 // (4 * 2)


def test_both_players_start_from_another_run(tmp_path: Path) -> None:
    source, _ = train_config(tmp_path / "source", small_gan("gan-quantum-both", "training.steps=2"))
    changes = (f"start.run={source.path}", "training.seed=9")
    taken = trainer(new_run("test", tmp_path / "taken"), small_gan("gan-quantum-both", *changes)).generator.network
    given = last(source).tensors["weights"]
    assert all(torch.equal(value, given[name]) for name, value in taken.state_dict().items())
    only = small_gan("gan-quantum-both", *changes, "start.parts=[generator]")
    network = trainer(new_run("test", tmp_path / "half"), only).generator.network.state_dict()
    assert torch.equal(network["generator.out.weight"], given["generator.out.weight"])
    assert not torch.equal(network["discriminator.score.weight"], given["discriminator.score.weight"])
    with pytest.raises(RunError, match=r"the generator of .* has other weights"):
        trainer(new_run("test", tmp_path / "other"), small_gan("gan-classical", f"start.run={source.path}"))


def test_a_generator_of_one_image_is_said_to_have_collapsed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Next to real images without labels: those a judge of principal components compares, which learns at once."""
    config = small_gan("gan-classical", "data.limit=null", "training.judged=60", "training.steps=1")
    images = open_images(config.data)
    unlabelled = ImageSet.of("digits", images.images, None, None, "a test")
    run, report = new_run("test", tmp_path / "run"), StopAt()
    made = Trainer.build(run, config, images, make_fabric(config, "cpu"), halve(unlabelled, unlabelled))
    one = images.scaled(torch.tensor([5]))
    monkeypatch.setattr(
        type(made.generator), "sample", lambda self, seeds, *_, **__: one.expand(len(seeds), -1, -1, -1)
    )
    start(made, report)
    (line,) = report.said
    assert line.startswith("samples at step 1: Frechet distance ")
    assert "Only " in line
    assert "the generator has collapsed" in line
    (row,) = metrics.read(run.quality)
    assert row["collapse"] in line.replace("Only", "only")


@pytest.mark.parametrize("player", ["discriminator", "generator"])
def test_a_loss_that_is_not_finite_names_the_player(
    player: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nothing = torch.tensor(float("nan"))
    broken = LOSSES["non-saturating"]._replace(**{player: lambda *scores: scores[-1].sum() * nothing})
    monkeypatch.setitem(LOSSES, "non-saturating", Losses(*broken))
    with pytest.raises(RunError, match=rf"step 1: the loss of the {player} is no longer a finite number"):
        train_config(tmp_path / "run", small_gan("gan-quantum-both"))


def test_a_weight_that_is_not_finite_is_named(tmp_path: Path) -> None:
    made = trainer(new_run("test", tmp_path / "run"), small_gan("gan-quantum-both"))
    with torch.no_grad():
        made.generator.network.get_parameter("generator.block.circuit.weight").fill_(torch.inf)
    with pytest.raises(RunError, match=r"loss of the discriminator.*generator\.block\.circuit\.weight"):
        start(made, Report())


def test_quality_rows_tell_the_images_learned_from_and_those_that_were_judged(tmp_path: Path) -> None:
    run, _ = train_config(tmp_path / "run", small_gan("gan-classical", *WATCHED))
    (row,) = [row for row in metrics.read(run.quality) if row["step"] == 4]
    (same,) = [row for row in metrics.read(run.metrics) if row["step"] == 4]
    assert (row["seen"], row["images"]) == (same["images"], 8) == (16, 8)


@pytest.mark.rows(1)
@pytest.mark.parametrize("preset", ["gan-quantum-both", "patch-gan", "style-gan"])
def test_bfloat16_trains_all_kinds_with_a_penalty(preset: str, tmp_path: Path) -> None:
    changes = ("training.precision=bf16", "adversarial.loss=wasserstein", "training.steps=2")
    run, _ = train_config(tmp_path / "run", small_gan(preset, *changes))
    assert all(value.isfinite().all() for value in last(run).tensors["weights"].values())
