"""DataSettings: the group `data` of a configuration."""

from __future__ import annotations

from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from qgen.data.attributes import AttributeName
from qgen.settings import Settings


class DataSettings(Settings):
    """The images to train on.

    They depend on these settings alone, not on a run's seed: runs that differ in their seed train on the same images.
    """

    added: ClassVar[frozenset[str]] = frozenset({"cache", "captions", "attributes", "hold_out", "skin_tones"})

    name: str = Field(default="digits", min_length=1)
    """A known data set or distribution (`qgen data` lists them), or the path of a folder of images."""

    split: Literal["train", "test"] = "train"
    """The split of a known set or distribution. A folder of images is all `train`."""

    size: int | None = Field(default=None, ge=1)
    """Height and width in pixels to resize to; null: as the images are, which must then agree.

    In a folder, all images of the selected `classes` must agree, also those that `limit` or `fraction` leaves out.
    """

    channels: Literal[1, 3] | None = None
    """1: grey, 3: RGB; null: as the images are.

    A folder is grey only if all images of the selected `classes` are, also those that `limit` or `fraction` leaves out.
    """

    depth: int | None = Field(default=None, ge=9, le=16)
    """Bits that grey pixels of 16-bit files really use, which may be 12 or 14; null: as the file says.

    A file whose brightest pixel would be darker than a sixteenth of white is refused until this is set.
    """

    limit: int | None = Field(default=None, ge=1)
    """Number of images to select: a fixed subset, the same in every run, with the classes as balanced as possible.

    A smaller limit selects a subset of what a larger one does.
    """

    fraction: float | None = Field(default=None, gt=0, le=1)
    """Part of the images to select, as `limit` does: of `classes`, rounded, at least one.

    In a folder it is a part of all image files, unreadable ones included.
    """

    classes: tuple[int, ...] | None = Field(default=None, min_length=1)
    """Labels of the images to select; labels stay as they are."""

    skip_unreadable: bool = False
    """Skip unreadable files of a folder. Otherwise they are named, and nothing is trained."""

    cache: Literal["auto", "always", "never"] = "auto"
    """Whether the images of a folder are decoded once, into a file that is mapped into memory; they are the same ones.

    `auto`: if there are 100,000 or more, if they take 1 GiB or more, or if they do not fit into memory.
    """

    captions: Literal["none", "own", "class", "attributes"] = "none"
    """What `model.conditioning=text` reads: `own`: the captions that come with the images, in a folder as NAME.txt
    beside NAME.png, or in `metadata.jsonl` or `captions.json`, of `emoji` their names and colours; `class`: the name of
    each image's class; `attributes`: that and what is measured on the image, as in "bright narrow trouser".
    """

    attributes: tuple[AttributeName, ...] | None = Field(default=None, min_length=1)
    """Attributes of `captions: attributes`, named where an image is in the lowest or highest third of its class:
    `brightness` (dark, bright), `width` (narrow, wide), `thickness` (thin, thick), `slant` (leaning left, right); null:
    brightness and width of fashion-mnist, thickness and slant of other images.
    """

    hold_out: tuple[str, ...] | None = Field(default=None, min_length=1)
    """Combinations of words, as ["dark sneaker", "wide dress"]: images whose caption has all words of one of them are
    left out, so that a model has to combine what it learned apart. `limit` counts them too.
    """

    skin_tones: bool = False
    """Of emoji: whether each skin tone of people and hands is an image too, as in "waving hand sign, dark skin", rather
    than yellow ones alone. npm's package has them.
    """

    @model_validator(mode="after")
    def _captions_are_made(self) -> Self:
        if self.captions != "attributes" and self.attributes is not None:
            raise ValueError(f"`attributes` is for `captions: attributes`, not for `captions: {self.captions}`")
        if self.captions == "none" and self.hold_out is not None:
            raise ValueError("`hold_out` is about captions: set `captions` to `own`, `class` or `attributes`")
        return self

    @property
    def attribute_names(self) -> tuple[AttributeName, ...]:
        """The attributes of captions, as given or as usual."""
        usual: tuple[AttributeName, ...] = ("thickness", "slant")
        return self.attributes or (("brightness", "width") if self.name == "fashion-mnist" else usual)

    @model_validator(mode="after")
    def _no_class_twice(self) -> Self:
        if self.classes is not None and len(set(self.classes)) < len(self.classes):
            raise ValueError(f"`classes` names a label twice: {', '.join(map(str, self.classes))}")
        return self

    @model_validator(mode="after")
    def _one_number_of_images(self) -> Self:
        if self.limit is not None and self.fraction is not None:
            raise ValueError(
                f"`limit` ({self.limit}) and `fraction` ({self.fraction}) both say how many images to keep: "
                "set one of them to null"
            )
        return self
