"""Whatever goes wrong between a user and IBM's service: `python benchmarks/faults.py --cases 1000 --kills 100`.

Each case is a user who has some circuits run on a loopback service, with a limit, while several things go wrong that
were drawn at random: requests fail or are lost, lists lag, jobs fail or take longer, results and bills are spoilt, a
coupler goes out of order, the journal is emptied, the process ends. The user repeats the command, and at last nothing
more goes wrong. Then the service's ledger is compared with what was asked for: nothing is billed twice, nothing is
lost, and the limit was never passed. Kills are the same with processes that are killed (SIGKILL) at random moments.

A case is repeated by its own seed: `--seed SEED --cases 1`.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, NoReturn

import numpy as np
import typer
from harness.machine import machine

from qgen.backends.ibm import HardwareOptions, IBMBackend, open_hardware
from qgen.circuits import ansatz
from qgen.devserver import DeviceModel, DevServer, Fault, Tariff
from qgen.errors import BudgetError, QgenError

DEVICE, SHOTS, REQUESTS = "ibm_guadalupe", 50, 3
CIRCUIT = ansatz("basic", qubits=2, layers=1)
INPUTS, WEIGHTS = np.linspace(-1, 1, 6).reshape(3, 2), np.linspace(-2, 2, CIRCUIT.num_weights)
#: Seconds that stand for one second of a true client: it waits 0.6 seconds where that waits half a minute.
PACE = 0.02
#: Seconds by which lists of jobs lag: as 5 and 15 seconds are to a true client.
LAGS = (0.0, 0.1, 0.3)
#: How often a user repeats a command while things go wrong, and after that.
WHILE, AFTER = 5, 6
GETS = ("/backends", "/backends/*/configuration", "/backends/*/properties", "/backends/*/status", "/instances/usage")
GETS = (*GETS, "/jobs", "/jobs/*", "/jobs/*/metrics", "/jobs/*/results")


class CrashError(BaseException):
    """Stands for the end of the process."""


@dataclass
class Case:
    """What is drawn for one user.

    Attributes:
        seed: of all of it.
        limit: QPU seconds, as the user gives them.
        lag: seconds by which lists of jobs lag.
        length: seconds of a circuit, by which jobs take longer than anybody says.
        faults: at the service.
        events: at the user's, one before each command: a name of `EVENTS`.
    """

    seed: int
    limit: float = 0.0
    lag: float = 0.0
    length: float = 1e-4
    faults: list[Fault] = field(default_factory=list)
    events: list[str] = field(default_factory=list)

    @classmethod
    def draw(cls, seed: int) -> Case:
        """All of it, from the seed."""
        rng = random.Random(seed)
        faults = [draw_fault(rng) for _ in range(rng.randint(1, 4))]
        events = [rng.choice(list(EVENTS)) if rng.random() < 0.4 else "nothing" for _ in range(WHILE)]
        limit, lag = rng.choice((rng.uniform(3, 15), rng.uniform(15, 200))), rng.choice(LAGS)
        return cls(seed, limit, lag, rng.choice((1e-4, 1e-4, 1e-2, 5e-2)), faults, events)


def draw_fault(rng: random.Random) -> Fault:
    """One thing that goes wrong at the service."""
    times: Any = rng.choice((1, 1, 2, 3))
    draws: tuple[Callable[[], dict[str, Any]], ...] = (
        lambda: {"method": "GET", "path": rng.choice(GETS), "status": rng.choice((429, 500, 502, 503, 504))},
        lambda: {"method": "GET", "path": rng.choice(GETS), "drop": True},
        lambda: {"method": "POST", "path": "/jobs", "status": rng.choice((429, 500, 503)), "after": rng.random() < 0.5},
        lambda: {"method": "POST", "path": "/jobs", "drop": True, "after": rng.random() < 0.7},
        lambda: {"method": "POST", "path": "/jobs", "status": 400},
        lambda: {"status": 401},
        lambda: {"method": "GET", "path": "/jobs/*/results", "truncate": rng.randint(0, 300)},
        lambda: {"spoil": rng.choice(("rows", "shots", "names", "missing", "empty")), "method": "GET"},
        lambda: {"bill": rng.choice((-1e6, 1e9, "nan", "much", "late", 0.0)), "method": "GET"},
        lambda: {"state": rng.choice(("Paused", "Zombie", "")), "method": "GET"},
        lambda: {"job": rng.choice(("fail", "cancel")), "billed": rng.random() < 0.5},
        lambda: {"job": "too_long"},
        lambda: {"job": "slow", "factor": rng.uniform(1, 8)},
    )
    return Fault(times=times, **rng.choice(draws)())


def crash(user: User) -> None:
    """The next submission is the last thing that the process does."""
    user.crash = True


def break_coupler(user: User) -> None:
    """A coupler that the circuit runs on goes out of order."""
    if user.emptied:
        return
    with suppress(QgenError), user.hardware() as backend:
        (*_, pins) = backend.layouts(CIRCUIT) or [None]
        if pins is not None:
            isa = pins.routed[CIRCUIT.digest]
            for step in isa.data:
                if len(step.qubits) == 2:
                    user.server.device(DEVICE).break_coupler(*(isa.find_bit(qubit).index for qubit in step.qubits))
                    user.moved = True


def empty_journal(user: User) -> None:
    """Somebody removes the journal, once the lists of jobs are up to date.

    Not where a coupler broke: the layouts are lost with the journal, and jobs cannot be told to be those of a circuit
    that can no longer be placed as it was. Such a run is paid for anew.
    """
    if user.moved:
        return
    time.sleep(user.case.lag)
    user.emptied = True
    for file in user.folder.glob("jobs.sqlite*"):
        file.unlink()


def fetch(user: User) -> None:
    """Another command: `qgen jobs --fetch`."""
    with suppress(QgenError), user.hardware() as backend:
        backend.runner.fetch_results(wait=False)


EVENTS: dict[str, Callable[[User], None]] = {
    "nothing": lambda user: None,
    "crash": crash,
    "break a coupler": break_coupler,
    "empty the journal": empty_journal,
    "fetch": fetch,
}


class User:
    """Has the circuits of a case run, again and again."""

    def __init__(self, case: Case, server: DevServer, folder: Path) -> None:
        self.case, self.server, self.folder = case, server, folder
        self.crash, self.moved, self.emptied, self.limit = False, False, False, case.limit

    @contextmanager
    def hardware(self) -> Iterator[IBMBackend]:
        """The device, through the user's journal."""
        with closing(
            open_hardware(DEVICE, SHOTS, HardwareOptions(), self.folder / "jobs.sqlite", self.limit, pace=PACE)
        ) as backend:
            yield backend

    def run(self) -> list[Any]:
        """The values of all requests."""
        with self.hardware() as backend:
            if self.crash:
                self.crash, submit = False, backend.runner.client.submit
                backend.runner.client.submit = lambda *given: end(submit(*given))  # type: ignore[method-assign]
            executable = backend.compile(CIRCUIT)
            return [executable.expectations(INPUTS, WEIGHTS, seed) for seed in range(REQUESTS)]

    def work(self) -> list[Any]:
        """The same, however often it takes: first with all that goes wrong, then without."""
        for event in self.case.events:
            EVENTS[event](self)
            with suppress(QgenError, CrashError):
                self.run()
            self.check_limit()
        self.server.faults.clear()
        self.limit = self.server.ledger.seconds + 500
        for _ in range(AFTER - 1):
            with suppress(QgenError):
                return self.run()
        return self.run()

    def check_limit(self) -> None:
        """Sees that the limit holds."""
        wait_for_jobs(self.server)
        assert self.server.ledger.seconds <= self.limit + 1e-6, (self.server.ledger.seconds, self.limit)


