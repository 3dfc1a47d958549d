"""Load the images that settings ask for: a known or captioned set, samples of a distribution, or a folder."""

from __future__ import annotations

import os
from difflib import get_close_matches
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from qgen.captions import CaptionFacts
from qgen.data.attributes import AttributeScheme, caption_name, scheme_words
from qgen.data.captions import captioned
from qgen.data.decoding import resize
from qgen.data.distributions import DISTRIBUTIONS, SOURCE, Distribution, draw_samples
from qgen.data.emoji.load import emoji_facts, open_emoji
from qgen.data.folder import folder_captions, folder_shape, open_folder
from qgen.data.image_set import ImageSet, check_memory
from qgen.data.listing import list_folder
from qgen.data.sets import CAPTIONED_SETS, KNOWN_SETS, KnownSet
from qgen.data.settings import DataSettings
from qgen.data.sources import expand_home, load_published
from qgen.data.subset import fixed_permutation, select_subset
from qgen.errors import DataError
from qgen.progress import MessageCallback, ProgressCallback
from qgen.user_files import printable

#: Training images by which attributes are cut, at most.
SCHEME_IMAGES = 10_000


def open_images(
    settings: DataSettings,
    data_dir: Path | None = None,
    download: bool = True,
    progress: ProgressCallback | None = None,
    message: MessageCallback | None = None,
    held_out: bool = False,
) -> ImageSet:
    """Load the images that the settings ask for.

    Args:
        settings: which images, and in what form.
        data_dir: the folder to search first for the files of a known set, and to download them to.
        download: download files that are not on this machine.
        progress: called with the bytes of a download or the files of a folder, done and in total.
        message: called with a line about a cache that is made or used.
        held_out: load those that `settings.hold_out` keeps from training instead.

    Raises:
        DataError: there are no such images; files are missing, damaged or not the published ones; images differ in
            size and `size` is not set; they fit neither into memory nor into a cache; or a distribution is asked for
            in another form.
    """
    if settings.name in KNOWN_SETS:
        return open_known(KNOWN_SETS[settings.name], settings, data_dir, download, progress, held_out)
    if settings.name in DISTRIBUTIONS:
        if settings.captions != "none":
            raise DataError(f"{settings.name} is a distribution, whose samples have no captions: leave them out")
        if held_out:
            raise DataError(f"{settings.name} is a distribution, of which nothing is held out")
        return open_distribution(DISTRIBUTIONS[settings.name], settings)
    if settings.name in CAPTIONED_SETS:
        return open_emoji(settings, data_dir, progress, message, held_out)
    return open_folder(find_folder(settings.name), settings, progress, message, held_out)


def image_shape(settings: DataSettings) -> tuple[int, int, int]:
    """Return the shape (C, H, W) of the images that the settings ask for, without loading any.

    Raises:
        DataError: there is no such set or folder, the images of a folder differ in size and `size` is not set, or a
            distribution is asked for in another form.
    """
    if settings.name in DISTRIBUTIONS:
        return _sample_shape(DISTRIBUTIONS[settings.name], settings)
    if settings.name in CAPTIONED_SETS:
        size = settings.size or CAPTIONED_SETS[settings.name].size
        return settings.channels or 3, size, size
    if settings.name not in KNOWN_SETS:
        return folder_shape(find_folder(settings.name), settings)
    size = settings.size or KNOWN_SETS[settings.name].size
    return settings.channels or 1, size, size


def num_classes(settings: DataSettings) -> int | None:
    """Return the number of classes of the images that the settings ask for, without loading any; None without labels.

    Raises:
        DataError: there is no such set or folder.
    """
    if settings.name in DISTRIBUTIONS or settings.name in CAPTIONED_SETS:
        return None
    if settings.name in KNOWN_SETS:
        return len(KNOWN_SETS[settings.name].class_names)
    names = list_folder(find_folder(settings.name)).class_names
    return None if names is None else len(names)


