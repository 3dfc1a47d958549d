"""Circuits on a device by other transpilers, each the way its user would do it.

A way takes a circuit that ends in measurements, and a device; it returns circuits in the device's own gates, of which
the benchmark takes the best by its own measure. Libraries are imported where they are used: `pip install pytket
pytket-qiskit symengine bqskit mapomatic`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
from qiskit import QuantumCircuit, transpile
from qiskit.transpiler import Target

STOCK_SEEDS = 60
#: Of BQSKit, whose higher levels take minutes for a circuit of 12 qubits.
BQSKIT_LEVEL = 1
#: The last circuit, device and seeds of `level_3`, and what came of them: it may take minutes.
_last: tuple[QuantumCircuit, Target, int, list[QuantumCircuit]] | None = None


def level_3(circuit: QuantumCircuit, target: Target, seeds: int = STOCK_SEEDS) -> list[QuantumCircuit]:
    """Return what Qiskit's level 3 makes of a circuit with so many seeds."""
    global _last
    if _last is None or _last[0] is not circuit or _last[1] is not target or _last[2] != seeds:
        numbers = range(seeds)
        routed = [transpile(circuit, target=target, optimization_level=3, seed_transpiler=seed) for seed in numbers]
        _last = circuit, target, seeds, routed
    return _last[-1]


def mapomatic(circuit: QuantumCircuit, target: Target, seeds: int = STOCK_SEEDS) -> list[QuantumCircuit]:
    """Return those of so many circuits of level 3 with the fewest two-qubit gates, moved where mapomatic would.

    Its own evaluation asks for a `BackendV1`, which Qiskit 2 has no more; its cost, the product of what gates and
    readout leave, is written here for a `Target`. The time of level 3 is not counted again.
    """
    from mapomatic import deflate_circuit, matching_layouts

    routed = level_3(circuit, target, seeds)
    fewest = min(map(_two_qubit_gates, routed))
    coupling = target.build_coupling_map()
    moved = []
    for one in {_key(one): one for one in routed if _two_qubit_gates(one) == fewest}.values():
        small = deflate_circuit(one)
        layouts = matching_layouts(small, coupling, strict_direction=True, call_limit=200_000)
        best = max(layouts, key=lambda layout: _kept(small, layout, target))
        placed = QuantumCircuit(target.num_qubits, small.num_clbits)
        placed.compose(small, best, range(small.num_clbits), inplace=True)
        moved.append(placed)
    return moved


def tket(circuit: QuantumCircuit, target: Target) -> list[QuantumCircuit]:
    """Return what TKET's full optimisation makes of a circuit without open angles, by its placements of graph and line.

    The passes are those of level 2 of its IBM backends; Qiskit writes the result in the device's gates.
    """
    from pytket import passes, placement
    from pytket.architecture import Architecture
    from pytket.extensions.qiskit import qiskit_to_tk, tk_to_qiskit

    couplers = Architecture([tuple(pair) for pair in target.build_coupling_map()])
    begun = qiskit_to_tk(transpile(circuit, basis_gates=["cx", "rz", "sx", "x"], optimization_level=0))
    results = []
    for place in (placement.GraphPlacement(couplers), placement.LinePlacement(couplers)):
        routed = begun.copy()
        for one in (
            passes.FullPeepholeOptimise(),
            passes.CXMappingPass(couplers, place, directed_cx=False, delay_measures=True),
            passes.NaivePlacementPass(couplers),
            passes.KAKDecomposition(allow_swaps=False),
            passes.CliffordSimp(allow_swaps=False),
            passes.SynthesiseTket(),
            passes.RemoveRedundancies(),
        ):
            one.apply(routed)
        results.append(_in_place(tk_to_qiskit(routed), target))
    return results


def bqskit(circuit: QuantumCircuit, target: Target) -> list[QuantumCircuit]:
    """Return what BQSKit makes of a circuit without open angles; Qiskit writes it in the device's gates."""
    from bqskit import MachineModel, compile
    from bqskit.compiler import Compiler
    from bqskit.ext import bqskit_to_qiskit, qiskit_to_bqskit
    from bqskit.ir.gates import CXGate, U3Gate

    bare = transpile(circuit, basis_gates=["cx", "rz", "sx", "x"], optimization_level=0)
    bare.remove_final_measurements()
    couplers = {tuple(sorted(pair)) for pair in target.build_coupling_map()}
    model = MachineModel(target.num_qubits, list(couplers), gate_set={CXGate(), U3Gate()})
    with Compiler(num_workers=1) as compiler:
        routed, _, ends = compile(
            qiskit_to_bqskit(bare), model, BQSKIT_LEVEL, compiler=compiler, with_mapping=True, seed=0
        )
    placed = QuantumCircuit(target.num_qubits, circuit.num_clbits)
    placed.compose(bqskit_to_qiskit(routed), range(routed.num_qudits), inplace=True)
    for qubit, bit in measurements(circuit):
        placed.measure(ends[qubit], bit)
    return [_in_place(placed, target)]


def ways(stock_seeds: int) -> dict[str, tuple[str, Callable[[QuantumCircuit, Target], list[QuantumCircuit]]]]:
    """Return all ways by their names, with the angles that each is given; Qiskit's own tries so many seeds."""
    few = "" if stock_seeds == STOCK_SEEDS else f", {stock_seeds} seeds"
    stock, moved = partial(level_3, seeds=stock_seeds), partial(mapomatic, seeds=stock_seeds)
    return {
        f"level 3{few}, open": ("open", stock),
        f"level 3{few}, bound": ("bound", stock),
        f"mapomatic{few}, bound": ("bound", moved),
        "TKET, all bound": ("all bound", tket),
        "BQSKit, all bound": ("all bound", bqskit),
    }


def _in_place(circuit: QuantumCircuit, target: Target) -> QuantumCircuit:
    wide = QuantumCircuit(target.num_qubits, circuit.num_clbits)
    wide.compose(circuit, range(circuit.num_qubits), range(circuit.num_clbits), inplace=True)
    return transpile(
        wide, target=target, initial_layout=range(target.num_qubits), optimization_level=1, seed_transpiler=0
    )


def _two_qubit_gates(circuit: QuantumCircuit) -> int:
    return sum(step.operation.num_qubits == 2 for step in circuit.data if step.operation.name != "barrier")


def _key(circuit: QuantumCircuit) -> tuple[object, ...]:
    """Return what two circuits share that mapomatic would move alike."""
    return tuple(
        tuple(circuit.find_bit(q).index for q in step.qubits) for step in circuit.data if len(step.qubits) == 2
    )


def measurements(circuit: QuantumCircuit) -> Iterator[tuple[int, int]]:
    """Yield the qubit and the bit of each measurement."""
    for step in circuit.data:
        if step.operation.name == "measure":
            yield circuit.find_bit(step.qubits[0]).index, circuit.find_bit(step.clbits[0]).index


def _kept(circuit: QuantumCircuit, layout: list[int], target: Target) -> float:
    """Return the logarithm of what gates and readout leave."""
    kept = 0.0
    for step in circuit.data:
        place = tuple(layout[circuit.find_bit(qubit).index] for qubit in step.qubits)
        properties = target[step.operation.name].get(place)
        error = 1.0 if properties is None else properties.error or 0.0
        kept += -np.inf if error >= 1 else math.log1p(-error)
    return kept