def end(_: str) -> NoReturn:
    """Ends the process after a submission, before anybody hears of it."""
    raise CrashError


def wait_for_jobs(server: DevServer) -> None:
    """Until none is on its way."""
    while any(entry.state in ("Queued", "Running") for entry in server.ledger.jobs):
        time.sleep(0.005)


@contextmanager
def serving(case: Case, **settings: Any) -> Iterator[DevServer]:
    """A service with one device, in the environment of this process."""
    tariff = Tariff(circuit_seconds=case.length)
    model = DeviceModel("fake_guadalupe", name=DEVICE, noisy=False)
    with DevServer([model], seed=7, list_seconds=case.lag, tariff=tariff, **settings) as server:
        os.environ.update(server.environment())
        yield server


def try_case(seed: int, calm: list[Any]) -> dict[str, Any]:
    """One case; what became of it, and what was wrong."""
    case = Case.draw(seed)
    with tempfile.TemporaryDirectory() as folder, serving(case) as server:
        for fault in case.faults:
            server.faults.add(fault)
        user, wrong = User(case, server, Path(folder)), None
        try:
            values = user.work()
            wait_for_jobs(server)
            wrong = judge(server, values, None if user.moved else calm)
        except Exception as error:
            wrong = f"{type(error).__name__}: {error}"
        struck = [
            next(iter(fault.model_dump(exclude_defaults=True, exclude={"times", "method", "path"})))
            for fault in server.faults.triggered
        ]
        ledger = server.ledger
        totals = {"jobs": len(ledger.jobs), "executions": ledger.executions, "seconds": ledger.seconds}
        return {"seed": seed, "wrong": wrong, "struck": struck, "events": case.events, **totals}


