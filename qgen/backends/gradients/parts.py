"""Many evaluations of a batch, one part after the other: memory does not grow with how many a gradient takes."""

from __future__ import annotations

from collections.abc import Iterator

from qgen.backends.base import Executable

PART_BYTES = 1 << 26  # of the angles or parameters of a part, but for a single evaluation that has more


def parts(executable: Executable, evaluations: int, numbers: int) -> Iterator[range]:
    """Which evaluations of the whole batch to run together, in order.

    On a remote backend, which bills by the submission, all of them.

    Args:
        executable: what is evaluated.
        evaluations: how many there are.
        numbers: angles or parameters of one evaluation, 8 bytes each.
    """
    most = evaluations if executable.backend.capabilities.remote else PART_BYTES // (8 * max(1, numbers))
    step = max(1, most)
    return (range(first, min(first + step, evaluations)) for first in range(0, evaluations, step))
