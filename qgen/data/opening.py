"""From settings to images: the one way in for all that trains or measures."""

from __future__ import annotations

import os
from difflib import get_close_matches
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from qgen.data.choice import choose
from qgen.data.distributions import DISTRIBUTIONS, DRAWN, Distribution, draw_samples
from qgen.data.download import Progress
from qgen.data.folder import folder_shape, open_folder
from qgen.data.images import ImageSet, refuse_what_does_not_fit
from qgen.data.places import expanded
from qgen.data.published import load
from qgen.data.resizing import resize
from qgen.data.sets import KNOWN, KnownSet
from qgen.data.settings import DataSettings
from qgen.errors import DataError
from qgen.user_files import shown


def open_images(
    settings: DataSettings,
    data_dir: Path | None = None,
    download: bool = True,
    progress: Progress | None = None,
) -> ImageSet:
    """The images that the settings ask for.

    Args:
        settings: which ones, in what form.
        data_dir: a folder to look in first for the files of a known set, and to download them to.
        download: whether they are fetched where they are nowhere on this machine.
        progress: told how much of a download or of a folder is done, and how much there is.

    Raises:
        DataError: there are no such images; files are missing, damaged or not what was published; images differ in
            size and `size` is not set; they do not fit into memory; or a distribution is asked for in another form.
    """
    if settings.name in KNOWN:
        return open_known(KNOWN[settings.name], settings, data_dir, download, progress)
    if settings.name in DISTRIBUTIONS:
        return open_distribution(DISTRIBUTIONS[settings.name], settings)
    return open_folder(find_folder(settings.name), settings, progress)


def image_shape(settings: DataSettings) -> tuple[int, int, int]:
    """The shape (C, H, W) of the images that the settings ask for, without reading or fetching the images.

    Raises:
        DataError: there is no such set or folder, the images of a folder differ in size and `size` is not set, or a
            distribution is asked for in another form.
    """
    if settings.name in DISTRIBUTIONS:
        return _sample_shape(DISTRIBUTIONS[settings.name], settings)
    if settings.name not in KNOWN:
        return folder_shape(find_folder(settings.name), settings)
    size = settings.size or KNOWN[settings.name].size
    return settings.channels or 1, size, size


def open_known(
    known: KnownSet,
    settings: DataSettings,
    data_dir: Path | None = None,
    download: bool = True,
    progress: Progress | None = None,
) -> ImageSet:
    """As `open_images`, of this set whatever `settings.name` says."""
    given = load(known, settings.split, data_dir, download, progress)
    places = _chosen(given.labels, len(given.labels), known.name, settings)
    size, channels = settings.size or known.size, settings.channels or 1
    refuse_what_does_not_fit(len(places), channels, size, copies=2)  # `resize` makes a second one on its way
    images, labels = resize(given.images[places], size, channels), torch.from_numpy(given.labels[places])
    return ImageSet.of(known.name, images, labels, known.class_names, given.source)


def open_distribution(distribution: Distribution, settings: DataSettings) -> ImageSet:
    """Samples of this distribution, whatever `settings.name` says: (N, D, 1, 1), float32 in [-1, 1].

    Raises:
        DataError: the settings ask for another form, for classes, or for more samples than there are.
    """
    shape = _sample_shape(distribution, settings)
    samples = draw_samples(distribution, settings.split).astype(np.float32)
    samples = samples[_chosen(None, len(samples), distribution.name, settings)]
    images = torch.from_numpy(samples.reshape(-1, *shape))
    return ImageSet.of(distribution.name, images, None, None, f"{DRAWN}: {distribution.name}, {settings.split}")


def _chosen(labels: NDArray[np.int64] | None, count: int, name: str, settings: DataSettings) -> NDArray[np.int64]:
    name = f"{name} ({settings.split})"
    return choose(name, labels, count, settings.classes, settings.limit, settings.fraction)


def _sample_shape(distribution: Distribution, settings: DataSettings) -> tuple[int, int, int]:
    if settings.size is not None or settings.channels is not None:
        raise DataError(
            f"{distribution.name} is a distribution, whose samples are {distribution.channels}x1x1: "
            "leave `size` and `channels` at null."
        )
    return distribution.channels, 1, 1


def find_folder(name: str) -> Path:
    """The folder that `DataSettings.name` means where it is not a known set.

    Raises:
        DataError: there is no such folder; the message names the known set that is spelled most alike.
    """
    folder = expanded(name)
    if os.path.isdir(folder):  # not pathlib's, which fails for a name that is too long
        return folder
    if os.path.exists(folder):
        raise DataError(f"{shown(name)} is a file; give the folder of images that it lies in.")
    known = (*KNOWN, *DISTRIBUTIONS)
    near = get_close_matches(name, known, 1)
    hint = f"did you mean `{near[0]}`?" if near else f"known sets: {', '.join(known)}."
    raise DataError(f"There is neither a data set nor a folder of images `{shown(name)}`; {hint}")
