"""The training loop of every kind of model."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch

from qgen.backends import open_settings
from qgen.conditioning import Conditioning
from qgen.data import ImageSet, batch_indices, save_samples
from qgen.errors import RunError
from qgen.generators import Generator, Player, TrainableModel, can_sample, image_seeds
from qgen.generators.protocols import HasCodec
from qgen.metrics.reference import Reference, halve
from qgen.randomness import derive, generator
from qgen.runs import (
    Run,
    RunConfig,
    TrainingSettings,
    build_in_memory,
    build_model,
    closing_on_error,
    model_fingerprint,
    transfer,
    writing,
)
from qgen.training import checkpointing, metrics
from qgen.training.centring import BATCHES, branch_means
from qgen.training.checkpointing import CheckpointThrottle
from qgen.training.ema import MovingAverage, averaged_estimates
from qgen.training.encoding import Codes, encode_images, fits
from qgen.training.evaluation import SampleEvaluator
from qgen.training.fabric import Fabric
from qgen.training.interrupt import StopRequest
from qgen.training.memory import check_batch, check_step, switch_checkpointing_on, weights_kept
from qgen.training.metrics import MetricWindow
from qgen.training.optimization import (
    DivergedError,
    PlayerOptimizer,
    StepResult,
    late_players,
    learning_rate,
    mean_result,
)
from qgen.training.report import Report


class Finished(NamedTuple):
    """End of a training.

    Attributes:
        step: steps taken in all.
        stopped: whether it was asked to stop before its last step.
        row: the last row of metrics; None: there is none.
    """

    step: int
    stopped: bool
    row: metrics.Row | None


def train(trainer: Trainer, report: Report, first: int = 0, should_stop: Callable[[], bool] | None = None) -> Finished:
    """Train a run to its last step.

    Everything random is a function of the run's seed and the step, so a resumed run takes the same steps as one that
    was never stopped.

    Args:
        trainer: a run with its data and its devices; its folder exists.
        report: shows the progress.
        first: steps taken before (`Trainer.restore`).
        should_stop: polled after every step; training ends after the step in hand, as at a SIGINT or SIGTERM. Workers
            of studies are told so, and Python delivers signals to main threads only. None: signals alone end it.

    Raises:
        RunError: the disk is full, or the loss is no longer finite.
    """
    total, row = trainer.total, None
    with StopRequest() as stop, report.over(first, total):
        if first < total:
            trainer.average.estimated = {}  # pictures on the way are those of a run that was never stopped
            for line in late_players(trainer.players, total):
                report.message(line)
        if first < total and trainer.learns_from_codes:
            trainer.encode(report)
        if first:  # a crash may have come between a checkpoint and its picture
            trainer.picture(first, report, again=False)
        for done in range(first + 1, total + 1):
            trainer.window.add(trainer.step(done - 1))
            wanted = stop.requested or (should_stop is not None and should_stop())
            stopping = trainer.agreed(wanted) and done < total
            if done % trainer.settings.log_every == 0 or done == total:
                row = trainer.log(done)
                report.row(row)
            if done == total or stopping:
                trainer.centre()
            # After the row: should a crash come between, the row is cut and written again.
            trainer.save(done, wanted=done == total or stopping)
            if stopping:
                return Finished(done, True, row)
            report.step(done)
            trainer.picture(done, report)
    return Finished(total, False, row)


@dataclass
class Trainer:
    """A training run in memory: the model, its players, the average of its weights, and where results go."""

    run: Run
    config: RunConfig
    images: ImageSet
    fabric: Fabric
    generator: TrainableModel
    players: list[PlayerOptimizer]
    average: MovingAverage
    window: MetricWindow
    throttle: CheckpointThrottle
    evaluator: SampleEvaluator | None = None
    codes: Codes | None = None

    @classmethod
    def build(
        cls, run: Run, config: RunConfig, images: ImageSet, fabric: Fabric, reference: Reference | None = None
    ) -> Trainer:
        """Build everything at its initial value, on its device; nothing is written.

        Args:
            run: the folder of the results.
            config: the settings.
            images: the data set.
            fabric: the devices that train, launched. The settings' batch is that of all devices together.
            reference: what samples are compared with, where the settings want that; None: half of the data set.

        Raises:
            ConfigError, BackendError, CircuitError, RunError: the settings cannot be met.
        """
        check_batch(config.training, len(images))
        backend = open_settings(config.backend, run.journal)
        what = "weights, their gradients, their average and the optimiser's state"
        with closing_on_error(backend):
            copies = weights_kept(config.training)
            model = build_in_memory(lambda: build_model(config, images, backend), copies, what)
            if config.training.checkpointing:
                switch_checkpointing_on(model.network)
        if config.start is not None and not run.checkpoints():  # a resumed run has these weights, trained further
            transfer(model.network, config.start, config.parts_taken_over)
        players = [PlayerOptimizer(player, config.training, fabric) for player in model.players()]
        averaged = model.averaged
        average = MovingAverage(averaged, config.training.ema, averaged_estimates(model.network, averaged))
        with closing_on_error(backend):
            check_step(model, config.training, config.training.batch // fabric.world_size, fabric.device)
        seen = config.training.batch * max(player.steps_per_iteration for player in players)
        window = MetricWindow(seen, model.circuits_per_training_image)
        evaluates = config.training.judged and fabric.is_global_zero and can_sample(model)
        evaluator = None
        if evaluates and not backend.capabilities.remote:
            evaluator = SampleEvaluator(reference or halve(images, images))
        return cls(run, config, images, fabric, model, players, average, window, CheckpointThrottle(), evaluator)

    @property
    def settings(self) -> TrainingSettings:
        """Settings of the training."""
        return self.config.training

    @property
    def total(self) -> int:
        """Steps that the run takes in all."""
        return self.total_of(self.settings)

    def total_of(self, settings: TrainingSettings) -> int:
        """Return the number of steps of these settings, with the run's images and players."""
        return settings.total_steps(len(self.images), self.batches)

    @property
    def batches(self) -> int:
        """Batches of real images that a step sees: as many as the busiest player takes optimiser steps."""
        return max(player.steps_per_iteration for player in self.players)

    @property
    def learns_from_codes(self) -> bool:
        """Whether a player takes codes in place of images."""
        return any(player.player.codes for player in self.players)

    def encode(self, report: Report) -> None:
        """Encode all images, which a player learns from the codes of."""
        assert isinstance(self.generator, HasCodec)
        images, codec = self.images, self.generator.codec
        if self.agreed(not fits(images, codec)):
            report.message(f"the codes of {len(images):,} images do not fit into memory: each batch is encoded anew")
            self.codes = Codes(images, codec, None)
            return
        report.message(f"encoding {len(images):,} images, once for all steps")
        with report.working("encoding") as progress:
            self.codes = Codes(images, codec, encode_images(images, codec, self.fabric, progress))

    def step(self, step: int) -> dict[str, StepResult]:
        """Take one step of every player; `step` counts from 0."""
        if self.codes is None and self.learns_from_codes:
            self.encode(Report())
        # For modules that draw from torch's own generator, dropout for one.
        torch.manual_seed(derive(self.settings.seed, "step", step, self.fabric.global_rank))
        results = {}
        for player in self.players:
            try:
                steps = [self._optimize(player, step, number) for number in range(player.steps_per_iteration)]
            except DivergedError as error:
                raise RunError(self._diverged(step, error)) from error
            results[player.name] = mean_result(steps)
        self.average.update(step)
        return results

    def _optimize(self, player: PlayerOptimizer, step: int, repeat: int) -> StepResult:
        """Take one optimiser step of a player, on a batch of its own."""
        settings, fabric = self.settings, self.fabric
        share = settings.batch // fabric.world_size
        mine = slice(fabric.global_rank * share, (fabric.global_rank + 1) * share)
        index = self._batch_indices(step * self.batches + repeat)[mine]
        purpose = (player.name, step, repeat) if repeat else (player.name, step)
        draws = player.draw(settings.batch, self.generator.shape, generator(settings.seed, *purpose))
        device, codes = fabric.device, self.codes if player.player.codes else None
        images = self.images.scaled(index).to(device) if codes is None else codes.take(index, device)
        if self.images.mapped is not None and codes is None:  # the next batch is read from the disk during this step
            self.images.prefetch(self._batch_indices(step * self.batches + repeat + 1)[mine])
        given = self._conditions(index)
        return player.step(images, draws.part(mine).to(device), given, learning_rate(step, self.total, settings))

    def _conditions(self, index: torch.Tensor) -> Conditioning | None:
        """Return what the images at these indices are conditioned on."""
        conditioning = self.generator.conditioning
        return None if conditioning is None else conditioning.of_images(self.images, index).to(self.fabric.device)

    def centre(self) -> None:
        """Take the means of branches under the averaged weights, in the first process, unless circuits cost money."""
        if not self.fabric.is_global_zero or self.generator.backend.capabilities.remote:
            return
        with self.window.paused(), self.average.applied():
            self.average.estimated = branch_means(
                self.generator.network, self.average.estimates, self._calls(), derive(self.settings.seed, "means")
            )

    def _calls(self) -> Iterator[tuple[Player, tuple[Any, ...]]]:
        """Yield each player with some batches, and draws of their own."""
        settings, device = self.settings, self.fabric.device
        for number in range(min(BATCHES, -(-len(self.images) // settings.batch))):
            index = self._batch_indices(number)
            given = self._conditions(index)
            for player in (each.player for each in self.players):
                source = generator(settings.seed, "means", player.name, number)
                draws = player.objective.draw(settings.batch, self.generator.shape, source).to(device)
                codes = self.codes if player.codes else None
                images = self.images.scaled(index).to(device) if codes is None else codes.take(index, device)
                yield player, (images, draws, given)

    def _batch_indices(self, number: int) -> torch.Tensor:
        """Return the indices of the images in a batch of all devices."""
        return batch_indices(self.settings.seed, number, self.settings.batch, len(self.images))

    def agreed(self, wanted: bool) -> bool:
        """Return whether any device was asked to stop."""
        if self.fabric.world_size == 1:
            return wanted
        asked = torch.tensor(float(wanted), device=self.fabric.device)
        return bool(self.fabric.all_reduce(asked, reduce_op="sum"))

    def log(self, done: int) -> metrics.Row:
        """Write a row of metrics."""
        row = self.window.row(done, learning_rate(done - 1, self.total, self.settings))
        if self.fabric.is_global_zero:
            with writing(self.run.metrics):
                metrics.append(self.run.metrics, row)
        return row

    def save(self, done: int, wanted: bool) -> None:
        """Write a checkpoint if it is wanted, or due; the last two stay."""
        every = self.settings.checkpoint_every
        due = done % every == 0 if every else self.throttle.due()
        if self.fabric.is_global_zero and (wanted or due):
            with self.window.paused() as spent, writing(self.run.path):
                checkpointing.save(self.run, self._state(done))
            self.throttle.took(spent.seconds)

    def picture(self, done: int, report: Report, again: bool = True) -> None:
        """Write a grid of samples if one is due (and, unless `again`, missing), with the same seeds each time."""
        every = self.settings.sample_every
        due = done == self.total or (every and done % every == 0)
        wanted = self.settings.samples or self.settings.judged
        if not wanted or not due or self.generator.backend.capabilities.remote:  # there it is not free
            return
        model = self.generator
        if not can_sample(model):
            return
        if self.fabric.is_global_zero and (again or not self.run.grid(done).exists()):
            self._draw(model, done, report)
        self.fabric.barrier()

    def _draw(self, model: Generator, done: int, report: Report) -> None:
        """Sample images; write their quality if that is wanted, then their picture."""
        shown, num_eval_samples = self.settings.samples, self.settings.judged if self.evaluator else 0
        seeds = image_seeds(self.settings.seed, max(shown, num_eval_samples))
        conditioning = None if model.conditioning is None else model.conditioning.examples(len(seeds))
        with (
            self.window.paused(),
            self.average.applied(),
            report.working("sampling") as progress,
            writing(self.run.samples),
        ):
            preview, device = done < self.total, self.fabric.device
            drawn = model.sample(seeds, conditioning, device=device, progress=progress, preview=preview).cpu()
            if self.evaluator is not None:
                row = {"step": done, "seen": self.window.images(done)}
                row |= self.evaluator.evaluate(drawn[:num_eval_samples])
                metrics.cut(self.run.quality, done - 1)  # a crash may have come before the picture
                metrics.append(self.run.quality, row)
                report.quality(row)
            if shown:
                save_samples(drawn[:shown], self.run.grid(done), self.images)
                report.picture(done, self.run.grid(done))

    def restore(self) -> int:
        """Restore the last checkpoint, if there is one; return its step.

        Raises:
            RunError: the checkpoint is damaged, of another model, or of more steps than the run is to take.
        """
        first = checkpointing.restore(self.run, self._state(0))
        if first > self.total:
            settings = self.settings
            length = f"training.epochs={settings.epochs:g} is" if settings.steps is None else "training.steps is"
            raise RunError(
                f"{self.run.path} has taken {first} steps already; it cannot end at step {self.total} ({length} that): "
                "give more"
            )
        return first

    def clear_away(self, first: int) -> None:
        """Remove what a crash left behind: rows of steps that are taken again, files that were never finished."""
        with writing(self.run.path):
            checkpointing.forget_after(self.run, first)

    def _state(self, done: int) -> checkpointing.State:
        model = model_fingerprint(self.config, self.generator.shape)
        return checkpointing.State(
            done, self.settings.seed, model, self.generator, self.players, self.average, self.window
        )

    def _diverged(self, step: int, error: DivergedError) -> str:
        saved = self.run.checkpoints()
        kept = f"the last good checkpoint is {saved[-1]}" if saved else "no checkpoint had been written yet"
        return (
            f"step {step + 1}: {error}. Training stopped; {kept}. "
            "Try a lower learning rate (--set training.learning_rate=...) or bounded gradients (--set training.clip=1)."
        )
