"""The page of an evaluation: complete, self-contained, and with the right training images beside the samples."""

import base64
import io
import re
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from qgen.evaluation import PROTOCOLS, Evaluation, Evaluator
from qgen.evaluation.page import page


@pytest.fixture
def evaluation(pixel_space, digits_reference) -> Evaluation:
    images = digits_reference.whole.scaled(torch.from_numpy(digits_reference.control[-30:]))
    facts = {"seed": 1, "step": 5, "backend": {"name": "<aer>"}}
    found = Evaluator(pixel_space, digits_reference, PROTOCOLS["default"], resamples=20)(images, "a & b", facts)
    return replace(found, collapse="it has <collapsed>")


def pictures(text: str) -> list[np.ndarray]:
    found = re.findall(r'src="data:image/png;base64,([^"]+)"', text)
    return [np.asarray(Image.open(io.BytesIO(base64.b64decode(content)))) for content in found]


def test_it_shows_every_number_escaped_and_loads_nothing(evaluation):
    text = page([evaluation])
    assert "a &amp; b" in text
    assert "It has &lt;collapsed&gt;." in text
    assert "&lt;aer&gt;" in text
    assert "http" not in re.sub(r"arXiv:\S+", "", text).replace("http-equiv", "")
    for result in evaluation.results.values():
        assert f'<th scope="row">{result.measure.label}'.split("(")[0] in text or "score of classes" in text
    assert "test split" in text


def test_samples_stand_above_their_nearest_training_images(evaluation):
    """These samples are copies: both rows of each pair are the same picture."""
    _, pairs = pictures(page([evaluation]))
    height = pairs.shape[0] // 4
    top, below = pairs[: height - 8], pairs[height : 2 * height]
    offset = next(k for k in range(12) if np.array_equal(top[:50], below[k : k + 50]))
    assert offset < 12


def test_a_comparison_shows_differences_and_the_samples_of_each(evaluation):
    text = page([evaluation, replace(evaluation, name="other")])
    assert "Differences from a &amp; b" in text
    assert "not resolved" in text
    assert len(pictures(text)) == 4
