"""What circuits on IBM's hardware need of their device, and a circuit in one layout there."""

from __future__ import annotations

from abc import abstractmethod
from enum import IntEnum
from typing import Any, NamedTuple, Protocol

from qiskit.transpiler import Target

from qgen.backends.api import Backend
from qgen.backends.device.executable import DeviceExecutable
from qgen.backends.device.saved_layouts import SavedLayouts
from qgen.backends.ibm.layouts import PendingNotes
from qgen.backends.ibm.options import HardwareOptions
from qgen.backends.ibm.runner import JobRunner
from qgen.backends.mitigation.method import Mitigation
from qgen.circuits import LayerCircuit
from qgen.transpilation.cost import WorkloadCost
from qgen.transpilation.tiling import Tiling


class Hardware(Backend):
    """A device of IBM's, as the circuits on it see it.

    Attributes:
        shots: per circuit.
        tiles: copies of a circuit that run side by side; None: as many as are worth it.
        options: how circuits run.
        mitigation: what is done against errors here, beside `options`: readout; None: nothing.
        machine: the device, as IBM's client has it.
        target: what circuits are transpiled for.
        runner: runs circuits, each paid for once.
        notes: where circuits were put, kept once something is submitted.
        calibrated: the time of the device's last calibration; None where IBM does not say.
    """

    shots: int
    tiles: int | None
    options: HardwareOptions
    mitigation: Mitigation | None
    machine: Any
    target: Target
    runner: JobRunner
    notes: PendingNotes
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
    def round_shots(self, shots: int) -> int:
        """Return how many shots run where so many are asked for."""

    @abstractmethod
    def layouts(self, circuit: LayerCircuit) -> list[SavedLayouts]:
        """Return the layouts of the circuit, the oldest first; or the one that the user chose."""

    @abstractmethod
    def place_anew(self, circuit: LayerCircuit) -> SavedLayouts:
        """Route the circuit for the device as that is today.

        Raises:
            BackendError: it does not fit, or the user chose another layout.
        """


class Submit(IntEnum):
    """What may be submitted: nothing; calibrations alone, of circuits that the journal has; or all that it lacks."""

    NOTHING = 0
    CALIBRATIONS = 1
    ALL = 2


class Jobs(Protocol):
    """The jobs of a circuit in one layout.

    Attributes:
        submit: what may be submitted of what the journal does not have.
    """

    submit: Submit

    def submit_no_circuits(self) -> None:
        """Let no more than calibrations be submitted, where there are any."""
        ...

    @property
    def tiling(self) -> Tiling | None:
        """Where copies of the circuit run; None where there is nothing to measure."""
        ...

    def tiling_now(self) -> Tiling | None:
        """Return the same, with the success of each copy as the device is today."""
        ...

    def cost(self, samples: int, shots: int | None = None) -> WorkloadCost:
        """Return what one submission of so many settings of the angles costs, as an upper bound.

        Args:
            samples: the settings.
            shots: of each; None: those of the backend.
        """
        ...


class HardwareLayout(NamedTuple):
    """A circuit compiled for one layout, and its jobs."""

    executable: DeviceExecutable
    jobs: Jobs
