"""What a denoiser of codes knows beside the code: its time, and its class or text."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor, nn

from qgen.conditioning import Conditioning
from qgen.errors import InputError
from qgen.models.text import TextEmbedding, TextForm
from qgen.models.unet.blocks import LabelEmbedding, TimeEmbedding


class Condition(NamedTuple):
    """What a denoiser is conditioned on, embedded.

    Attributes:
        vector: (B, D), of the time and of what is said of the whole image.
        context: (B, T, W), tokens to which cross-attention attends; None: there are none.
        mask: (B, T), bool, true where there is a token; None: everywhere.
    """

    vector: Tensor
    context: Tensor | None = None
    mask: Tensor | None = None


class Conditions(nn.Module):
    """The embedding of the time, added to that of the class or of the text, and a text's tokens.

    Args:
        waves: sines and cosines of the time, together.
        width: D, of the embedding.
        num_classes: classes that it knows, beside the null class; None: it knows none.
        texts: the form of texts that it knows; None: it knows none. Their tokens are as wide as the embedding.
    """

    def __init__(self, waves: int, width: int, num_classes: int | None, texts: TextForm | None = None) -> None:
        super().__init__()
        self.time = TimeEmbedding(waves, width)
        self.label = None if num_classes is None else LabelEmbedding(num_classes, width)
        self.text = None if texts is None else TextEmbedding(texts, width)

    @property
    def context_width(self) -> int | None:
        """W, the width of the tokens to attend to; None: there are none."""
        return None if self.text is None else self.text.width

    def forward(self, times: Tensor, conditioning: Conditioning | None) -> Condition:
        """Embed times (B,), in steps, and conditions of as many codes; None: the null class for all.

        Raises:
            InputError: there are conditions, and the model has none, or they are of another kind or number.
        """
        embedded: Tensor = self.time(times)
        if self.label is not None:
            return Condition(embedded + self.label(conditioning, times))
        if self.text is not None:
            texts = self.text(conditioning, times)
            return Condition(embedded + texts.pooled, texts.tokens, texts.mask)
        if conditioning is not None:
            raise InputError("this model was built without conditioning: leave it out, or set `model.conditioning`")
        return Condition(embedded)


def check_states(states: Tensor, times: Tensor, code_shape: tuple[int, ...]) -> None:
    """Refuse states and times that a denoiser of codes of this shape does not take.

    Raises:
        InputError: states of another shape, or not one time for each.
    """
    if states.shape[1:] != code_shape or times.shape != states.shape[:1]:
        raise InputError(
            f"this model takes codes {('B', *code_shape)} and times ('B',), "
            f"not {tuple(states.shape)} and {tuple(times.shape)}"
        )
