"""A denoiser of codes, with the autoencoder that makes them and makes images of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from qgen.models.autoencoder.diffusers_kl import DiffusersAutoencoder
from qgen.models.autoencoder.network import Autoencoder

if TYPE_CHECKING:
    from qgen.conditioning import Conditioning
    from qgen.models.denoisers import LatentDenoiser


class LatentCodec(nn.Module):
    """A `Codec` whose states are the means of an autoencoder's codes, standardised a channel at a time.

    The autoencoder is frozen. States have no range: nothing is clipped.

    Args:
        autoencoder: makes the codes.
        as_maps: whether codes that are vectors (d,) are maps (d, 1, 1), as networks for images take them.

    Attributes:
        mean: (c, 1, 1) or (d,): of the codes of the training images; see `code_statistics`.
        deviation: likewise.
    """

    range: tuple[float, float] | None = None
    mean: Tensor
    deviation: Tensor

    def __init__(self, autoencoder: Autoencoder | DiffusersAutoencoder, as_maps: bool = False) -> None:
        super().__init__()
        self.autoencoder = autoencoder.requires_grad_(False).eval()
        self._state_shape = autoencoder.code_shape
        if as_maps and len(self._state_shape) == 1:
            self._state_shape = (*self._state_shape, 1, 1)
        shape = (autoencoder.code_shape[0], *[1] * (len(autoencoder.code_shape) - 1))
        self.register_buffer("mean", torch.zeros(shape))
        self.register_buffer("deviation", torch.ones(shape))

    def state_shape(self, image_shape: Sequence[int]) -> tuple[int, ...]:
        """Return the shape of a code."""
        return self._state_shape

    def encode(self, images: Tensor) -> Tensor:
        """Return the states (B, *code) of images (B, C, H, W) in [-1, 1]."""
        codes = self.autoencoder.encode(images).mean.to(self.mean.dtype)
        return ((codes - self.mean) / self.deviation).reshape(-1, *self._state_shape)

    def decode(self, states: Tensor) -> Tensor:
        """Return the images (B, C, H, W) in [-1, 1] of states (B, *code)."""
        return self.decode_freely(states).clamp(-1, 1)

    def decode_freely(self, states: Tensor) -> Tensor:
        """Return the images of states, about [-1, 1], so that gradients come through all of their values."""
        codes = states.reshape(-1, *self.autoencoder.code_shape)
        return self.autoencoder.decode(codes * self.deviation + self.mean)


class LatentDiffusion(nn.Module):
    """A codec and the denoiser of its states. The names of its parameters begin with `codec` or `denoiser`.

    Args:
        codec: between images and states.
        denoiser: (states, times, conditioning) -> prediction.
        discriminator: images -> scores, where the decoder is trained along; None: it stays as it is.

    Attributes:
        updates: (), int64: steps that the discriminator was asked for, where there is one.
    """

    updates: Tensor

    def __init__(self, codec: LatentCodec, denoiser: LatentDenoiser, discriminator: nn.Module | None = None) -> None:
        super().__init__()
        self.codec, self.denoiser, self.discriminator = codec, denoiser, discriminator
        if discriminator is not None:
            for part in codec.autoencoder.decoder_parts:
                codec.autoencoder.get_submodule(part).requires_grad_(True)
            self.register_buffer("updates", torch.zeros((), dtype=torch.int64))
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # see NormSiLU; torch forgot it

    def forward(self, states: Tensor, times: Tensor, conditioning: Conditioning | None = None) -> Tensor:
        """Return the prediction (B, *code) for noisy states (B, *code) at times (B,), in steps."""
        return self.denoiser(states, times, conditioning)  # type: ignore[no-any-return]

    @property
    def encoder_circuits(self) -> int:
        """Circuits that encode one image, on the exact engine."""
        return self.codec.autoencoder.encoder_circuits

    @property
    def decoder_circuits(self) -> int:
        """Circuits that decode one image."""
        return self.codec.autoencoder.decoder_circuits
