"""Search for the best transpilation of a circuit: a grid of options, and the best results moved to better qubits."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import product

from qiskit import QuantumCircuit
from qiskit.transpiler import Target

from qgen.errors import BackendError
from qgen.progress import ProgressCallback
from qgen.transpilation.blocks import BlockCircuit, find_blocks
from qgen.transpilation.circuit_metrics import compute_metrics
from qgen.transpilation.merge_rotations import merge_rotations
from qgen.transpilation.parallel import worker_processes
from qgen.transpilation.relayout import final_layout, initial_layout, relayout
from qgen.transpilation.subgraph_isomorphism import post_layout
from qgen.transpilation.transpile import (
    BLOCKS,
    DEFAULT_METHOD,
    QISKIT_DEFAULT,
    TranspiledCircuit,
    TranspileOptions,
    TranspileResult,
    check_size,
    prepare_for_transpiler,
    run_block_routing,
    run_preset,
)

LEVELS = (0, 1, 2, 3)
#: (layout method, routing method) that are tried at the highest level, beside Qiskit's own choice.
OTHER_METHODS = (
    ("dense", DEFAULT_METHOD),
    ("sabre", DEFAULT_METHOD),
    ("trivial", DEFAULT_METHOD),
    (DEFAULT_METHOD, "basic"),
    (BLOCKS, BLOCKS),
)
#: Of the results that are the likeliest to succeed, and of those with the fewest gates, this many are moved to better
#: qubits.
MAX_MOVED = 12
#: Of those routed by blocks, this many are routed anew near where they are.
MAX_REROUTED = 8
#: Seconds of a search. Level 3 takes that long for some circuits whose angles are numbers.
MAX_SECONDS = 300.0
_MAX_SEED = 2**63 - 1


@dataclass(frozen=True, eq=False)
class _Task:
    """What all transpilations share: the circuit, the same with its rotations merged, and that as blocks."""

    circuit: QuantumCircuit
    merged: QuantumCircuit
    blocks: BlockCircuit | None
    target: Target
    measured: tuple[int, ...]
    two_qubit_bound: int
    deadline: float


def options_grid(
    levels: Sequence[int], seeds: Sequence[int], merge_rotations: bool = False
) -> tuple[TranspileOptions, ...]:
    """List the options to try: Qiskit's own level 3 with seed 0 first, then the grid of levels, methods and seeds.

    The last ones are Qiskit's own level 3 with every seed, where that level is wanted.

    Args:
        levels: optimisation levels, 0 to 3.
        seeds: of the transpiler, 0 or more.
        merge_rotations: whether all but Qiskit's own have their rotations merged; all but those absorb SWAPs.

    Raises:
        BackendError: no level or seed, or one out of range.
    """
    if not levels or not set(levels) <= set(LEVELS):
        raise BackendError(f"the transpiler has optimisation levels 0 to 3; given: {_listed(levels)}")
    if not seeds or not all(0 <= seed <= _MAX_SEED for seed in seeds):
        raise BackendError(f"the search takes one or more seeds of the transpiler from 0 up; given: {_listed(seeds)}")
    presets = [
        TranspileOptions(level, seed, merge_rotations=merge_rotations, absorb_swaps=True)
        for level, seed in product(levels, seeds)
    ]
    others = [
        TranspileOptions(max(levels), seed, *methods, merge_rotations, absorb_swaps=True)
        for methods, seed in product(OTHER_METHODS, seeds)
    ]
    stock = [TranspileOptions(QISKIT_DEFAULT.level, seed) for seed in seeds]
    return tuple(dict.fromkeys([QISKIT_DEFAULT, *presets, *others, *(stock if QISKIT_DEFAULT.level in levels else ())]))


def search(
    circuit: QuantumCircuit,
    target: Target,
    levels: Sequence[int] = LEVELS,
    seeds: Sequence[int] = range(20),
    *,
    measured: Sequence[int] | None = None,
    two_qubit_bound: int = 0,
    max_seconds: float = MAX_SECONDS,
    processes: int = 1,
    progress: ProgressCallback | None = None,
) -> list[TranspiledCircuit]:
    """Transpile with all options of the grid, move the best to better qubits, and sort by success, the best first.

    Controlled rotations that share a pair of qubits are merged before (`merge_rotations`), and SWAPs absorbed after
    routing (`absorb_swaps`); one of the routings counts them at that price (`block_search`), and writes what it routed
    anew in parts (`resynthesis`). The best of those are routed again near where they are, by each qubit's own errors.
    Qubits beside those of the circuit have to start in their ground state, and end there.

    Equal arguments give equal results (but for times), on any number of processes, within `max_seconds`. Level 3 with
    seed 0 is always among them, so that the first is never worse than Qiskit's own choice; with other seeds level 3
    searches for layouts without routing no longer than level 2 does: what it finds does not depend on the seed, and
    better qubits are searched for afterwards anyway.

    Args:
        circuit: unitary, on n qubits; its parameters stay open.
        target: the device.
        levels: optimisation levels, 0 to 3.
        seeds: of the transpiler, 0 or more.
        measured: the logical qubits that are read at the end; None: all.
        two_qubit_bound: see `CircuitMetrics.extra_two_qubit_gates`.
        max_seconds: after which nothing further is tried.
        processes: worker processes. More than one start Python anew, so that a script needs an
            `if __name__ == "__main__":`.
        progress: called with the number of steps done and their total.

    Raises:
        BackendError: levels or seeds out of range, or a circuit that does not fit on the device.
    """
    check_size(circuit, target)
    circuit = prepare_for_transpiler(circuit)
    merged = merge_rotations(circuit)
    grid = options_grid(levels, seeds, merged != circuit)
    read = range(circuit.num_qubits) if measured is None else measured
    task = _Task(circuit, merged, find_blocks(merged), target, tuple(read), two_qubit_bound, time.time() + max_seconds)
    begun = len(grid) + 2 * MAX_MOVED + sum(options.routing_method == BLOCKS for options in grid)
    total = begun + MAX_REROUTED
    with worker_processes(processes) as parallel_map:
        attempts = parallel_map(partial(_attempt, task), grid, _offset(progress, 0, total))
        if isinstance(attempts[0], BackendError):
            raise attempts[0]
        results = [attempt for attempt in attempts if not isinstance(attempt, BackendError)]
        chosen = _worth_moving(results)
        moved = parallel_map(partial(_move, task), chosen, _offset(progress, len(grid), total))
        results += [result for result in moved if result is not None]
        near = parallel_map(partial(_reroute, task), _worth_rerouting(results), _offset(progress, begun, total))
    if progress:
        progress(total, total)
    return sorted(results + [result for result in near if result is not None], key=_rank)


def qiskit_default(results: Sequence[TranspiledCircuit]) -> TranspiledCircuit:
    """Return the result of Qiskit's level 3 with seed 0."""
    return next(one for one in results if not one.result.moved and one.result.options == QISKIT_DEFAULT)


