"""A noise file: the gates of an imagined device, and one noise for all of its qubits."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from math import inf
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import Field, field_validator, model_validator

from qgen.settings import Settings

#: Endings of noise files, in any case.
ENDINGS = (".yaml", ".yml", ".json")
#: Gates that Aer has both for density matrices and for state vectors.
ONE_QUBIT_GATES = ("id", "x", "y", "z", "h", "s", "sdg", "t", "tdg", "sx", "sxdg", "rx", "ry", "rz", "p", "r", "u")
TWO_QUBIT_GATES = ("cx", "cy", "cz", "ecr", "swap", "rxx", "ryy", "rzz", "rzx", "cp")
CLASSES = {"one_qubit": ONE_QUBIT_GATES, "two_qubit": TWO_QUBIT_GATES}
MAX_QUBITS = 1000
ROW_TOLERANCE = 1e-9

Probability = Annotated[float, Field(ge=0, le=1)]
Nanoseconds = Annotated[float, Field(ge=0, le=1e9)]
Microseconds = Annotated[float, Field(ge=1e-3, le=1e12)]
Qubit = Annotated[int, Field(ge=0, lt=MAX_QUBITS)]
Pair: TypeAlias = tuple[Qubit, Qubit]
Gate = Annotated[str, Field(json_schema_extra={"enum": [*ONE_QUBIT_GATES, *TWO_QUBIT_GATES]})]


class RelaxationSettings(Settings):
    """Energy relaxation and dephasing of all qubits that a gate acts on, while it lasts; idle noise: of others, too."""

    t1_us: Microseconds | None = None
    """T1 in microseconds, after which an excited state has decayed to 1/e; null: it never decays"""
    t2_us: Microseconds | None = None
    """T2 in microseconds, after which a superposition has decayed to 1/e, at most 2 T1; null: 2 T1"""
    one_qubit_ns: Nanoseconds
    """how long a gate on one qubit takes, in nanoseconds; virtual gates take no time"""
    two_qubit_ns: Nanoseconds
    """how long a gate on two qubits takes, in nanoseconds"""

    @model_validator(mode="after")
    def _check_times(self) -> RelaxationSettings:
        if self.t1_us is None and self.t2_us is None:
            raise ValueError("give `t1_us`, `t2_us` or both")
        if self.t1_us is not None and self.t2_us is not None and self.t2_us > 2 * self.t1_us:
            raise ValueError(f"t2_us is {self.t2_us:g}, but T2 is at most 2 T1, here {2 * self.t1_us:g}")
        return self

    def times_us(self) -> tuple[float, float]:
        """Return T1 and T2 in microseconds; infinity: never."""
        t1 = inf if self.t1_us is None else self.t1_us
        return t1, 2 * t1 if self.t2_us is None else self.t2_us


class NoiseSettings(Settings):
    """The content of a noise file. Every part is optional; without any there is no noise."""

    basis: tuple[Gate, ...] = ("rz", "sx", "x", "cx")
    """gates that circuits are rewritten in, one on two qubits at least"""
    virtual: tuple[Gate, ...] = ("rz",)
    """gates of the basis that take no time and make no errors, as changes of a qubit's frame do"""
    coupling: Literal["line", "ring"] | tuple[Pair, ...] | None = None
    """pairs of qubits that gates on two qubits act on, either way round; `line`, `ring`; null: every pair"""
    depolarizing: dict[str, Probability] = Field(default_factory=dict)
    """probability p of rho -> (1 - p) rho + p I/d after a gate: `one_qubit`, `two_qubit`, or by a gate's own name"""
    relaxation: RelaxationSettings | None = None
    """T1, T2 and the durations of gates"""
    readout: tuple[tuple[Probability, Probability], tuple[Probability, Probability]] | None = None
    """a row for each prepared bit: the probabilities to read 0 and 1, which sum to one; the same for all qubits"""

    @field_validator("basis", "virtual")
    @classmethod
    def _check_names(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        for name in names:
            _check_known(name, (*ONE_QUBIT_GATES, *TWO_QUBIT_GATES), "gate")
        return tuple(dict.fromkeys(names))

    @field_validator("basis")
    @classmethod
    def _check_entangles(cls, basis: tuple[str, ...]) -> tuple[str, ...]:
        if not set(basis) & set(TWO_QUBIT_GATES):
            raise ValueError(f"a basis needs a gate on two qubits, one of {', '.join(TWO_QUBIT_GATES)}")
        return basis

    @field_validator("coupling", mode="before")
    @classmethod
    def _check_coupling(cls, coupling: Any) -> Any:
        if coupling in (None, "line", "ring"):
            return coupling
        pairs = coupling if isinstance(coupling, Sequence) and not isinstance(coupling, str) else ()
        if not pairs or not all(_is_pair(pair) for pair in pairs):
            raise ValueError(
                "give `line`, `ring`, null (every pair), or pairs of different qubits as in [[0, 1], [1, 2]], "
                f"numbered from 0 to {MAX_QUBITS - 1}"
            )
        return tuple(tuple(pair) for pair in pairs)

    @field_validator("readout")
    @classmethod
    def _check_rows(cls, readout: tuple[tuple[float, float], ...] | None) -> tuple[tuple[float, float], ...] | None:
        for prepared, row in enumerate(readout or ()):
            if abs(sum(row) - 1) > ROW_TOLERANCE:
                raise ValueError(f"row {prepared} sums to {sum(row):.10g}; each row has to sum to one")
        return readout

    @model_validator(mode="after")
    def _check_gates(self) -> NoiseSettings:
        noisy = tuple(name for name in self.basis if name not in self.virtual)
        for name in self.virtual if "virtual" in self.model_fields_set else ():
            _check_known(name, self.basis, "gate of the basis, and so no virtual one")
        for key in self.depolarizing:
            if key in self.virtual:
                raise ValueError(f"`depolarizing.{key}`: `{key}` is a virtual gate, and makes no errors")
            _check_known(key, (*CLASSES, *noisy), "key of `depolarizing`")
        return self

    def gate_class(self, gate: str) -> str:
        """Return "one_qubit" or "two_qubit"."""
        return next(name for name, gates in CLASSES.items() if gate in gates)

    def probability(self, gate: str) -> float:
        """Return the probability with which this gate depolarises its qubits."""
        if gate in self.virtual:
            return 0.0
        return self.depolarizing.get(gate, self.depolarizing.get(self.gate_class(gate), 0.0))

    def duration_ns(self, gate: str) -> float:
        """Return the duration of this gate in nanoseconds; 0 without relaxation."""
        if gate in self.virtual or self.relaxation is None:
            return 0.0
        return self.relaxation.one_qubit_ns if gate in ONE_QUBIT_GATES else self.relaxation.two_qubit_ns


def _is_pair(pair: Any) -> bool:
    if not isinstance(pair, Sequence) or len(pair) != 2 or pair[0] == pair[1]:
        return False
    return all(type(qubit) is int and 0 <= qubit < MAX_QUBITS for qubit in pair)


def _check_known(given: str, known: Sequence[str], what: str) -> None:
    if given not in known:
        near = get_close_matches(given, known, 1, cutoff=0.5)
        hint = f" Did you mean `{near[0]}`?" if near else ""
        raise ValueError(f"`{given}` is no {what}.{hint} Known: {', '.join(known)}")