def judge(server: DevServer, values: list[Any], wanted: list[Any] | None) -> str | None:
    """What is wrong, once all is done; None: nothing."""
    done = [entry for entry in server.ledger.jobs if entry.state == "Completed"]
    if len(done) > REQUESTS:
        return f"{len(done)} jobs were billed for {REQUESTS} requests"
    if len(done) < REQUESTS:
        return f"{REQUESTS} requests were answered from {len(done)} jobs"
    if wanted is not None and not np.array_equal(values, wanted):
        return "the values are others than without faults"
    return None


def calm_values() -> list[Any]:
    """The values of all requests where nothing goes wrong."""
    case = Case(0, limit=1000.0)
    with tempfile.TemporaryDirectory() as folder, serving(case) as server:
        return User(case, server, Path(folder)).run()


def run_user(folder: Path, limit: float, environment: dict[str, str]) -> None:
    """A user in a process of its own, which may be killed."""
    os.environ.update(environment)
    try:
        User(Case(0, limit=limit), None, folder).run()  # type: ignore[arg-type]
    except BudgetError as error:
        sys.exit(str(error))


def kill_often(kills: int, seed: int, calm: list[Any]) -> dict[str, Any]:
    """Users that are killed at random moments until so many kills struck."""
    rng, struck, users, wrong = random.Random(seed), 0, 0, []
    totals: Counter[str] = Counter()
    length, limit = 1.0, 1000.0
    # One process imports everything, and forks the users: no thread of the service is in them.
    forkserver = multiprocessing.get_context("forkserver")
    forkserver.set_forkserver_preload(["qgen.backends.ibm", "qgen.devserver", "qiskit_ibm_runtime.executor_sampler"])
    while struck < kills:
        case = Case(seed + users, lag=rng.choice(LAGS), limit=limit)
        with tempfile.TemporaryDirectory() as name, serving(case, queue_seconds=0.05) as server:
            code = -signal.SIGKILL
            while code == -signal.SIGKILL:
                began = time.monotonic()
                process = forkserver.Process(target=run_user, args=(Path(name), limit, dict(os.environ)))
                process.start()
                # After the last kill a user is left alone: on a slow machine none might end otherwise.
                process.join(rng.uniform(0, length) if struck < kills else None)
                process.kill()
                process.join()
                code = process.exitcode
                struck += code == -signal.SIGKILL
            length = 0.5 * (length + time.monotonic() - began)
            wait_for_jobs(server)
            found = f"exit code {code}" if code else judge(server, User(case, server, Path(name)).run(), calm)
            wrong += [] if found is None else [f"user {users}: {found}"]
            totals.update(jobs=len(server.ledger.jobs), executions=server.ledger.executions)
            users += 1
    return {"kills": struck, "users": users, "wrong": wrong, **totals}


def main(
    cases: Annotated[int, typer.Option(help="How many users.")] = 1000,
    kills: Annotated[int, typer.Option(help="How often processes are killed.")] = 100,
    seed: Annotated[int, typer.Option(help="Of the first case; the next ones have the next numbers.")] = 0,
    out: Annotated[Path | None, typer.Option(help="A JSON file for the sums.")] = None,
) -> None:
    """Tries cases and kills, and says what was wrong; exit code 1 where anything was."""
    os.environ["HOME"] = tempfile.mkdtemp()
    began, calm = time.monotonic(), calm_values()
    found = []
    for number in range(cases):
        found.append(try_case(seed + number, calm))
        if found[-1]["wrong"]:
            print(f"seed {seed + number}: {found[-1]['wrong']}", flush=True)
        elif (number + 1) % 50 == 0:
            print(f"{number + 1} cases, the last one of seed {seed + number}", flush=True)
    killed = kill_often(kills, seed, calm) if kills else {"kills": 0, "wrong": []}
    sums = {name: sum(one[name] for one in found) for name in ("jobs", "executions", "seconds")}
    result = {
        "cases": cases,
        "seeds": [seed, seed + cases - 1],
        "requests": REQUESTS * cases,
        "faults that struck": dict(Counter(name for one in found for name in one["struck"])),
        "events": dict(Counter(name for one in found for name in one["events"])),
        "ledger": sums,
        "wrong": [one for one in found if one["wrong"]],
        "kills": killed,
        "minutes": (time.monotonic() - began) / 60,
        "machine": machine(1),
    }
    print(json.dumps(result, indent=2))
    if out is not None:
        out.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    raise typer.Exit(1 if result["wrong"] or killed["wrong"] else 0)


if __name__ == "__main__":
    typer.run(main)
