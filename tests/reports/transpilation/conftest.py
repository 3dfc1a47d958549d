"""Reports of searches that try less."""

from collections.abc import Iterator

import pytest
from quick import quick_search


@pytest.fixture(autouse=True, scope="module")
def _quick() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        quick_search(patch)
        yield
