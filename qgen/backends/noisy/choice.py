"""Which method runs a noisy circuit: the one that was asked for, or the one that suits it.

It is chosen when the circuit is compiled, by the circuit alone: a sample's value is the same alone and in any batch.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Literal, TypeAlias

import numpy as np
import torch

from qgen.backends.device.routing import RoutedCircuit
from qgen.backends.noisy.method import Method
from qgen.backends.noisy.point import Point
from qgen.backends.noisy.program import NoisyProgram, compile_program
from qgen.circuits import LayerCircuit
from qgen.errors import BackendError
from qgen.noise import LocalNoise
from qgen.randomness import NO_STREAMS

Name: TypeAlias = Literal["auto", "exact", "propagate", "paths"]
DEFAULT_PATHS = 16
DEFAULT_TOLERANCE = 0.01
#: Up to so many wires `exact` takes no longer than the others take for a few per cent of error.
EXACT_WIRES = 8
#: Options that only these methods have a use for; `propagate` falls back on `paths`.
_USERS = {"paths": ("auto", "propagate", "paths"), "tolerance": ("auto", "propagate")}


#: Pauli strings at a time beyond which `auto` takes `paths`, which are as quick then.
AUTO_STRINGS = 1 << 16


def _no_fallback() -> Method:
    raise BackendError("this method never fails")


@dataclass(frozen=True)
class MethodOptions:
    """The method that is asked for, and its options.

    Attributes:
        name: `auto` chooses one of the others.
        paths: of method `paths`, for each value.
        tolerance: of method `propagate`: the root of the mean square of the values' errors.
    """

    name: Name = "auto"
    paths: int = DEFAULT_PATHS
    tolerance: float = DEFAULT_TOLERANCE

    @classmethod
    def of(
        cls, name: Name | None, paths: int | None, tolerance: float | None, shots: int | None = None
    ) -> MethodOptions:
        """Return the options with defaults for what is None.

        Raises:
            BackendError: an option is given that the method has no use for.
        """
        chosen: Name = name or "auto"
        if shots is not None and (chosen not in ("auto", "exact") or paths is not None or tolerance is not None):
            raise BackendError(
                f"shots = {shots} are drawn from probabilities that method `exact` finds: leave out what belongs to "
                "other methods, or take backend `aer:`"
            )
        for option, value in (("paths", paths), ("tolerance", tolerance)):
            users = _USERS[option]
            if value is not None and chosen not in users:
                raise BackendError(
                    f"method `{chosen}` has no use for {option} = {value!r}: leave it out, or take method `{users[-1]}`"
                )
        return cls(chosen, paths or DEFAULT_PATHS, tolerance or DEFAULT_TOLERANCE)


@dataclass(frozen=True)
class Choice:
    """A circuit and how it is run.

    Attributes:
        program: the circuit.
        name: of the method.
        method: the method.
        draws: whether errors are drawn, or may be.
        failures: what the method raises where it cannot keep its tolerance.
        fallback: returns the method that is taken then.
        autograd: angles (N, C) -> values (N, O) as part of torch's graph; None: there is none.
        no_autograd: why there is none, and what to do.
    """

    program: NoisyProgram
    name: Name
    method: Method
    draws: bool = False
    failures: tuple[type[Exception], ...] = ()
    fallback: Callable[[], Method] = _no_fallback
    autograd: Callable[[torch.Tensor], torch.Tensor] | None = None
    no_autograd: str = ""


def choose(options: MethodOptions, routed: RoutedCircuit, noise: LocalNoise, circuit: LayerCircuit) -> Choice:
    """Choose the method of a circuit and compile the circuit for it.

    Args:
        options: what is asked for.
        routed: the circuit on a device.
        noise: of its qubits.
        circuit: the layer's circuit, whose observables are measured.

    Raises:
        BackendError, CircuitError: an instruction that the engine cannot run, or a method that cannot run this circuit;
            the message says which can.
    """
    program = compile_program(routed, noise, circuit, noise.dt)

    @cache
    def paths() -> Method:
        from qgen.backends.noisy.paths import Paths

        return Paths(compile_program(routed, noise, circuit, noise.dt, prefix=False), options.paths)

    name = _suitable(program) if options.name == "auto" else options.name
    if name == "propagate":
        from qgen.backends.noisy.propagate import Propagation
        from qgen.backends.noisy.propagation_runs import TooManyStringsError

        failures = (TooManyStringsError,)
        if options.name == name or _succeeds(
            Propagation(program, options.tolerance, most_strings=AUTO_STRINGS), program, failures
        ):
            method, refusal = Propagation(program, options.tolerance), _no_second_derivatives(name, program)
            return Choice(program, name, method, True, failures, paths, no_autograd=refusal)
        name = "paths"
    refusal = _no_second_derivatives(name, program)
    if name == "paths":
        return Choice(program, name, paths(), draws=True, no_autograd=refusal)
    from qgen.backends.noisy.autograd import MOST_WIRES, AutogradValues
    from qgen.backends.noisy.exact import Exact

    autograd = AutogradValues(program) if program.wires <= MOST_WIRES else None
    return Choice(program, name, Exact(program), autograd=autograd, no_autograd=refusal)


def _suitable(program: NoisyProgram) -> Name:
    if program.wires <= EXACT_WIRES:
        return "exact"
    if program.shared:
        return "propagate"
    return "exact" if program.has_open_delays else "paths"


def _succeeds(method: Method, program: NoisyProgram, failures: tuple[type[Exception], ...]) -> bool:
    """Whether a method finds values at angles drawn at random, always the same ones."""
    angles = np.random.default_rng(0).uniform(-np.pi, np.pi, (1, program.columns))
    angles[:, list(program.delay_columns)] = 0
    one = np.zeros(1, dtype=np.int64)
    try:
        method.values(Point(angles, one, one, one, NO_STREAMS))
    except failures:
        return False
    return True


def _no_second_derivatives(name: str, program: NoisyProgram) -> str:
    from qgen.backends.noisy.autograd import MOST_WIRES

    return (
        f"derivatives of gradients under noise come from method `exact` on up to {MOST_WIRES} wires, and this circuit "
        f"runs on {program.wires} by method `{name}`: take fewer qubits or method `exact`, backend `statevector`, or "
        "penalise finite differences of values"
    )
