"""Pictures that `qgen sample` makes in place of a grid of samples."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from pathlib import Path

    import torch

    from qgen.progress import ProgressCallback
    from qgen.sampling import Samples, Trained

#: Images of a grid, and of a picture of steps, where nothing is said; and the most of the latter.
COUNT, TRAJECTORIES, MOST_TRAJECTORIES = 64, 6, 64


@dataclass(frozen=True)
class PictureArgs:
    """Which picture is made of a run; by default a grid of samples.

    Attributes:
        interpolate: images in a row on the way from one sample to the next; None: another picture.
        trajectory: images in a row on the way from noise to a sample; None: another picture.
    """

    interpolate: Annotated[
        int | None,
        typer.Option(min=3, max=64, metavar="N", help="Rows of N images, each on the way from a sample to the next."),
    ] = None
    trajectory: Annotated[
        int | None,
        typer.Option(min=2, max=64, metavar="N", help="Two rows of N steps of a diffusion: noisy, and predicted."),
    ] = None

    def count(self, given: int | None, single: bool) -> int:
        """Return how many images are sampled.

        Args:
            given: by --count.
            single: whether each is to be a file too.

        Raises:
            typer.BadParameter: options contradict one another.
        """
        if self.interpolate and self.trajectory:
            raise typer.BadParameter("one picture at a time: give --interpolate or --trajectory.")
        if single and (self.interpolate or self.trajectory):
            raise typer.BadParameter("single images are those of a plain grid: leave it out.", param_hint="--single")
        if self.interpolate:
            count = given or max(1, COUNT // self.interpolate) * self.interpolate
            if count % self.interpolate:
                rows = max(1, count // self.interpolate)
                raise typer.BadParameter(
                    f"{count} images are no whole rows of {self.interpolate}: {rows * self.interpolate} are.",
                    param_hint="--count",
                )
            return count
        if self.trajectory:
            if given is not None and given > MOST_TRAJECTORIES:
                raise typer.BadParameter(f"a picture of steps has {MOST_TRAJECTORIES} at most.", param_hint="--count")
            return given or TRAJECTORIES
        return given or COUNT

    def check(self, trained: Trained) -> None:
        """Refuse a picture that cannot be made of this run, before anything is spent.

        Raises:
            ConfigError: it makes no images, or not step by step; or circuits would run on a device for it unplanned.
        """
        from qgen.sampling import check_images, check_interpolation, check_steps

        if self.interpolate:
            check_interpolation(trained)
        if self.trajectory:
            check_images(trained)
            check_steps(trained.generator, str(trained.run.path))

    def save(
        self,
        trained: Trained,
        out: Path | None,
        count: int,
        seed: int,
        device: torch.device | str,
        progress: ProgressCallback | None,
    ) -> Samples | None:
        """Make and write the picture; None where a grid of samples is asked for."""
        from qgen.sampling import save_interpolation, save_trajectory

        if self.interpolate:
            rows = count // self.interpolate
            return save_interpolation(trained, out, rows, self.interpolate, seed, device, progress)
        if self.trajectory:
            return save_trajectory(trained, out, count, self.trajectory, seed, device, progress)
        return None
