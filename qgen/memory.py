"""Free memory, to refuse work that does not fit before it starts."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil

#: Files of a container's memory limit and usage (cgroup v2, v1).
_GROUPS = (
    ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"),
    ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.usage_in_bytes"),
)


def free_memory() -> int:
    """Return the bytes that this process can still allocate, on its machine, in its container and under `ulimit -v`."""
    return min([int(psutil.virtual_memory().available), *_container_free(), *_process_free()])


def format_bytes(size: float) -> str:
    """Format a size in bytes, as "1,234.5 GiB"."""
    return f"{size / 2**30:,.1f} GiB" if size < 2**50 else f"{size / 2**30:,.0f} GiB"


def _container_free() -> Iterator[int]:
    for limit, used in _GROUPS:
        with suppress(OSError, ValueError):  # no container, or no limit (`max`)
            yield max(0, int(Path(limit).read_text()) - int(Path(used).read_text()))


def _process_free() -> Iterator[int]:
    if sys.platform == "win32":
        return
    import resource

    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    if limit != resource.RLIM_INFINITY:
        yield max(0, limit - psutil.Process().memory_info().vms)
