"""The search for the best way to put a circuit on a device: many transpilations, and the best of them moved."""

from __future__ import annotations

import pickle
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import product
from typing import Any

from qiskit import QuantumCircuit, generate_preset_pass_manager
from qiskit.exceptions import QiskitError
from qiskit.transpiler import Target
from qiskit.transpiler.passes import VF2Layout, VF2PostLayout

from qgen.errors import BackendError
from qgen.transpilation.device_form import device_form
from qgen.transpilation.figures import measure
from qgen.transpilation.joining import join_rotations
from qgen.transpilation.moving import ends_of, move, starts_of
from qgen.transpilation.placing import better_places
from qgen.transpilation.result import Candidate
from qgen.transpilation.waits import hide_delays, show_delays, with_waits
from qgen.transpilation.workers import Told, in_processes

LEVELS = (0, 1, 2, 3)
DEFAULT = "default"
#: Beside Qiskit's own choice, at the highest level asked for: layouts that it is routed from, and other ways to route.
OTHER_METHODS = (("dense", DEFAULT), ("sabre", DEFAULT), ("trivial", DEFAULT), (DEFAULT, "basic"))
#: So many of the most likely to succeed, and so many of those with the fewest gates, are moved to better qubits.
MOST_MOVED = 12
_MOST_SEED = 2**63 - 1
#: Limits of the passes VF2Layout and VF2PostLayout at levels 1 and 2.
_CALLS, _TRIALS = 50_000, 2_500


@dataclass(frozen=True)
class Way:
    """How to transpile: see `Candidate`."""

    level: int
    seed: int
    layout_method: str = DEFAULT
    routing_method: str = DEFAULT
    joined: bool = False


#: What Qiskit does by itself at its highest level.
QISKIT = Way(3, 0)


class Found:
    """A candidate, and its circuit.

    From another process the circuit comes packed: most are never looked at, and unpacking takes as long as transpiling.

    Attributes:
        candidate: how it came about, and its figures.
    """

    def __init__(self, candidate: Candidate, isa: QuantumCircuit) -> None:
        self.candidate = candidate
        self._isa: QuantumCircuit | None = isa
        self._packed = b""

    @property
    def isa(self) -> QuantumCircuit:
        """The circuit on all qubits of the device, with its layout."""
        if self._isa is None:
            self._isa = pickle.loads(self._packed)
        return self._isa

    def __getstate__(self) -> dict[str, Any]:
        packed = self._packed or pickle.dumps(self._isa)
        return {"candidate": self.candidate, "_isa": None, "_packed": packed}


@dataclass(frozen=True, eq=False)
class _Task:
    """What all ways have in common: the circuit, and the same with its rotations joined."""

    circuit: QuantumCircuit
    joined: QuantumCircuit
    target: Target
    measured: tuple[int, ...]
    bound: int


def ways(levels: Sequence[int], seeds: Sequence[int], joined: bool = False) -> tuple[Way, ...]:
    """All ways that are tried, Qiskit's own level 3 with seed 0 first; all others with rotations joined, or not.

    Raises:
        BackendError: no level or seed, a level that is not 0 to 3, or a seed below 0.
    """
    wrong = next((level for level in levels if level not in LEVELS), None)
    if wrong is not None or not levels:
        raise BackendError(f"the transpiler has optimisation levels 0 to 3; given: {_listed(levels)}")
    if not seeds or not all(0 <= seed <= _MOST_SEED for seed in seeds):
        raise BackendError(f"the search takes one or more seeds of the transpiler from 0 up; given: {_listed(seeds)}")
    plain = [Way(level, seed, joined=joined) for level, seed in product(levels, seeds)]
    others = [Way(max(levels), seed, *methods, joined) for methods, seed in product(OTHER_METHODS, seeds)]
    return tuple(dict.fromkeys([QISKIT, *plain, *others]))


def search(
    circuit: QuantumCircuit,
    target: Target,
    levels: Sequence[int] = LEVELS,
    seeds: Sequence[int] = range(20),
    *,
    measured: Sequence[int] | None = None,
    two_qubit_bound: int = 0,
    processes: int = 1,
    progress: Told | None = None,
) -> list[Found]:
    """Transpiles in every way, moves the best results to better qubits, and sorts all by success, the best first.

    Controlled rotations that share a pair of qubits are joined before (`join_rotations`).

    Equal arguments give equal results (but for the times taken), on any number of processes. Level 3 with seed 0 is
    always among them, so that the first is never worse than what Qiskit does by itself; its other seeds look for places
    where nothing needs routing for no longer than level 2 does.

    Args:
        circuit: unitary, on n qubits; its parameters stay open.
        target: the device.
        levels: the transpiler's optimisation levels.
        seeds: the transpiler's seeds.
        measured: the logical qubits that are read at the end; None: all.
        two_qubit_bound: see `Figures.extra_two_qubit_gates`.
        processes: how many work at the same time. More than one start Python anew, so that a script needs an
            `if __name__ == "__main__":`.
        progress: told after each step how many are done, of how many.

    Raises:
        BackendError: levels or seeds out of range, or a circuit that does not fit on the device.
    """
    check_size(circuit, target)
    circuit = device_form(circuit)
    joined = join_rotations(circuit)
    tried = ways(levels, seeds, joined != circuit)
    read = range(circuit.num_qubits) if measured is None else measured
    task = _Task(circuit, joined, target, tuple(read), two_qubit_bound)
    total = len(tried) + 2 * MOST_MOVED
    with in_processes(processes) as run:
        found = run(partial(_attempt, task), tried, _from(progress, 0, total))
        if found[0] is None:
            raise BackendError(f"the transpiler cannot fit this circuit to the device: {_reason(task)}")
        known = [one for one in found if one is not None]
        chosen = _worth_moving(known)
        moved = run(partial(_improved, task), chosen, _from(progress, len(tried), total))
    if progress:
        progress(total, total)
    return sorted(known + [one for one in moved if one is not None], key=_worst_last)


