"""The processes that train together: which of them this one is, by what torchrun, srun or their first one told it.

Read from the environment alone, before anything heavy is imported.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass
from typing import Literal

from qgen.errors import ConfigError

#: srun's variables (man srun, "output environment variables"). Those of the job alone also exist outside of srun.
_TASKS, _NODES, _PER_NODE = "SLURM_STEP_NUM_TASKS", "SLURM_STEP_NUM_NODES", "SLURM_STEP_TASKS_PER_NODE"
#: Ports of jobs that run on the same machine at the same time should differ.
_PORTS = range(15_000, 25_000)


@dataclass(frozen=True)
class Place:
    """Which process this is.

    Attributes:
        launcher: what started all processes; `qgen`: their first one did, or there is only one.
        rank: number of the process among all of them.
        local_rank: number among those on its machine (node).
        world_size: how many there are in all.
        local_size: how many there are on its node.
        nodes: number of nodes.
    """

    launcher: Literal["torchrun", "srun", "qgen"] = "qgen"
    rank: int = 0
    local_rank: int = 0
    world_size: int = 1
    local_size: int = 1
    nodes: int = 1

    @property
    def name(self) -> str:
        """Name of the process, for messages."""
        return f"process {self.rank} of {self.world_size}"


#: The place of a process that no launcher has started.
ALONE = Place()


def find_place(environ: Mapping[str, str] = os.environ) -> Place:
    """Return which process this is.

    Raises:
        ConfigError: a launcher's variables contradict one another, or nodes have different numbers of processes.
    """
    try:
        if "TORCHELASTIC_RUN_ID" in environ:
            rank, local_rank, world_size = (int(environ[name]) for name in ("RANK", "LOCAL_RANK", "WORLD_SIZE"))
            local_size, nodes = int(environ["LOCAL_WORLD_SIZE"]), int(environ["GROUP_WORLD_SIZE"])
            place = Place("torchrun", rank, local_rank, world_size, local_size, nodes)
        elif int(environ.get(_TASKS, 1)) > 1:
            rank, local_rank, world_size = (int(environ[name]) for name in ("SLURM_PROCID", "SLURM_LOCALID", _TASKS))
            place = Place("srun", rank, local_rank, world_size, _most(environ[_PER_NODE]), int(environ[_NODES]))
        elif environ.get("LOCAL_RANK", "0") != "0":  # what Fabric tells the processes that it starts
            rank, world_size = int(environ["LOCAL_RANK"]), int(environ.get("WORLD_SIZE", 1))
            place = Place("qgen", rank, rank, world_size, world_size)
        else:
            place = ALONE
    except (KeyError, ValueError) as error:
        raise ConfigError(f"the environment of this process is neither torchrun's nor srun's ({error})") from error
    if place.local_size * place.nodes != place.world_size:
        raise ConfigError(
            f"{place.launcher} has started {place.world_size} processes on {place.nodes} nodes; start as many on each"
        )
    return place


def adopt_srun(environ: MutableMapping[str, str] = os.environ) -> None:
    """Add torchrun's variables to the environment of a process that srun started."""
    place = find_place(environ)
    numbers = {"RANK": place.rank, "LOCAL_RANK": place.local_rank, "WORLD_SIZE": place.world_size}
    environ.update({name: str(number) for name, number in numbers.items()})
    environ["GROUP_RANK"] = environ.get("SLURM_NODEID", "0")
    environ.setdefault("MASTER_ADDR", _first_node(environ.get("SLURM_STEP_NODELIST", "127.0.0.1")))
    job = int(environ.get("SLURM_JOB_ID", "0")) + int(environ.get("SLURM_STEP_ID", "0"))
    environ.setdefault("MASTER_PORT", str(_PORTS[job % len(_PORTS)]))


def _most(tasks_per_node: str) -> int:
    """Return the largest number in srun's words, as 4 in "4(x2),3"."""
    return max(int(part.partition("(")[0]) for part in tasks_per_node.split(","))


def _first_node(nodes: str) -> str:
    """Return the first name of a SLURM list, as "n07" of "n[07-09,12],gpu1"."""
    return re.sub(r"\[([^],-]+)[^]]*\]", r"\1", nodes).partition(",")[0]
