"""Codecs: between images and the space in which a diffusion runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor, nn

#: The lowest and the highest value of a clean state.
Range = tuple[float, float]


class Codec(Protocol):
    """Encodes images to states and decodes states to images."""

    @property
    def range(self) -> Range | None:
        """The range of clean states, to which samplers may clip x0; None: there is none."""
        ...

    def state_shape(self, image_shape: Sequence[int]) -> tuple[int, ...]:
        """Return the shape of one state, for images of shape (C, H, W)."""
        ...

    def encode(self, images: Tensor) -> Tensor:
        """Return the states (B, ...) of images (B, C, H, W) in [-1, 1]."""
        ...

    def decode(self, states: Tensor) -> Tensor:
        """Return the images (B, C, H, W) in [-1, 1] of states (B, ...)."""
        ...


@dataclass(frozen=True)
class IdentityCodec:
    """States are the images themselves."""

    range: Range | None = (-1.0, 1.0)

    def state_shape(self, image_shape: Sequence[int]) -> tuple[int, ...]:
        return tuple(image_shape)

    def encode(self, images: Tensor) -> Tensor:
        return images

    def decode(self, states: Tensor) -> Tensor:
        return states.clamp(-1, 1)


class EncodedBefore(nn.Module):
    """The codec of an objective that is handed states in place of images: it encodes nothing.

    Args:
        codec: made the states; a module or not.
    """

    def __init__(self, codec: Codec) -> None:
        super().__init__()
        self.codec = codec

    @property
    def range(self) -> Range | None:
        """The range of clean states."""
        return self.codec.range

    def state_shape(self, image_shape: Sequence[int]) -> tuple[int, ...]:
        """Return the shape of one state, for images of shape (C, H, W)."""
        return self.codec.state_shape(image_shape)

    def encode(self, images: Tensor) -> Tensor:
        """Return states as they are."""
        return images

    def decode(self, states: Tensor) -> Tensor:
        """Return the images (B, C, H, W) of states (B, ...)."""
        return self.codec.decode(states)
