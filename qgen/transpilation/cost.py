"""Estimate what a workload costs on IBM's hardware, before it is submitted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from qgen.errors import BackendError

#: QPU seconds of IBM's free Open Plan in 28 days.
OPEN_PLAN_SECONDS = 600.0
#: QPU seconds of a job in addition to its executions.
JOB_SECONDS = 2.0
#: The default delay between two executions, in microseconds; 4,000 on Nighthawk r1.
REP_DELAY_US = 250.0
#: The largest number of executions in one job.
MAX_EXECUTIONS = 10_000_000
#: IBM's rule of thumb for an execution, all included: 0.35 s for 1,000.
QUICK_SECONDS = 0.00035


@dataclass(frozen=True)
class WorkloadCost:
    """QPU time of a workload.

    Attributes:
        circuits: number of circuits; each binding of parameters counts.
        shots: per circuit.
        jobs: number of jobs.
        executions: circuits times shots.
        seconds: QPU seconds; see `formula`.
        quick_seconds: QPU seconds by IBM's rule of thumb, which does not depend on the circuit.
        share: `seconds` over the Open Plan's 600 s; above 1 if it is more than the plan has.
        formula: of `seconds`, with the numbers.
        parts: what it is the sum of, where its jobs are of several sizes; see `total_cost`.
    """

    circuits: int
    shots: int
    jobs: int
    executions: int
    seconds: float
    quick_seconds: float
    share: float
    formula: str
    parts: tuple[WorkloadCost, ...] = ()


def workload_cost(
    circuits: int,
    shots: int,
    jobs: int = 1,
    *,
    length_us: float = 0.0,
    rep_delay_us: float = REP_DELAY_US,
) -> WorkloadCost:
    """Estimate QPU seconds: 2 s for a job, and a delay and the circuit's length for each execution.

    Args:
        circuits: for sampling, circuits per image times images; for a training step, those of its gradient.
        shots: per circuit.
        jobs: the smallest number of jobs; sampling of a diffusion model takes one per step. More are counted if a job
            would have more than 10 million executions, IBM's limit.
        length_us: microseconds of the circuit with its measurement.
        rep_delay_us: microseconds of delay before each execution.

    Raises:
        BackendError: a number out of range.
    """
    if circuits < 0 or shots < 1 or jobs < 0 or not 0 <= length_us < float("inf") or not 0 <= rep_delay_us < 1e9:
        raise BackendError(
            f"a workload has 0 or more circuits and jobs, 1 or more shots, and times from 0 us on; given: {circuits} "
            f"circuits, {shots} shots, {jobs} jobs, {length_us} us of length, {rep_delay_us} us of delay"
        )
    executions = circuits * shots
    jobs = max(jobs, -(-executions // MAX_EXECUTIONS))
    seconds = JOB_SECONDS * jobs + (rep_delay_us + length_us) * 1e-6 * executions
    time_per_execution = f"({rep_delay_us:g} us delay + {length_us:.3g} us circuit)"
    jobs_time = f"{JOB_SECONDS:g} s x {jobs:,} job{'s' * (jobs != 1)}"
    formula = f"{jobs_time} + {time_per_execution} x {executions:,} executions = {seconds:,.1f} s"
    quick_seconds = JOB_SECONDS * jobs + QUICK_SECONDS * executions
    return WorkloadCost(circuits, shots, jobs, executions, seconds, quick_seconds, seconds / OPEN_PLAN_SECONDS, formula)


def total_cost(parts: Sequence[WorkloadCost]) -> WorkloadCost:
    """Return the cost of several workloads, from one on; `shots` are those of the first."""
    circuits, jobs, executions = (
        sum(getattr(part, name) for part in parts) for name in ("circuits", "jobs", "executions")
    )
    seconds, quick_seconds, share = (
        sum(getattr(part, name) for part in parts) for name in ("seconds", "quick_seconds", "share")
    )
    formula = "; and ".join(part.formula for part in parts)
    return WorkloadCost(
        circuits, parts[0].shots, jobs, executions, seconds, quick_seconds, share, formula, tuple(parts)
    )