def transpile_candidate(circuit: QuantumCircuit, target: Target, options: TranspileOptions) -> QuantumCircuit:
    """Transpile with limits on VF2, except for Qiskit's own choice; see `search`."""
    return run_preset(circuit, target, options, limit_vf2=options != QISKIT_DEFAULT)


def _attempt(task: _Task, options: TranspileOptions) -> TranspiledCircuit | BackendError:
    """Return an error if these options fail, as a trivial layout on qubits without couplers does, or time is up."""
    if time.time() > task.deadline and options != QISKIT_DEFAULT:
        return BackendError("the time for the search is up")
    began = time.perf_counter()
    circuit = task.merged if options.merge_rotations else task.circuit
    try:
        if options.routing_method == BLOCKS:
            isa = run_block_routing(circuit, task.blocks, task.target, options)
        else:
            isa = transpile_candidate(circuit, task.target, options)
    except BackendError as error:
        return error
    return _evaluate(task, options, isa, moved=False, began=began)


def _move(task: _Task, transpiled: TranspiledCircuit) -> TranspiledCircuit | None:
    """Move to better qubits; None if there are none."""
    began = time.perf_counter()
    ends = final_layout(transpiled.isa)
    mapping = post_layout(transpiled.isa, task.target, [ends[qubit] for qubit in task.measured])
    if mapping is None:
        return None
    isa = relayout(transpiled.isa, mapping, task.target)
    moved = _evaluate(task, transpiled.result.options, isa, moved=True, began=began)
    return moved if _success(moved) > _success(transpiled) else None


