"""Whether samples are what free captions ask for: the picture of that caption among all, and the colour it names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain

import numpy as np
from torch import Tensor

from qgen.captions import words_of
from qgen.data import ImageSet
from qgen.data.emoji.emoji import COLOURS, colour_numbers
from qgen.evaluation.measure import Cloud
from qgen.metrics.neighbours import nearest

CAPTION, CHANCE, COLOUR = "caption", "caption by chance", "colour"
#: Of all channels of a pixel; what is brighter is white ground.
_GROUND = 240


def retrieved(prompts: Sequence[str], images: Tensor, sets: Sequence[ImageSet]) -> Mapping[str, Cloud]:
    """Return whether the real image that is nearest to each image has the caption that was asked for (R@1).

    Nearest is by the root mean square difference of pixels, among all images of all sets. Beside it stands the
    probability that an image drawn from these has it. Both are NaN where no real image has that caption.

    Args:
        prompts: N texts.
        images: (N, C, H, W), in [-1, 1].
        sets: real images with captions, of the same shape.
    """
    count = sum(map(len, sets))
    own = [each.captions for each in sets if each.captions is not None]
    holders: dict[str, int] = dict.fromkeys(prompts, 0)
    for caption in chain.from_iterable(set(captions[image]) for captions in own for image in range(len(captions))):
        if caption in holders:
            holders[caption] += 1
    found = [nearest(images.clamp(-1, 1), each) for each in sets]
    first = np.stack([distances for distances, _ in found]).argmin(0)
    right = np.full(len(prompts), np.nan)
    for place, prompt in enumerate(prompts):
        captions = sets[first[place]].captions
        if holders[prompt] and captions is not None:
            right[place] = prompt in captions[int(found[first[place]][1][place])]
    chance = np.array([holders[prompt] / count if holders[prompt] else np.nan for prompt in prompts])
    return {CAPTION: right, CHANCE: chance}


def coloured(prompts: Sequence[str], images: Tensor) -> Cloud:
    """Return whether most of each image has the colour that its prompt names, (N,); NaN where it names none, or two.

    White ground does not count, so that white is never asked for. Of grey images all are NaN.

    Args:
        prompts: N texts.
        images: (N, C, H, W), in [-1, 1].
    """
    right = np.full(len(prompts), np.nan)
    if images.shape[1] != 3:
        return right
    values = (images.clamp(-1, 1) * 127.5 + 127.5).round().to("cpu").byte().flatten(2).transpose(1, 2).numpy()
    for place, prompt in enumerate(prompts):
        named = [colour for colour in COLOURS if colour in set(words_of(prompt))]
        if len(named) != 1 or named == ["white"]:
            continue
        drawn = values[place][values[place].min(1) < _GROUND]
        counts = np.bincount(colour_numbers(drawn), minlength=len(COLOURS)) if len(drawn) else np.zeros(len(COLOURS))
        right[place] = counts.any() and COLOURS[int(counts.argmax())] == named[0]
    return right