def caption_facts(settings: DataSettings) -> CaptionFacts | None:
    """Return what a model has to know of the captions that the settings ask for, without loading images.

    Raises:
        DataError: there is no such set or folder, or it has no such captions.
    """
    if settings.captions == "none" or settings.name in DISTRIBUTIONS:
        return None
    if settings.name in CAPTIONED_SETS:
        return emoji_facts(settings)
    if settings.captions == "own":
        own = None if settings.name in KNOWN_SETS else folder_captions(find_folder(settings.name), settings)
        return None if own is None else own.facts
    known = KNOWN_SETS.get(settings.name)
    names = known.class_names if known else list_folder(find_folder(settings.name)).class_names
    if names is None:
        return None
    attributes = settings.attribute_names if settings.captions == "attributes" else ()
    return CaptionFacts(scheme_words(names, attributes), tuple(caption_name(name) for name in names))


def open_known(
    known: KnownSet,
    settings: DataSettings,
    data_dir: Path | None = None,
    download: bool = True,
    progress: ProgressCallback | None = None,
    held_out: bool = False,
) -> ImageSet:
    """Load this set as `open_images` does, whatever `settings.name` says."""
    published = load_published(known, settings.split, data_dir, download, progress)
    indices = _subset(published.labels, len(published.labels), known.name, settings)
    size, channels = settings.size or known.size, settings.channels or 1
    check_memory(len(indices), channels, size, copies=2)  # `resize` makes the second
    images = resize(published.images[indices], size, channels)
    labels = torch.from_numpy(published.labels[indices])
    found = ImageSet.of(known.name, images, labels, known.class_names, published.source)
    scheme = None
    if settings.captions == "attributes":
        scheme = attribute_scheme(known, settings, data_dir, download)
    return captioned(found, settings, None, scheme, held_out)


def attribute_scheme(
    known: KnownSet, settings: DataSettings, data_dir: Path | None = None, download: bool = True
) -> AttributeScheme:
    """Return where attributes of a known set are cut: by its training images, whatever part of it settings select.

    Raises:
        DataError: see `open_images`.
    """
    train = load_published(known, "train", data_dir, download)
    chosen = np.sort(fixed_permutation(len(train.labels))[:SCHEME_IMAGES])
    images = resize(train.images[chosen], settings.size or known.size, settings.channels or 1).numpy()
    return AttributeScheme.of(images, train.labels[chosen], known.class_names, settings.attribute_names)


def open_distribution(distribution: Distribution, settings: DataSettings) -> ImageSet:
    """Load samples of this distribution, whatever `settings.name` says: (N, D, 1, 1), float32 in [-1, 1].

    Raises:
        DataError: the settings ask for another form, for classes, or for more samples than there are.
    """
    shape = _sample_shape(distribution, settings)
    samples = draw_samples(distribution, settings.split).astype(np.float32)
    samples = samples[_subset(None, len(samples), distribution.name, settings)]
    images = torch.from_numpy(samples.reshape(-1, *shape))
    return ImageSet.of(distribution.name, images, None, None, f"{SOURCE}: {distribution.name}, {settings.split}")


def _subset(labels: NDArray[np.int64] | None, count: int, name: str, settings: DataSettings) -> NDArray[np.int64]:
    name = f"{name} ({settings.split})"
    return select_subset(name, labels, count, settings.classes, settings.limit, settings.fraction)


def _sample_shape(distribution: Distribution, settings: DataSettings) -> tuple[int, int, int]:
    if settings.size is not None or settings.channels is not None:
        raise DataError(
            f"{distribution.name} is a distribution, whose samples are {distribution.channels}x1x1: "
            "leave `size` and `channels` at null."
        )
    return distribution.channels, 1, 1


def find_folder(name: str) -> Path:
    """Return the folder that `DataSettings.name` means where it is not a known set.

    Raises:
        DataError: there is no such folder; the message names the most similar known set.
    """
    folder = expand_home(name)
    if os.path.isdir(folder):  # pathlib's raises for a name that is too long
        return folder
    if os.path.exists(folder):
        raise DataError(f"{printable(name)} is a file; give the folder of images that it lies in.")
    known = (*KNOWN_SETS, *CAPTIONED_SETS, *DISTRIBUTIONS)
    near = get_close_matches(name, known, 1)
    hint = f"did you mean `{near[0]}`?" if near else f"known sets: {', '.join(known)}."
    raise DataError(f"There is neither a data set nor a folder of images `{printable(name)}`; {hint}")
