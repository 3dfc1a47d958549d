"""Pictures that `qgen sample` makes in place of a grid of samples."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated

import typer

from qgen.figures import ENDINGS

if TYPE_CHECKING:
    from pathlib import Path

    import torch

    from qgen.data import ImageSet
    from qgen.progress import ProgressCallback
    from qgen.sampling import Samples, Trained

#: Images of a grid, of a picture of steps, of an animation, and beside training images, where nothing is said.
COUNT, TRAJECTORIES, ANIMATED, PAIRS = 64, 6, 16, 24
#: Images at most of which steps are kept.
MOST_TRAJECTORIES = 64


@dataclass(frozen=True)
class PictureArgs:
    """Which picture is made of a run; by default a grid of samples.

    Attributes:
        interpolate: images in a row on the way from one sample to the next; None: another picture.
        trajectory: images in a row on the way from noise to a sample; None: another picture.
        gif: frames of an animation of the samples on their way from noise; None: another picture.
        nearest: each sample above the training image that is nearest to it.
    """

    interpolate: Annotated[
        int | None,
        typer.Option(min=3, max=64, metavar="N", help="Rows of N images, each on the way from a sample to the next."),
    ] = None
    trajectory: Annotated[
        int | None,
        typer.Option(min=2, max=64, metavar="N", help="Two rows of N steps of a diffusion: noisy, and predicted."),
    ] = None
    gif: Annotated[
        int | None,
        typer.Option(min=2, max=200, metavar="N", help="An animation of N steps of a diffusion, as .gif."),
    ] = None
    nearest: Annotated[
        bool, typer.Option("--nearest", help="Each sample above the training image that is nearest to it.")
    ] = False

    @property
    def suffix(self) -> str:
        """Ending of the picture's file."""
        return ".gif" if self.gif else ".png"

    @property
    def endings(self) -> tuple[str, ...]:
        """Endings that the picture's file may have; of images it is `suffix`."""
        return (self.suffix,) if self._wanted else ENDINGS

    @property
    def _wanted(self) -> list[str]:
        """The options that are given, for messages."""
        return [f"--{name}" for name, given in vars(self).items() if given]

    def count(self, given: int | None, single: bool, columns: int | None = None) -> int:
        """Return how many images are sampled.

        Args:
            given: by --count.
            single: whether each is to be a file too.
            columns: in a row of a grid, by --columns.

        Raises:
            typer.BadParameter: options contradict one another.
        """
        if len(self._wanted) > 1:
            raise typer.BadParameter(f"one picture at a time: give one of {', '.join(self._wanted)}.")
        if single and self._wanted:
            raise typer.BadParameter("single images are those of a plain grid: leave it out.", param_hint="--single")
        if columns is not None and self._wanted:
            raise typer.BadParameter(f"{self._wanted[0]} has columns of its own: leave it out.", param_hint="--columns")
        if self.interpolate:
            count = given or max(1, COUNT // self.interpolate) * self.interpolate
            if count % self.interpolate:
                rows = max(1, count // self.interpolate)
                raise typer.BadParameter(
                    f"{count} images are no whole rows of {self.interpolate}: {rows * self.interpolate} are.",
                    param_hint="--count",
                )
            return count
        if self.trajectory or self.gif:
            if given is not None and given > MOST_TRAJECTORIES:
                raise typer.BadParameter(f"a picture of steps has {MOST_TRAJECTORIES} at most.", param_hint="--count")
            return given or (TRAJECTORIES if self.trajectory else ANIMATED)
        return given or (PAIRS if self.nearest else COUNT)

    def check(self, trained: Trained, data_dir: Path | None = None) -> ImageSet | None:
        """Refuse a picture that cannot be made of this run, before anything is spent.

        Returns:
            The training images, where the picture shows some.

        Raises:
            ConfigError: it makes no images, or not step by step; or circuits would run on a device for it unplanned.
            DataError: the training images cannot be opened.
        """
        from qgen.data import open_images
        from qgen.sampling import check_images, check_interpolation, check_steps

        if self.interpolate:
            check_interpolation(trained)
        if self.trajectory or self.gif:
            check_images(trained)
            check_steps(trained.generator, str(trained.run.path))
        if self.nearest:
            check_images(trained)
            return open_images(trained.config.data, data_dir)
        return None

    def save(
        self,
        trained: Trained,
        out: Path | None,
        count: int,
        seed: int,
        device: torch.device | str,
        progress: ProgressCallback | None,
        training: ImageSet | None = None,
    ) -> Samples | None:
        """Make and write the picture, with what `check` returned; None where a grid of samples is asked for."""
        from qgen.sampling import PictureRequest, save_denoising, save_interpolation, save_nearest, save_trajectory

        request = PictureRequest(trained, out, count, seed, device, progress)
        if self.interpolate:
            return save_interpolation(replace(request, count=count // self.interpolate), self.interpolate)
        if self.trajectory:
            return save_trajectory(request, self.trajectory)
        if self.gif:
            return save_denoising(request, self.gif)
        if training is not None:
            return save_nearest(request, training)
        return None
