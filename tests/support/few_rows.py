"""Tables of which a default run takes a few rows, others each time: `@pytest.mark.rows(3)`. `-m slow` runs them all."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterable

import pytest


def choose_rows(items: Iterable[pytest.Item], seed: object, *, some: bool = True) -> None:
    """Mark as slow the rows that this run leaves out: all but as many as the test says, drawn by the seed.

    Args:
        items: the tests that were collected; those without the mark stay as they are.
        seed: of the session, the same in each of its processes.
        some: whether any are taken; otherwise all of them are slow.
    """
    tables = defaultdict(list)
    for item in items:
        if (mark := item.get_closest_marker("rows")) and not item.get_closest_marker("slow"):
            tables[item.nodeid.partition("[")[0], mark.args[0]].append(item)
    for (test, count), rows in tables.items():
        names = sorted(row.nodeid for row in rows)
        chosen = set(random.Random(f"{seed} {test}").sample(names, min(count, len(names)) if some else 0))
        for row in rows:
            if row.nodeid not in chosen:
                row.add_marker(pytest.mark.slow)
