"""Subsets are fixed, balanced and nested; batches are cut from an endless stream of permutations."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from qgen.data import DataSettings, batch_indices
from qgen.data.subset import select_subset
from qgen.errors import ConfigError, DataError

seeds = st.integers(0, 2**62)
counts = st.integers(1, 40)
batches = st.integers(1, 90)
labels_of = st.lists(st.integers(0, 4), min_size=1, max_size=60).map(lambda drawn: np.array(drawn, np.int64))


@given(labels_of, st.data())
def test_a_limit_takes_the_classes_as_equally_as_can_be(labels: np.ndarray, data: st.DataObject) -> None:
    limit = data.draw(st.integers(1, len(labels)))
    places = select_subset("drawn", labels, len(labels), limit=limit)
    assert len(places) == limit
    assert (np.diff(places) > 0).all()
    there, taken = np.bincount(labels, minlength=5), np.bincount(labels[places], minlength=5)
    assert (taken <= there).all()
    left = taken[taken < there]
    if len(left):  # only a class that is used up may have fewer than the others, by more than one
        assert taken.max() <= left.min() + 1


@given(labels_of, st.booleans(), st.data())
def test_a_smaller_limit_keeps_a_part_of_what_a_larger_one_does(
    labels: np.ndarray, labelled: bool, data: st.DataObject
) -> None:
    small, large = sorted(data.draw(st.integers(1, len(labels))) for _ in range(2))
    given_labels = labels if labelled else None
    few, many = (set(select_subset("drawn", given_labels, len(labels), limit=limit)) for limit in (small, large))
    assert few <= many


@given(labels_of, st.booleans(), st.floats(0, 1, exclude_min=True))
def test_a_fraction_is_the_limit_of_as_many(labels: np.ndarray, labelled: bool, fraction: float) -> None:
    given_labels, wanted = labels if labelled else None, fraction * len(labels)
    places = select_subset("drawn", given_labels, len(labels), fraction=fraction)
    assert len(places) == 1 if wanted < 0.5 else abs(len(places) - wanted) <= 0.5
    np.testing.assert_array_equal(places, select_subset("drawn", given_labels, len(labels), limit=len(places)))
    if labelled:
        assert len(set(labels[places].tolist())) == min(len(places), len(set(labels.tolist())))


@given(labels_of, st.booleans(), st.lists(st.floats(0, 1, exclude_min=True), min_size=2, max_size=2).map(sorted))
def test_a_smaller_fraction_keeps_a_part_of_what_a_larger_one_does(
    labels: np.ndarray, labelled: bool, fractions: list[float]
) -> None:
    given_labels = labels if labelled else None
    few, many = (set(select_subset("drawn", given_labels, len(labels), fraction=part).tolist()) for part in fractions)
    assert few <= many
    assert set(select_subset("drawn", given_labels, len(labels), fraction=1).tolist()) == set(range(len(labels)))


@given(labels_of, st.floats(0, 1, exclude_min=True), st.data())
def test_a_fraction_is_one_of_the_chosen_classes(labels: np.ndarray, fraction: float, data: st.DataObject) -> None:
    classes = data.draw(st.lists(st.sampled_from(sorted(set(labels.tolist()))), min_size=1, unique=True))
    places = select_subset("drawn", labels, len(labels), classes=classes, fraction=fraction)
    available = int(np.isin(labels, classes).sum())
    assert set(labels[places].tolist()) <= set(classes)
    assert len(places) == max(1, round(fraction * available))


@pytest.mark.parametrize("fraction", [0, -0.1, 1.001, float("nan"), "half"])
def test_a_fraction_is_above_0_and_at_most_1(fraction: object) -> None:
    with pytest.raises(ConfigError, match="`fraction`"):
        DataSettings.read({"fraction": fraction})


def test_a_limit_and_a_fraction_exclude_each_other() -> None:
    with pytest.raises(ConfigError, match=r"`limit` \(10\) and `fraction` \(0.5\) both .* set one") as caught:
        DataSettings.read({"limit": 10, "fraction": 0.5})
    assert len(str(caught.value).splitlines()) == 1
    assert DataSettings.read({"limit": None, "fraction": 0.5}).fraction == 0.5


@given(labels_of, st.data())
def test_classes_are_kept_whole(labels: np.ndarray, data: st.DataObject) -> None:
    classes = data.draw(st.lists(st.sampled_from(sorted(set(labels.tolist()))), min_size=1, unique=True))
    places = select_subset("drawn", labels, len(labels), classes=classes)
    assert places.tolist() == [place for place, label in enumerate(labels.tolist()) if label in classes]


def test_a_limit_does_not_prefer_the_beginning() -> None:
    places = select_subset("drawn", None, 10_000, limit=1000)
    # The mean place of 1,000 random ones out of 10,000: 5,000 with a standard deviation of 91.
    assert abs(places.mean() - 5000) < 5 * 91
    assert len(set((places // 1000).tolist())) == 10


def stream(seed: int, batch: int, count: int, length: int) -> torch.Tensor:
    steps = range(-(-length // batch))
    return torch.cat([batch_indices(seed, step, batch, count) for step in steps])[:length]


@given(seeds, batches, counts, st.integers(1, 4))
def test_every_epoch_is_a_permutation(seed: int, batch: int, count: int, epochs: int) -> None:
    for epoch in stream(seed, batch, count, epochs * count).split(count):
        assert sorted(epoch.tolist()) == list(range(count))


@given(seeds, batches, batches, counts)
def test_the_stream_does_not_depend_on_how_it_is_cut(seed: int, one: int, other: int, count: int) -> None:
    assert stream(seed, one, count, 100).tolist() == stream(seed, other, count, 100).tolist()


@given(seeds, batches, counts, st.lists(st.integers(0, 50), min_size=1, max_size=8))
def test_a_batch_depends_on_its_number_alone(seed: int, batch: int, count: int, steps: list[int]) -> None:
    first = {step: batch_indices(seed, step, batch, count) for step in steps}
    for step in reversed(steps):
        again = batch_indices(seed, step, batch, count)
        assert (again.shape, again.dtype) == ((batch,), torch.int64)
        assert torch.equal(again, first[step])
        again.zero_()  # what a caller does with a batch is its own affair


def test_epochs_and_seeds_differ() -> None:
    drawn = {tuple(batch_indices(seed, epoch, 50, 50).tolist()) for seed in range(5) for epoch in range(5)}
    assert len(drawn) == 25


def test_no_remainder_is_dropped() -> None:
    # 60,000 images in batches of 128 are 468.75 batches: number 468 ends in the second epoch, 36 of its images in.
    last = batch_indices(7, 468, 128, 60_000)
    first, second = (torch.cat([batch_indices(7, step, 30_000, 60_000) for step in (e, e + 1)]) for e in (0, 2))
    assert last.tolist() == [*first[-96:].tolist(), *second[:32].tolist()]


def test_a_late_batch_is_found_without_the_ones_before() -> None:
    # Step 10^6 begins 2,133 epochs and 20,000 images in.
    assert divmod(10**6 * 128, 60_000) == (2133, 20_000)
    late = batch_indices(3, 10**6, 128, 60_000)
    epoch = torch.cat([batch_indices(3, 2133 * 60 + part, 1000, 60_000) for part in range(60)])
    assert torch.equal(late, epoch[20_000:20_128])


@pytest.mark.parametrize(("step", "batch", "count"), [(-1, 1, 1), (0, 0, 1), (0, 1, 0)])
def test_a_batch_that_cannot_be_is_refused(step: int, batch: int, count: int) -> None:
    with pytest.raises(DataError, match="no batch number"):
        batch_indices(0, step, batch, count)