def qiskit_default(found: Sequence[Found]) -> Found:
    """What Qiskit's level 3 makes of it with seed 0."""
    return next(one for one in found if not one.candidate.replaced and _way(one.candidate) == QISKIT)


def check_size(circuit: QuantumCircuit, target: Target, device: str = "the device") -> None:
    """Raises a BackendError if the circuit has more qubits than the device."""
    if circuit.num_qubits > target.num_qubits:
        raise BackendError(
            f"the circuit has {circuit.num_qubits} qubits, but {device} has {target.num_qubits}: "
            "take a smaller circuit or a larger device"
        )


def _attempt(task: _Task, way: Way) -> Found | None:
    """None where this way leads nowhere, as a trivial layout on qubits without couplers does."""
    began = time.perf_counter()
    try:
        isa = transpile(task.joined if way.joined else task.circuit, task.target, way)
    except (QiskitError, ValueError):
        return None
    return _found(task, way, isa, replaced=False, began=began)


def transpile(circuit: QuantumCircuit, target: Target, way: Way) -> QuantumCircuit:
    """The circuit in the device's gates."""
    methods = {"layout_method": way.layout_method, "routing_method": way.routing_method}
    given = {key: method for key, method in methods.items() if method != DEFAULT}
    hidden, waits = hide_delays(circuit)
    manager = generate_preset_pass_manager(
        optimization_level=way.level, target=with_waits(target, waits), seed_transpiler=way.seed, **given
    )
    if way.level == QISKIT.level and way != QISKIT:
        _shorten(manager.to_flow_controller().tasks)
    return show_delays(manager.run(hidden), waits, target)


def _shorten(tasks: Iterable[Any]) -> None:
    """Lets level 3 look for ready places as long as level 2 does.

    Its own limit is ten seconds and more for circuits in several parts. What it finds does not depend on the seed: once
    is enough, and better places are looked for afterwards anyway.
    """
    for task in tasks:
        if isinstance(task, VF2Layout | VF2PostLayout):
            task.call_limit, task.max_trials = _CALLS, _TRIALS
        _shorten(getattr(task, "tasks", ()))


def _improved(task: _Task, found: Found) -> Found | None:
    """The same on better qubits; None where there are none."""
    began = time.perf_counter()
    ends = ends_of(found.isa)
    places = better_places(found.isa, task.target, [ends[qubit] for qubit in task.measured])
    if places is None:
        return None
    moved = _found(task, _way(found.candidate), move(found.isa, places, task.target), replaced=True, began=began)
    return moved if _success(moved) > _success(found) else None


def _found(task: _Task, way: Way, isa: QuantumCircuit, replaced: bool, began: float) -> Found:
    seconds, ends = time.perf_counter() - began, ends_of(isa)
    figures = measure(isa, task.target, [ends[qubit] for qubit in task.measured], task.bound)
    candidate = Candidate(
        way.level,
        way.seed,
        way.layout_method,
        way.routing_method,
        way.joined,
        replaced,
        seconds,
        starts_of(isa),
        figures,
    )
    return Found(candidate, isa)


def _worth_moving(found: Sequence[Found]) -> list[Found]:
    """One of each kind of the best: elsewhere, fewer gates may be worth more than the better qubits of now."""
    likely = sorted(found, key=_worst_last)
    small = sorted(found, key=lambda one: (one.candidate.figures.two_qubit_gates, *_worst_last(one)))
    kinds: dict[tuple[object, ...], Found] = {}
    for one in _distinct(likely)[:MOST_MOVED] + _distinct(small)[:MOST_MOVED]:
        kinds.setdefault(_kind(one), one)
    return list(kinds.values())


def _distinct(found: Sequence[Found]) -> list[Found]:
    return list({_kind(one): one for one in reversed(found)}.values())[::-1]


def _kind(found: Found) -> tuple[object, ...]:
    """What is equal for circuits that do the same on the same qubits."""
    figures = found.candidate.figures
    return found.candidate.layout, tuple(figures.gates.items()), figures.depth, figures.success


def _success(found: Found) -> float:
    return found.candidate.figures.success.total


def _worst_last(found: Found) -> tuple[float, int, int, int, bool, str, str]:
    one = found.candidate
    gates = one.figures.two_qubit_gates
    return -_success(found), gates, -one.level, one.seed, one.replaced, one.layout_method, one.routing_method


def _way(one: Candidate) -> Way:
    return Way(one.level, one.seed, one.layout_method, one.routing_method, one.joined)


def _reason(task: _Task) -> str:
    try:
        transpile(task.circuit, task.target, QISKIT)
    except (QiskitError, ValueError) as error:
        return str(error.message if isinstance(error, QiskitError) else error)
    return "unknown"


def _from(progress: Told | None, done: int, total: int) -> Callable[[int], None]:
    return lambda more: progress(done + more, total) if progress else None


def _listed(numbers: Sequence[int]) -> str:
    return ", ".join(map(str, numbers)) or "none"
