"""Reference: the real images that samples are compared with, and those that they must not be copies of."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from qgen.data import DataSettings, ImageSet, open_images
from qgen.data.distributions import DISTRIBUTIONS
from qgen.data.sets import KNOWN_SETS
from qgen.data.subset import fixed_permutation
from qgen.errors import DataError
from qgen.metrics.features import MAX_REFERENCE
from qgen.metrics.neighbours import nearest
from qgen.progress import MessageCallback, ProgressCallback


@dataclass(frozen=True)
class Reference:
    """Real images, in two parts that have no image in common.

    Attributes:
        train: images that the generator learned from.
        whole: the images that a feature space is fitted to: all of the training split, however few were learned from.
        real: (N,), indices of the images of `of` that samples are compared with, in random order.
        control: (M,), indices of images of `controls` that stand for a perfect generator, in random order.
        of: the set of the reference images.
        description: one line for people.
        control_of: the set of the control images; None: `whole`.
    """

    train: ImageSet
    whole: ImageSet
    of: ImageSet
    real: NDArray[np.int64]
    control: NDArray[np.int64]
    description: str
    control_of: ImageSet | None = None

    @property
    def held_out(self) -> bool:
        """Whether the reference images are of another split than the training images."""
        return self.of is not self.whole

    def real_images(self, count: int | None = None) -> Tensor:
        """Return the first `count` reference images, (n, C, H, W), in [-1, 1]; None: all."""
        return self.of.scaled(torch.from_numpy(self.real[:count]))

    def control_images(self, count: int) -> Tensor:
        """Return as many control images as there are, at most `count`: (n, C, H, W), in [-1, 1]."""
        return self.controls.scaled(torch.from_numpy(self.control[:count]))

    @property
    def controls(self) -> ImageSet:
        """The set of the control images."""
        return self.whole if self.control_of is None else self.control_of

    def captions(self, count: int) -> tuple[str, ...] | None:
        """Return a caption of each of the first `count` reference images; None: they have none."""
        captions = self.of.captions
        return None if captions is None else tuple(captions[image][0] for image in self.real[:count].tolist())

    def usual_nearest(self) -> NDArray[np.float64]:
        """Return the distance of each reference image to the nearest training image that is another one, (N,)."""
        return self._usual_nearest

    @cached_property
    def _usual_nearest(self) -> NDArray[np.float64]:  # of all sets of samples that are compared with these images
        if self.held_out:
            return nearest(self.real_images(), self.train)[0]
        # Few are learned from where a limit is set: then the reference image need not be among them.
        if self.train is self.whole:
            return nearest(self.real_images(), self.train, self.real)[0]
        distances = nearest(self.real_images(), self.train)[0]
        return distances[distances > 0] if (distances > 0).any() else distances


def open_reference(
    settings: DataSettings,
    data_dir: Path | None = None,
    limit: int | None = None,
    progress: ProgressCallback | None = None,
    message: MessageCallback | None = None,
    held_out: bool = False,
    train: ImageSet | None = None,
) -> Reference:
    """Open the real images that the samples of a generator are compared with.

    They are those of the split that it did not train on. A folder has one split: there, half of the images are the
    reference, and the other half stands for a perfect generator. Images of combinations that training never saw are
    that of both splits, one for each part; where there is one split, half of them for each.

    Args:
        settings: the images that it trained on.
        data_dir: where files of known sets lie.
        limit: largest number of reference images; None: 10,000.
        progress: called while images are read.
        message: called with a line about a cache of images that is made or used.
        held_out: the real images are those of `data.hold_out`, which was kept from training.
        train: what `open_images` returned for these settings; None: it is opened here.

    Raises:
        DataError: images cannot be opened, there are fewer than four, or none are held out.
    """
    train = train or open_images(settings, data_dir, progress=progress, message=message)
    all_of_them = settings.model_copy(update={"limit": None, "fraction": None})
    whole = train if all_of_them == settings else open_images(all_of_them, data_dir, True, progress, message)
    if held_out:
        return _never_seen(train, whole, all_of_them, data_dir, limit or MAX_REFERENCE)
    if settings.name not in KNOWN_SETS and settings.name not in DISTRIBUTIONS:
        return halve(train, whole, limit or MAX_REFERENCE)
    other = "test" if settings.split == "train" else "train"
    of = open_images(all_of_them.model_copy(update={"split": other}), data_dir, progress=progress)
    real = fixed_permutation(len(of))[: limit or MAX_REFERENCE]
    what = f"{len(real):,} of {len(of):,}" if len(real) < len(of) else f"all {len(of):,}"
    description = f"{what} images of {of.name}, {other} split, that nothing was trained on"
    return Reference(train, whole, of, real, fixed_permutation(len(whole)), description)


def _never_seen(
    train: ImageSet, whole: ImageSet, settings: DataSettings, data_dir: Path | None, limit: int
) -> Reference:
    control_of = open_images(settings, data_dir, held_out=True)
    named = ", ".join(settings.hold_out or ())
    if settings.name in KNOWN_SETS:
        other = settings.model_copy(update={"split": "test" if settings.split == "train" else "train"})
        of = open_images(other, data_dir, held_out=True)
        real, control = fixed_permutation(len(of))[:limit], fixed_permutation(len(control_of))
    else:
        of, order = control_of, fixed_permutation(len(control_of))
        real, control = order[: (len(order) + 1) // 2][:limit], order[(len(order) + 1) // 2 :]
    if min(len(real), len(control)) < 2:
        raise DataError(
            f"{len(of):,} images of {of.name} are held out ({named}), and an evaluation takes at least four: hold out "
            "more, or ask for them by `qgen sample --prompt`"
        )
    description = f"{len(real):,} images of {of.name} of what training never saw: {named}"
    return Reference(train, whole, of, real, control, description, control_of)


def open_available_reference(
    settings: DataSettings,
    data_dir: Path | None = None,
    train: ImageSet | None = None,
    progress: ProgressCallback | None = None,
    message: MessageCallback | None = None,
) -> Reference:
    """Open a reference as `open_reference` does; where the other split is not there, half of the training images.

    Args:
        settings: the images that a generator trains on.
        data_dir: where files of known sets lie.
        train: what `open_images` returned for these settings; None: it is opened here.
        progress: called while images are read.
        message: called with a line where the other split is missing.

    Raises:
        DataError: the training images cannot be opened, or there are fewer than four.
    """
    train = train or open_images(settings, data_dir, progress=progress, message=message)
    try:
        return open_reference(settings, data_dir, progress=progress, message=message, train=train)
    except DataError as error:
        whole = open_images(settings.model_copy(update={"limit": None, "fraction": None}), data_dir)
        reference = halve(train, whole)  # which has the better message where there are too few images
        if message:
            message(f"samples are compared with training images, for want of others: {error}")
        return reference


def halve(train: ImageSet, whole: ImageSet, limit: int = MAX_REFERENCE) -> Reference:
    """Return a half of the images as the reference, the other half for a perfect generator.

    Args:
        train: images that the generator learned from.
        whole: all that there are.
        limit: largest number of reference images.

    Raises:
        DataError: there are fewer than four.
    """
    if len(whole) < 4:
        raise DataError(f"{whole.name} has {len(whole)} images: an evaluation takes at least four, two for each half")
    order = fixed_permutation(len(whole))
    half = len(order) // 2
    real, control = order[:half][:limit], order[half:]
    description = (
        f"{len(real):,} of {len(whole):,} images of {whole.name}, which has no test split: the generator may have "
        "learned from them"
    )
    return Reference(train, whole, whole, real, control, description)
