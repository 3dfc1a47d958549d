"""Texts in a denoiser: against NumPy, row by row, with the null condition."""

import numpy as np
import pytest
import torch

from qgen.conditioning import Labels, Texts
from qgen.errors import InputError
from qgen.models.initialisation import initialise
from qgen.models.text import TextEmbedding, TextForm


def drawn(rng, form: TextForm, count: int, null=None) -> Texts:
    tokens = form.tokens
    mask = torch.from_numpy(np.arange(tokens) < rng.integers(1, tokens + 1, (count, 1)))
    absent = torch.from_numpy(rng.random(count) < 0.5) if null is None else torch.tensor(null)
    if form.words is not None:
        return Texts(torch.from_numpy(rng.integers(0, form.words, (count, tokens))), mask, None, absent)
    vectors, pooled = rng.normal(size=(count, tokens, form.features)), rng.normal(size=(count, form.features))
    return Texts(torch.from_numpy(vectors).float(), mask, torch.from_numpy(pooled).float(), absent)


FORMS = [TextForm(5, words=7), TextForm(3, features=6)]


@pytest.fixture(params=FORMS, ids=["words", "vectors"])
def form(request):
    return request.param


def built(form: TextForm, rng, width: int = 8) -> TextEmbedding:
    module = TextEmbedding(form, width)
    initialise(module, int(rng.integers(2**31)))
    return module


def linear(layer, values):
    return values @ layer.weight.detach().numpy().T + layer.bias.detach().numpy()


def test_each_row_is_that_of_numpy(rng, form):
    module, count = built(form, rng), int(rng.integers(1, 6))
    texts = drawn(rng, form, count)
    got = module(texts, torch.zeros(count))
    null = module.null.weight.detach().numpy()
    for row in range(count):
        mask = texts.mask[row].numpy()
        if texts.null[row]:
            np.testing.assert_array_equal(got.mask[row], np.arange(form.tokens) == 0)
            np.testing.assert_array_equal(got.tokens[row, 0].detach(), null[0])
            np.testing.assert_array_equal(got.pooled[row].detach(), null[1])
            continue
        np.testing.assert_array_equal(got.mask[row], mask)
        if form.words is None:
            expected = linear(module.project, texts.tokens[row].numpy())
            pooled = linear(module.pool, texts.pooled[row].numpy())
        else:
            vectors = module.project.weight.detach().numpy()[texts.tokens[row].numpy()]
            expected = (vectors + module.places.weight.detach().numpy()) / np.sqrt(2)
            pooled = linear(module.pool, vectors[mask].sum(0) / np.sqrt(mask.sum()))
        np.testing.assert_allclose(got.tokens[row].detach()[mask], expected[mask], atol=2e-6)
        np.testing.assert_allclose(got.pooled[row].detach(), pooled, atol=2e-6)


def test_what_is_masked_changes_nothing(rng, form):
    module = built(form, rng)
    texts = drawn(rng, form, 4)
    other = texts.tokens.clone()
    free = ~texts.mask
    other[free] = (form.words - 1 - other[free]) if form.words else other[free] + 1
    first = module(texts, torch.zeros(4))
    second = module(Texts(other, texts.mask, texts.pooled, texts.null), torch.zeros(4))
    assert torch.equal(first.pooled, second.pooled)
    assert torch.equal(first.tokens[first.mask], second.tokens[second.mask])


def test_no_conditioning_is_the_null_condition_for_all(rng, form):
    module = built(form, rng)
    texts = drawn(rng, form, 3).dropped(torch.ones(3, dtype=torch.bool))
    dropped, none = module(texts, torch.zeros(3)), module(None, torch.zeros(3))
    assert torch.equal(dropped.tokens[dropped.mask], none.tokens[none.mask])
    assert torch.equal(dropped.pooled, none.pooled)


def test_every_weight_learns_from_texts_and_their_absence(rng, form):
    module = built(form, rng)
    texts = drawn(rng, form, 2, null=[False, True])
    got = module(texts, torch.zeros(2))
    weight = torch.from_numpy(rng.normal(size=8)).float()
    ((got.tokens[got.mask] @ weight).sum() + (got.pooled @ weight).sum()).backward()
    assert all(value.grad is not None and value.grad.abs().sum() > 0 for value in module.parameters())


def test_other_conditions_are_refused(rng, form):
    module = built(form, rng)
    with pytest.raises(InputError, match="takes texts as its conditioning, not Labels"):
        module(Labels.of([1], 3), torch.zeros(1))
    with pytest.raises(InputError, match="2 images need as many texts, not 3"):
        module(drawn(rng, form, 3), torch.zeros(2))
    for other in (*FORMS, TextForm(form.tokens + 1, *form[1:])):
        if other != form:
            with pytest.raises(InputError, match="another encoder's"):
                module(drawn(rng, other, 2), torch.zeros(2))
