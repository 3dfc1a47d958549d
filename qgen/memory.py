"""How much memory can still be taken: asked before work begins that would take the machine with it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil

#: Where a container's limit and use stand (cgroup v2, v1).
_GROUPS = (
    ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"),
    ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.usage_in_bytes"),
)


def free_memory() -> int:
    """Bytes that this process may still take: of the machine, of its container, and by its own limit (`ulimit -v`)."""
    return min([int(psutil.virtual_memory().available), *_of_container(), *_of_process()])


def in_words(size: float) -> str:
    """A size in bytes for people, as "1,234.5 GiB"."""
    return f"{size / 2**30:,.1f} GiB" if size < 2**50 else f"{size / 2**30:,.0f} GiB"


def _of_container() -> Iterator[int]:
    for limit, used in _GROUPS:
        with suppress(OSError, ValueError):  # no container, or no limit: `max`
            yield max(0, int(Path(limit).read_text()) - int(Path(used).read_text()))


def _of_process() -> Iterator[int]:
    if sys.platform == "win32":
        return
    import resource

    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    if limit != resource.RLIM_INFINITY:
        yield max(0, limit - psutil.Process().memory_info().vms)
