"""A device of IBM's as the circuits that run there see it."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

from qgen.backends.ibm.options import HardwareOptions
from qgen.backends.ibm.remembered import Notes
from qgen.backends.ibm.runner import Runner
from qgen.backends.pins import Pins
from qgen.backends.primitives.executable import SamplerBackend
from qgen.circuits import LayerCircuit


class Hardware(SamplerBackend):
    """See the module.

    Attributes:
        shots: how often each circuit is measured.
        options: how circuits run.
        machine: the device, as IBM's client has it.
        runner: has circuits run, each paid for once.
        notes: where circuits were put, kept once something is submitted.
        calibrated: the moment of the device's last calibration, in words; None where IBM does not say.
    """

    shots: int
    options: HardwareOptions
    machine: Any
    runner: Runner
    notes: Notes
    calibrated: str | None

    @property
    @abstractmethod
    def rep_delay_us(self) -> float:
        """The wait before each execution, in microseconds."""

    @property
    @abstractmethod
    def couplers(self) -> list[tuple[int, int]]:
        """All pairs of qubits that it was built with, in the directions of its gates, whether they work or not."""

    @abstractmethod
    def layouts(self, circuit: LayerCircuit) -> list[Pins]:
        """The circuit on the device each time that it was put there, the oldest first; or as the user pinned it."""

    @abstractmethod
    def place_anew(self, circuit: LayerCircuit) -> Pins:
        """The circuit on the device as that is today.

        Raises:
            BackendError: it does not fit, or the user pinned it somewhere else.
        """
