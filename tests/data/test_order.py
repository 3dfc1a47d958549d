"""The order of learning: an endless stream of permutations, the same wherever one enters it."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from qgen.data import batch_indices
from qgen.errors import DataError

seeds = st.integers(0, 2**62)
counts = st.integers(1, 40)
batches = st.integers(1, 90)


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
def test_what_cannot_be_is_refused(step: int, batch: int, count: int) -> None:
    with pytest.raises(DataError, match="no batch number"):
        batch_indices(0, step, batch, count)
