"""A grid by prompt: a row for each, its images in it unchanged, its text beside."""

import numpy as np
import pytest
import torch
from PIL import Image

from qgen.data import save_prompt_grid
from qgen.data.image_files import tile_gap
from qgen.data.prompt_grid import MOST_COLUMNS
from qgen.errors import DataError


@pytest.mark.parametrize("channels", [1, 3])
def test_each_image_stands_in_the_row_of_its_prompt(rng, tmp_path, channels):
    side, count = int(rng.integers(4, 40)), int(rng.integers(1, 25))
    prompts = [f"prompt {number}" for number in rng.integers(0, 3, count)]
    images = torch.from_numpy(rng.integers(0, 256, (count, channels, side, side)).astype(np.uint8))
    save_prompt_grid(images, prompts, tmp_path / "grid.png")
    drawn = np.asarray(Image.open(tmp_path / "grid.png"))
    scale = -(-56 // side)
    tile, gap = side * scale, tile_gap(scale)
    left = drawn.shape[1] - max(min(prompts.count(text), MOST_COLUMNS) for text in prompts) * (tile + gap) + gap
    row = 0
    for text in dict.fromkeys(prompts):
        own = [place for place in range(count) if prompts[place] == text]
        for first in range(0, len(own), MOST_COLUMNS):
            top = row * (tile + gap)
            for column, place in enumerate(own[first : first + MOST_COLUMNS]):
                at = left + column * (tile + gap)
                shown = drawn[top : top + tile : scale, at : at + tile : scale]
                np.testing.assert_array_equal(shown, np.broadcast_to(images[place].permute(1, 2, 0), shown.shape))
            written = drawn[top : top + tile, : left - gap]
            assert (written.min() < 128) == (first == 0)
            row += 1
    assert drawn.shape[0] == row * (tile + gap) - gap


def test_a_prompt_for_each_image_is_needed(tmp_path):
    with pytest.raises(DataError, match="2 images need as many prompts, not 1"):
        save_prompt_grid(torch.zeros(2, 1, 4, 4), ["one"], tmp_path / "grid.png")
