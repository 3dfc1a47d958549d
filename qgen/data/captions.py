"""Captions of images: written beside them, made of their classes, or of what is measured; and combinations held out."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from qgen import user_files
from qgen.captions import Captions, words_of
from qgen.data.attributes import AttributeScheme, caption_name
from qgen.data.image_set import ImageSet
from qgen.data.settings import DataSettings
from qgen.errors import DataError, short_repr
from qgen.user_files import printable

#: Files that have the captions of all images of a folder.
LISTS = ("metadata.jsonl", "captions.json")
_TEXT_KEYS = ("text", "texts", "caption", "captions")


def captioned(
    images: ImageSet,
    settings: DataSettings,
    own: Captions | None,
    scheme: AttributeScheme | None = None,
    held_out: bool = False,
) -> ImageSet:
    """Return a set with the captions that settings ask for, without those images that are to be held out.

    Args:
        images: a set without captions.
        settings: which captions.
        own: those that come with the images; None: there are none.
        scheme: of the training images; None: these are the training images.
        held_out: return the images that are held out instead.

    Raises:
        DataError: the set has no such captions, or all of its images are held out.
    """
    if held_out and settings.hold_out is None:
        raise DataError("no combination is held out: name some by `data.hold_out`, and train without them")
    if settings.captions == "none":
        return images
    if settings.captions == "own":
        if own is None:
            raise DataError(
                f"{images.name} comes without captions: set `data.captions` to `class` or `attributes`, or put "
                f"NAME.txt beside each NAME.png of a folder, or {' or '.join(LISTS)} into it"
            )
        captions = own
    elif images.labels is None or images.class_names is None:
        raise DataError(f"`data.captions={settings.captions}` makes captions of classes, and {images.name} has none")
    else:
        pixels, labels, names = images.images.numpy(), images.labels.numpy(), images.class_names
        if settings.captions == "class":
            scheme = AttributeScheme(names, (), np.empty((len(names), 0, 2)))
            captions = Captions.of(([caption_name(names[label])] for label in labels.tolist()), scheme.words)
        else:
            scheme = scheme or AttributeScheme.of(pixels, labels, names, settings.attribute_names)
            captions = Captions.of(scheme.captions(pixels, labels), scheme.words)
        images = replace(images, scheme=scheme)
    images = replace(images, captions=captions)
    return images if settings.hold_out is None else _divided(images, settings.hold_out, held_out)


def is_held_out(captions: Sequence[str], hold_out: Sequence[str]) -> bool:
    """Return whether one of an image's captions has all words of one of these combinations."""
    sets = [set(words_of(caption)) for caption in captions]
    return any(words >= set(words_of(combination)) for combination in hold_out for words in sets)


def _divided(images: ImageSet, hold_out: Sequence[str], held_out: bool) -> ImageSet:
    assert images.captions is not None
    texts = images.captions
    for combination in hold_out:
        if not words_of(combination):
            raise DataError(f"`data.hold_out` has {short_repr(combination)}, which has no words")
    left_out = [is_held_out([text], hold_out) for text in texts.texts]
    kept = [place for place, own in enumerate(texts.of_image) if not any(left_out[number] for number in own)]
    if not kept:
        raise DataError(f"`data.hold_out` leaves no image of {images.name} to train on: hold out less")
    if len(kept) == len(images):
        named = ", ".join(map(short_repr, hold_out))
        raise DataError(f"`data.hold_out`: no image of {images.name} has a caption with all words of one of {named}")
    if images.mapped is not None:
        raise DataError("`data.hold_out` is for images in memory: set `data.cache` to `never`")
    source = f"{images.source}, without {len(images) - len(kept):,} images that are held out"
    if held_out:
        kept = sorted({*range(len(images))}.difference(kept))
        source = f"{images.source}, {len(kept):,} images that are held out"
    index = torch.tensor(kept)
    labels = None if images.labels is None else images.labels[index]
    part = ImageSet.of(images.name, images.images[index], labels, images.class_names, source)
    return replace(part, captions=texts.select(kept), scheme=images.scheme)


# Captions in files


def read_captions(path: Path, files: Sequence[str]) -> Captions | None:
    """Return the captions of image files of a folder, one or several each; None where there are none at all.

    `metadata.jsonl` has one JSON object a line, with `file_name` and `text` (a text or several), as Hugging Face's
    image folders have it. `captions.json` maps file names to texts, or is COCO's (`images` and `annotations`). Else a
    text file of the same name lies beside each image, with a caption on each of its lines.

    Args:
        path: the folder.
        files: names relative to it.

    Raises:
        DataError: such a file cannot be read, or images have no caption.
    """
    for name in LISTS:
        if os.path.exists(path / name):
            listed = _read_list(path / name)
            return _of_files(files, [listed.get(file, ()) for file in files], path / name)
    beside = [_beside(path, file) for file in files]
    return _of_files(files, beside, path) if any(beside) else None


def _of_files(files: Sequence[str], captions: Sequence[Sequence[str]], where: Path) -> Captions:
    missing = [file for file, own in zip(files, captions, strict=True) if not own]
    if missing:
        raise DataError(
            f"{len(missing):,} of {len(files):,} images have no caption in {printable(where)}, such as "
            f"{printable(missing[0])}: give each of them one"
        )
    return Captions.of(captions)


def _beside(path: Path, file: str) -> list[str]:
    text = path / f"{os.path.splitext(file)[0]}.txt"
    if not os.path.exists(text):
        return []
    return _lines(_read(text, user_files.MAX_WRITTEN_BYTES))


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]


def _read(path: Path, max_bytes: int = user_files.MAX_GENERATED_BYTES) -> str:
    try:
        return user_files.read_text(path, max_bytes)
    except OSError as error:
        raise DataError(f"Cannot read {printable(path)}: {error.strerror or error}.") from error


def _read_list(path: Path) -> dict[str, list[str]]:
    text = _read(path)
    try:
        if path.suffix == ".jsonl":
            return _of_rows([json.loads(line) for line in text.splitlines() if line.strip()])
        content = json.loads(text)
        if "annotations" in content and "images" in content:
            return _of_coco(content)
        return {str(file): _texts(value) for file, value in content.items()}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        form = "a JSON object with `file_name` and `text` on each line"
        if path.suffix != ".jsonl":
            form = "a JSON object of file names and texts, or COCO's captions"
        raise DataError(f"{printable(path)} is not {form}: {type(error).__name__} ({error})") from error


def _of_rows(rows: Sequence[Mapping[str, Any]]) -> dict[str, list[str]]:
    listed: dict[str, list[str]] = {}
    for row in rows:
        value = next((row[key] for key in _TEXT_KEYS if key in row), None)
        if value is None:
            raise KeyError("text")
        listed.setdefault(str(row["file_name"]), []).extend(_texts(value))
    return listed


def _of_coco(content: Mapping[str, Any]) -> dict[str, list[str]]:
    names = {image["id"]: str(image["file_name"]) for image in content["images"]}
    listed: dict[str, list[str]] = {}
    for annotation in content["annotations"]:
        listed.setdefault(names[annotation["image_id"]], []).extend(_texts(annotation["caption"]))
    return listed


def _texts(value: Any) -> list[str]:
    texts = [value] if isinstance(value, str) else list(value)
    if not all(isinstance(text, str) for text in texts):
        raise TypeError(f"{short_repr(value)} is no text")
    return [text.strip() for text in texts if text.strip()]
