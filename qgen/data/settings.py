"""DataSettings: the group `data` of a configuration."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from qgen.settings import Settings


class DataSettings(Settings):
    """The images to learn from.

    Every choice is a function of these settings alone, not of a run's seed: runs that differ in their seed learn from
    the same images.
    """

    name: str = Field(default="digits", min_length=1)
    """A known data set or distribution (`qgen data` lists them), or the path of a folder of images."""

    split: Literal["train", "test"] = "train"
    """The part of what is known by its name. A folder of images is all `train`."""

    size: int | None = Field(default=None, ge=1)
    """Resize to this many pixels in height and width; null: as the images are, which must then agree.

    In a folder all images of the chosen `classes` must, also those that `limit` or `fraction` leaves out.
    """

    channels: Literal[1, 3] | None = None
    """1: grey, 3: RGB; null: as the images are.

    A folder is grey only if all images of the chosen `classes` are, also those that `limit` or `fraction` leaves out.
    """

    depth: int | None = Field(default=None, ge=9, le=16)
    """How many bits grey pixels have in files of 16, which may hold 12 or 14 without saying so; null: as the file says.

    A file whose brightest pixel would be darker than a sixteenth of white is refused until this is set.
    """

    limit: int | None = Field(default=None, ge=1)
    """Keep this many images: a fixed choice, the same in every run, with as many of each class as can be.

    A smaller limit keeps a part of what a larger one does.
    """

    fraction: float | None = Field(default=None, gt=0, le=1)
    """Keep this part of the images, chosen as `limit` chooses: of `classes`, rounded, and at least one.

    In a folder it is a part of the files that there are, also of those that cannot be read.
    """

    classes: tuple[int, ...] | None = Field(default=None, min_length=1)
    """Keep only images with these labels, which stay as they are."""

    skip_unreadable: bool = False
    """Go on without the files of a folder that cannot be read. Otherwise they are named and nothing is trained."""

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
