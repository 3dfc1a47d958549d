"""From settings to images: the one way in for all that trains or measures."""

from __future__ import annotations

from difflib import get_close_matches
from pathlib import Path

import torch

from qgen.data.choice import choose
from qgen.data.download import Progress
from qgen.data.folder import folder_shape, open_folder
from qgen.data.images import ImageSet, refuse_what_does_not_fit
from qgen.data.places import expanded
from qgen.data.published import load
from qgen.data.resizing import resize
from qgen.data.sets import KNOWN, KnownSet
from qgen.data.settings import DataSettings
from qgen.errors import DataError


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
            size and `size` is not set; or they do not fit into memory.
    """
    if settings.name in KNOWN:
        return open_known(KNOWN[settings.name], settings, data_dir, download, progress)
    return open_folder(find_folder(settings.name), settings, progress)


def image_shape(settings: DataSettings) -> tuple[int, int, int]:
    """The shape (C, H, W) of the images that the settings ask for, without reading or fetching the images.

    Raises:
        DataError: there is no such set or folder, or the images of a folder differ in size and `size` is not set.
    """
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
    places = choose(
        f"{known.name} ({settings.split})", given.labels, len(given.labels), settings.classes, settings.limit
    )
    size, channels = settings.size or known.size, settings.channels or 1
    refuse_what_does_not_fit(len(places), channels, size, copies=2)  # `resize` makes a second one on its way
    images, labels = resize(given.images[places], size, channels), torch.from_numpy(given.labels[places])
    return ImageSet.of(known.name, images, labels, known.class_names, given.source)


def find_folder(name: str) -> Path:
    """The folder that `DataSettings.name` means where it is not a known set.

    Raises:
        DataError: there is no such folder; the message names the known set that is spelled most alike.
    """
    folder = expanded(name)
    if folder.is_dir():
        return folder
    if folder.exists():
        raise DataError(f"{name} is a file; give the folder of images that it lies in.")
    near = get_close_matches(name, KNOWN, 1)
    hint = f"did you mean `{near[0]}`?" if near else f"known sets: {', '.join(KNOWN)}."
    raise DataError(f"There is neither a data set nor a folder of images `{name}`; {hint}")
