"""Transpile a circuit for a device, one way: options, result, and Qiskit's preset pass manager behind them."""

from __future__ import annotations

import pickle
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from qiskit import QuantumCircuit, generate_preset_pass_manager
from qiskit.circuit.library import UnitaryGate
from qiskit.exceptions import QiskitError
from qiskit.transpiler import PassManager, Target
from qiskit.transpiler.passes import VF2Layout, VF2PostLayout

from qgen.circuits.custom_gates import unroll_custom_gates
from qgen.circuits.exact_synthesis import synthesize_exactly
from qgen.errors import BackendError
from qgen.transpilation.absorb_swaps import AbsorbSwaps
from qgen.transpilation.block_search import route_blocks
from qgen.transpilation.blocks import BlockCircuit, find_blocks
from qgen.transpilation.circuit_metrics import CircuitMetrics
from qgen.transpilation.delays import delays_to_gates, gates_to_delays, target_with_placeholders
from qgen.transpilation.merge_rotations import merge_rotations
from qgen.transpilation.relayout import set_layout

#: The layout or routing method that Qiskit's preset chooses.
DEFAULT_METHOD = "default"
#: The layout and routing method of `block_search`.
BLOCKS = "blocks"
#: Qubits of the largest group of terms in an evolution, not commuting, that is synthesised from its matrix: some 45
#: two-qubit gates for an open time. On four qubits it would be 200, whose errors on any device outweigh those of a
#: product formula.
MAX_EVOLUTION_QUBITS = 3
#: Qubits of the largest matrix that the transpiler may synthesise; it is off by up to 1e-4 for some larger ones.
_MAX_UNITARY_QUBITS = 2
#: Limits of the passes VF2Layout and VF2PostLayout at levels 1 and 2.
_VF2_CALLS, _VF2_TRIALS = 50_000, 2_500


@dataclass(frozen=True)
class TranspileOptions:
    """Options of one transpilation.

    Attributes:
        level: the optimisation level, 0 to 3.
        seed: of the transpiler.
        layout_method, routing_method: as Qiskit names them; "default" for the preset's own choice.
        merge_rotations: controlled rotations on one pair of qubits are merged before; see `merge_rotations`.
        absorb_swaps: SWAPs of routing are absorbed into the gates beside them; see `absorb_swaps`.
    """

    level: int
    seed: int
    layout_method: str = DEFAULT_METHOD
    routing_method: str = DEFAULT_METHOD
    merge_rotations: bool = False
    absorb_swaps: bool = False


#: What Qiskit does by itself at its highest level.
QISKIT_DEFAULT = TranspileOptions(level=3, seed=0)
#: What backends do with a circuit that was not searched for.
BACKEND_DEFAULT = TranspileOptions(level=2, seed=0, merge_rotations=True)


@dataclass(frozen=True)
class TranspileResult:
    """The result of one transpilation.

    Attributes:
        options: of the transpilation.
        moved: whether the result was moved to better qubits afterwards; see `relayout`.
        seconds: wall-clock time.
        layout: the physical qubit on which each logical qubit starts.
        metrics: of the transpiled circuit.
    """

    options: TranspileOptions
    moved: bool
    seconds: float
    layout: tuple[int, ...]
    metrics: CircuitMetrics


class TranspiledCircuit:
    """A result and its circuit.

    From another process the circuit arrives pickled: most are never used, and unpickling takes as long as transpiling.

    Attributes:
        result: its options and metrics.
    """

    def __init__(self, result: TranspileResult, isa: QuantumCircuit) -> None:
        self.result = result
        self._isa: QuantumCircuit | None = isa
        self._pickled = b""

    @property
    def isa(self) -> QuantumCircuit:
        """The circuit in the device's gates on all of its qubits, with its layout."""
        if self._isa is None:
            self._isa = pickle.loads(self._pickled)
        return self._isa

    def __getstate__(self) -> dict[str, Any]:
        pickled = self._pickled or pickle.dumps(self._isa)
        return {"result": self.result, "_isa": None, "_pickled": pickled}


def transpile(circuit: QuantumCircuit, target: Target, options: TranspileOptions = BACKEND_DEFAULT) -> QuantumCircuit:
    """Transpile a circuit for a device; its parameters and delays stay.

    Args:
        circuit: unitary.
        target: the device.
        options: of the transpilation.

    Raises:
        BackendError: the transpiler cannot do it, or a delay is in a unit that the device does not have.
        CircuitError: see `prepare_for_transpiler`.
    """
    prepared = prepare_for_transpiler(circuit)
    merged = merge_rotations(prepared) if options.merge_rotations else prepared
    if options.routing_method == BLOCKS:
        return run_block_routing(merged, find_blocks(merged), target, options)
    return run_preset(merged, target, options)


