"""Emoji as images on white, with captions."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from qgen.captions import CaptionFacts, Captions
from qgen.data.captions import captioned
from qgen.data.emoji.sources import find_emoji, missing
from qgen.data.image_set import ImageSet, check_memory
from qgen.data.sets import EMOJI
from qgen.data.settings import DataSettings
from qgen.data.subset import select_subset
from qgen.errors import DataError
from qgen.progress import MessageCallback, ProgressCallback

if TYPE_CHECKING:
    from PIL.Image import Image


def open_emoji(
    settings: DataSettings,
    data_dir: Path | None = None,
    progress: ProgressCallback | None = None,
    message: MessageCallback | None = None,
    held_out: bool = False,
) -> ImageSet:
    """Load emoji on white, with captions where settings ask for them.

    Args:
        settings: which images, and in what form.
        data_dir: see `find_emoji`.
        progress: called with the number of pictures, drawn and in total.
        message: called with a line that names source and licence.
        held_out: see `open_images`.

    Raises:
        DataError: there is no source, files are damaged, or the settings ask for what it does not have.
    """
    if settings.split == "test":
        raise DataError("emoji are all `train`: hold some out by `data.hold_out` to test with")
    if settings.captions in ("class", "attributes"):
        raise DataError(f"emoji have no classes for `data.captions={settings.captions}`: set it to `own`")
    source = find_emoji(data_dir)
    if source is None:
        raise DataError(missing(data_dir))
    if message is not None:
        message(f"emoji: {source.about}; licence: {source.licence}")
    listed = list(source.emoji(settings.skin_tones))
    if not listed:
        raise DataError(f"There are no emoji in {source.about}.")
    index = select_subset(EMOJI.name, None, len(listed), settings.classes, settings.limit, settings.fraction)
    size, channels = settings.size or EMOJI.size, settings.channels or 3
    check_memory(len(index), channels, size)
    pixels = np.empty((len(index), channels, size, size), np.uint8)
    captions = []
    for place, number in enumerate(index.tolist()):
        picture = listed[number].draw()
        pixels[place] = on_white(picture, size, channels)
        captions.append(listed[number].captions(picture))
        if progress is not None:
            progress(place + 1, len(index))
    found = ImageSet.of(EMOJI.name, torch.from_numpy(pixels), None, None, f"{source.about}; {source.licence}")
    return captioned(found, settings, Captions.of(captions), held_out=held_out)


def emoji_facts(settings: DataSettings) -> CaptionFacts:
    """Return what a model has to know of the captions, from a source that is found without `data_dir`.

    Without one, words are not known, which only a model that learns a vector for each of them has to know.

    Raises:
        DataError: files are damaged.
    """
    if find_emoji() is None:
        return CaptionFacts((), ("red heart", "blue heart", "yellow grinning face", "yellow waving hand sign"))
    captions = open_emoji(settings).captions
    assert captions is not None  # which settings ask for
    return captions.facts


def on_white(picture: Image, size: int, channels: int) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """Return a picture (RGBA) on white, at one size: (channels, size, size), uint8.

    Shrinking is antialiased, as that of images in files is. What is not square stands in the middle.
    """
    from PIL import Image

    side = max(picture.size)
    canvas = Image.new("RGBA", (side, side), (255,) * 4)
    canvas.alpha_composite(picture, ((side - picture.width) // 2, (side - picture.height) // 2))
    square = canvas.convert("L" if channels == 1 else "RGB")
    if side != size:
        square = square.resize((size, size), Image.Resampling.BICUBIC)
    values = np.asarray(square)
    return values[None] if channels == 1 else values.transpose(2, 0, 1)