def _reroute(task: _Task, transpiled: TranspiledCircuit) -> TranspiledCircuit | None:
    """Look for a better route near that of a circuit; None if there is none, or time is up."""
    if time.time() > task.deadline:
        return None
    began, options = time.perf_counter(), transpiled.result.options
    try:
        isa = run_block_routing(task.merged, task.blocks, task.target, options, transpiled.result.layout)
    except BackendError:
        return None
    near = _evaluate(task, options, isa, moved=True, began=began)
    best = max((near, _move(task, near) or near, transpiled), key=_success)
    return None if best is transpiled else best


def _evaluate(
    task: _Task, options: TranspileOptions, isa: QuantumCircuit, moved: bool, began: float
) -> TranspiledCircuit:
    seconds, ends = time.perf_counter() - began, final_layout(isa)
    metrics = compute_metrics(isa, task.target, [ends[qubit] for qubit in task.measured], task.two_qubit_bound)
    return TranspiledCircuit(TranspileResult(options, moved, seconds, initial_layout(isa), metrics), isa)


def _worth_moving(results: Sequence[TranspiledCircuit]) -> list[TranspiledCircuit]:
    """Select the best by success and by gates, without duplicates: elsewhere, few gates may outweigh good qubits.

    And all that were routed by blocks, which does not look at single qubits.
    """
    by_success = sorted(results, key=_rank)
    by_gates = sorted(results, key=lambda one: (one.result.metrics.two_qubit_gates, *_rank(one)))
    distinct: dict[tuple[object, ...], TranspiledCircuit] = {}
    by_blocks = [one for one in by_success if one.result.options.routing_method == BLOCKS]
    some = _without_duplicates(by_success)[:MAX_MOVED] + _without_duplicates(by_gates)[:MAX_MOVED]
    for one in some + by_blocks:
        distinct.setdefault(_signature(one), one)
    return list(distinct.values())


def _worth_rerouting(results: Sequence[TranspiledCircuit]) -> list[TranspiledCircuit]:
    """Select the best that were routed by blocks, one of each layout."""
    by_blocks = [one for one in sorted(results, key=_rank) if one.result.options.routing_method == BLOCKS]
    return list({one.result.layout: one for one in reversed(by_blocks)}.values())[::-1][:MAX_REROUTED]


def _without_duplicates(results: Sequence[TranspiledCircuit]) -> list[TranspiledCircuit]:
    return list({_signature(one): one for one in reversed(results)}.values())[::-1]


def _signature(transpiled: TranspiledCircuit) -> tuple[object, ...]:
    """Equal for circuits that do the same on the same qubits."""
    metrics = transpiled.result.metrics
    return transpiled.result.layout, tuple(metrics.gates.items()), metrics.depth, metrics.success


def _success(transpiled: TranspiledCircuit) -> float:
    return transpiled.result.metrics.success.total


def _rank(transpiled: TranspiledCircuit) -> tuple[float, int, int, int, bool, str, str]:
    """Return a sort key, the best first."""
    result, options = transpiled.result, transpiled.result.options
    gates = result.metrics.two_qubit_gates
    methods = options.layout_method, options.routing_method
    return -_success(transpiled), gates, -options.level, options.seed, result.moved, *methods


def _offset(progress: ProgressCallback | None, done: int, total: int) -> Callable[[int], None]:
    return lambda more: progress(done + more, total) if progress else None


def _listed(numbers: Sequence[int]) -> str:
    return ", ".join(map(str, numbers)) or "none"