def prepare_for_transpiler(circuit: QuantumCircuit) -> QuantumCircuit:
    """Write a circuit in gates of Qiskit's library whose definitions mean the same as their matrices.

    Qiskit's transpiler goes by definitions and names. The same object is returned if nothing has to change. A
    `ProductFormulaWarning` names evolutions that can only run as a product formula.

    Raises:
        CircuitError: see `synthesize_exactly` and `unroll_custom_gates`.
    """
    unrolled = unroll_custom_gates(synthesize_exactly(circuit, MAX_EVOLUTION_QUBITS))
    if not any(_is_large_unitary(instruction.operation) for instruction in unrolled.data):
        return unrolled
    prepared = unrolled.copy_empty_like()
    for instruction in unrolled.data:
        if _is_large_unitary(instruction.operation):
            prepared.compose(instruction.operation.definition, instruction.qubits, inplace=True)
        else:
            prepared.append(instruction)
    return prepared


def run_preset(
    circuit: QuantumCircuit, target: Target, options: TranspileOptions, *, limit_vf2: bool = False
) -> QuantumCircuit:
    """Run Qiskit's preset pass manager on a prepared circuit; its delays stay.

    Args:
        circuit: see `prepare_for_transpiler`; its rotations are merged already if `options` say so.
        target: the device.
        options: of the transpilation.
        limit_vf2: let level 3 search for layouts without routing no longer than level 2 does. Its own limit is ten
            seconds and more for circuits in several parts.

    Raises:
        BackendError: the transpiler cannot do it, or a delay is in a unit that the device does not have.
    """
    methods = {"layout_method": options.layout_method, "routing_method": options.routing_method}
    replaced, placeholders = delays_to_gates(circuit)
    try:
        manager = generate_preset_pass_manager(
            optimization_level=options.level,
            target=target_with_placeholders(target, placeholders),
            seed_transpiler=options.seed,
            **{key: method for key, method in methods.items() if method != DEFAULT_METHOD},
        )
        if limit_vf2 and options.level == QISKIT_DEFAULT.level:
            _limit_vf2(manager.to_flow_controller().tasks)
        if options.absorb_swaps:
            manager.post_routing = PassManager([AbsorbSwaps()])
        isa = manager.run(replaced)
    except TypeError as error:
        # Qiskit 2.6 copies the circuit at level 3, and cannot copy some sums of angles whose parameters cancelled.
        raise BackendError(
            f"Qiskit's transpiler fails on an angle of this circuit at level {options.level} ({error}): take level 2"
        ) from error
    except (QiskitError, ValueError, IndexError) as error:  # an IndexError of layout `dense` on a device of one qubit
        reason = error.message if isinstance(error, QiskitError) else error
        raise BackendError(f"the transpiler cannot fit this circuit to the device: {reason}") from error
    return gates_to_delays(isa, placeholders, target)


def run_block_routing(
    circuit: QuantumCircuit,
    blocks: BlockCircuit | None,
    target: Target,
    options: TranspileOptions,
    start: Sequence[int] | None = None,
) -> QuantumCircuit:
    """Lay out and route a circuit by its blocks, and translate and optimise the result as Qiskit's preset does.

    Args:
        circuit: see `prepare_for_transpiler`; its rotations are merged already if `options` say so.
        blocks: of the circuit; see `find_blocks`.
        target: the device.
        options: of the transpilation; its methods are not looked at.
        start: physical qubits on which a good route begins; see `route_blocks`.

    Raises:
        BackendError: the circuit is not one of gates alone, all qubits of the device are coupled, or there is no route.
    """
    try:
        routed = None if blocks is None else route_blocks(blocks, target, options.seed, start)
    except QiskitError as error:  # of Sabre's layout
        raise BackendError(f"the transpiler cannot fit this circuit to the device: {error.message}") from error
    if routed is None:
        raise BackendError("this circuit has no route by blocks on this device: take another routing method")
    try:
        manager = generate_preset_pass_manager(
            options.level,
            target=target,
            initial_layout=list(range(target.num_qubits)),  # with one of its own, it would look for better places
            routing_method="none",
            seed_transpiler=options.seed,
        )
        for stage in ("init", "layout", "routing"):
            setattr(manager, stage, None)
        isa = manager.run(routed.circuit)
    except (QiskitError, ValueError, TypeError) as error:  # see `run_preset`
        raise BackendError(f"the transpiler cannot translate this circuit for the device: {error}") from error
    set_layout(isa, circuit, routed.starts, routed.ends)
    return isa


def check_size(circuit: QuantumCircuit, target: Target, device: str = "the device") -> None:
    """Check that the circuit has no more qubits than the device.

    Raises:
        BackendError: it has more.
    """
    if circuit.num_qubits > target.num_qubits:
        raise BackendError(
            f"the circuit has {circuit.num_qubits} qubits, but {device} has {target.num_qubits}: "
            "take a smaller circuit or a larger device"
        )


def _limit_vf2(tasks: Iterable[Any]) -> None:
    for task in tasks:
        if isinstance(task, VF2Layout | VF2PostLayout):
            task.call_limit, task.max_trials = _VF2_CALLS, _VF2_TRIALS
        _limit_vf2(getattr(task, "tasks", ()))


def _is_large_unitary(operation: object) -> bool:
    return isinstance(operation, UnitaryGate) and operation.num_qubits > _MAX_UNITARY_QUBITS
