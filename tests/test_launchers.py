"""Which of several processes this one is, by the variables of each launcher."""

from __future__ import annotations

import pytest

from qgen.errors import ConfigError
from qgen.launchers import Place, adopt_srun, find_place

TORCHRUN = {
    "TORCHELASTIC_RUN_ID": "none",
    "RANK": "5",
    "LOCAL_RANK": "1",
    "WORLD_SIZE": "8",
    "LOCAL_WORLD_SIZE": "4",
    "GROUP_WORLD_SIZE": "2",
}
SRUN = {
    "SLURM_JOB_ID": "4711",
    "SLURM_STEP_ID": "2",
    "SLURM_STEP_NUM_TASKS": "8",
    "SLURM_STEP_NUM_NODES": "2",
    "SLURM_STEP_TASKS_PER_NODE": "4(x2)",
    "SLURM_STEP_NODELIST": "n[07-08]",
    "SLURM_PROCID": "5",
    "SLURM_LOCALID": "1",
    "SLURM_NODEID": "1",
}
#: What a job has outside of srun, and what a step of one process has.
BATCH = {"SLURM_JOB_ID": "4711", "SLURM_NTASKS": "8", "SLURM_PROCID": "0", "SLURM_LOCALID": "0"}


@pytest.mark.parametrize(
    ("environ", "place"),
    [
        ({}, Place()),
        (TORCHRUN, Place("torchrun", 5, 1, 8, 4, 2)),
        (SRUN, Place("srun", 5, 1, 8, 4, 2)),
        (SRUN | TORCHRUN, Place("torchrun", 5, 1, 8, 4, 2)),
        (BATCH, Place()),
        (BATCH | {"SLURM_STEP_NUM_TASKS": "1"}, Place()),
        ({"LOCAL_RANK": "1", "WORLD_SIZE": "2"}, Place("qgen", 1, 1, 2, 2)),
        ({"LOCAL_RANK": "0", "WORLD_SIZE": "2"}, Place()),
    ],
)
def test_every_launcher_is_known_by_its_variables(environ: dict[str, str], place: Place) -> None:
    assert find_place(environ) == place


@pytest.mark.parametrize(
    ("environ", "said"),
    [
        ({"TORCHELASTIC_RUN_ID": "x"}, "neither torchrun's nor srun's .*RANK"),
        (TORCHRUN | {"RANK": "one"}, "neither torchrun's nor srun's"),
        (SRUN | {"SLURM_STEP_TASKS_PER_NODE": "4,3", "SLURM_STEP_NUM_TASKS": "7"}, "srun has started 7 .* 2 nodes"),
    ],
)
def test_what_makes_no_sense_is_refused(environ: dict[str, str], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        find_place(environ)


def test_srun_becomes_what_torchrun_says() -> None:
    environ = dict(SRUN)
    adopt_srun(environ)
    told = {name: environ[name] for name in ("RANK", "LOCAL_RANK", "WORLD_SIZE", "GROUP_RANK", "MASTER_ADDR")}
    assert told == {"RANK": "5", "LOCAL_RANK": "1", "WORLD_SIZE": "8", "GROUP_RANK": "1", "MASTER_ADDR": "n07"}
    others = [dict(SRUN) | {"SLURM_JOB_ID": "4712"}, dict(SRUN) | {"SLURM_STEP_ID": "3", "MASTER_ADDR": "mine"}]
    for other in others:
        adopt_srun(other)
        assert other["MASTER_PORT"] != environ["MASTER_PORT"]
    assert others[1]["MASTER_ADDR"] == "mine"


@pytest.mark.parametrize(
    ("nodes", "first"),
    [
        ("n[07-09,12],gpu1", "n07"),
        ("host0,host[1-2]", "host0"),
        ("host[5,7]", "host5"),
        ("rack[1-2]-n[3-4]", "rack1-n3"),
        ("localhost", "localhost"),
    ],
)
def test_the_first_node_of_a_list(nodes: str, first: str) -> None:
    environ = SRUN | {"SLURM_STEP_NODELIST": nodes}
    adopt_srun(environ)
    assert environ["MASTER_ADDR"] == first
