"""Conditioning: what generated images depend on beside noise, as one typed value from the data to the sampler."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, Self, final

from qgen.errors import InputError

if TYPE_CHECKING:
    import torch
    from torch import Tensor


class Conditioning(Protocol):
    """The conditions of a batch, one an image. No conditioning at all is None."""

    def __len__(self) -> int:
        """Return the number of images."""
        ...

    def part(self, rows: slice) -> Self:
        """Return the conditions of some of the images."""
        ...

    def to(self, device: torch.device | str) -> Self:
        """Return the same conditions on another device."""
        ...

    def repeated(self, times: int) -> Self:
        """Return each image's condition so many times in succession."""
        ...

    def dropped(self, mask: Tensor) -> Self:
        """Return the conditions with the null condition where mask (B,), bool, is true.

        A model that learns both the conditional and the unconditional distribution samples by classifier-free
        guidance (Ho & Salimans 2022, arXiv:2207.12598).
        """
        ...


@final
class Labels:
    """Class labels of a batch of images; the value never changes.

    Not a frozen dataclass: Lightning's mixed precision takes dataclasses among a module's arguments apart.

    Attributes:
        classes: (B,), int64, in 0..num_classes; num_classes itself is the null label: no class is asked for.
        num_classes: number of classes of the data set.
    """

    __slots__ = ("classes", "num_classes")

    def __init__(self, classes: Tensor, num_classes: int) -> None:
        self.classes, self.num_classes = classes, num_classes

    @classmethod
    def of(cls, labels: Sequence[int], num_classes: int) -> Labels:
        """Return labels (B,) on the CPU.

        Args:
            labels: one an image, each in 0..num_classes - 1.
            num_classes: number of classes of the data set.

        Raises:
            InputError: there is no such class.
        """
        import torch

        wrong = [label for label in labels if not 0 <= label < num_classes]
        if wrong:
            raise InputError(f"there is no class {wrong[0]}: labels lie in 0 to {num_classes - 1}")
        return cls(torch.tensor(list(labels), dtype=torch.int64), num_classes)

    def __len__(self) -> int:
        return len(self.classes)

    def part(self, rows: slice) -> Labels:
        """Return the labels of some of the images."""
        return Labels(self.classes[rows], self.num_classes)

    def to(self, device: torch.device | str) -> Labels:
        """Return the same labels on another device."""
        return Labels(self.classes.to(device), self.num_classes)

    def repeated(self, times: int) -> Labels:
        """Return each image's label so many times in succession."""
        return Labels(self.classes.repeat_interleave(times), self.num_classes)

    def dropped(self, mask: Tensor) -> Labels:
        """Return the labels with the null label where mask (B,), bool, is true."""
        return Labels(self.classes.masked_fill(mask, self.num_classes), self.num_classes)


class Labelled(Protocol):
    """A set of images that may have labels."""

    @property
    def name(self) -> str:
        """Name of the set."""
        ...

    @property
    def labels(self) -> Tensor | None:
        """Labels (N,), int64."""
        ...


@dataclass(frozen=True)
class LabelConditioning:
    """What a class-conditional model is conditioned on: one of `num_classes` labels for each image.

    Attributes:
        num_classes: number of classes of the data set.
        labels: those that samples are asked for, in turn; None: all classes.
    """

    num_classes: int
    labels: tuple[int, ...] | None = None

    def of_images(self, images: Labelled, index: Tensor) -> Labels:
        """Return the labels (B,) of the images at these places (B,).

        Raises:
            InputError: the set has no labels.
        """
        if images.labels is None:
            raise InputError(f"{images.name} has no labels")
        return Labels(images.labels[index], self.num_classes)

    def examples(self, count: int) -> Labels:
        """Return labels of so many images: those that are asked for, in turn, or else the classes in turn.

        Raises:
            InputError: there is no such class.
        """
        labels = self.labels or range(self.num_classes)
        return Labels.of([labels[number % len(labels)] for number in range(count)], self.num_classes)
