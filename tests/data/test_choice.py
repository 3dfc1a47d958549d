"""Which images are used: a fixed choice, balanced, and nested."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from qgen.data.choice import choose

labels_of = st.lists(st.integers(0, 4), min_size=1, max_size=60).map(lambda drawn: np.array(drawn, np.int64))


@given(labels_of, st.data())
def test_a_limit_takes_the_classes_as_equally_as_can_be(labels: np.ndarray, data: st.DataObject) -> None:
    limit = data.draw(st.integers(1, len(labels)))
    places = choose("drawn", labels, len(labels), limit=limit)
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
    few, many = (set(choose("drawn", given_labels, len(labels), limit=limit)) for limit in (small, large))
    assert few <= many


@given(labels_of, st.data())
def test_classes_are_kept_whole(labels: np.ndarray, data: st.DataObject) -> None:
    classes = data.draw(st.lists(st.sampled_from(sorted(set(labels.tolist()))), min_size=1, unique=True))
    places = choose("drawn", labels, len(labels), classes=classes)
    assert places.tolist() == [place for place, label in enumerate(labels.tolist()) if label in classes]


def test_a_limit_does_not_prefer_the_beginning() -> None:
    places = choose("drawn", None, 10_000, limit=1000)
    # The mean place of 1,000 random ones out of 10,000: 5,000 with a standard deviation of 91.
    assert abs(places.mean() - 5000) < 5 * 91
    assert len(set((places // 1000).tolist())) == 10
