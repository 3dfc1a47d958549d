"""Simulated devices: published snapshots under names of IBM's fleet, and what circuits they can run."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qgen.devices import Device, open_device
from qgen.devices.device import PREFIX
from qgen.errors import QgenError

if TYPE_CHECKING:
    from qiskit import QuantumCircuit
    from qiskit.transpiler import Target

    from qgen.backends.parameters import Doubles
    from qgen.devserver.noise import DeviceErrors

MICROSECOND = 1e-6
NOT_ISA, ANGLE = 1517, 1519  # IBM's codes
_OUT_OF_ORDER = {"date": "2026-01-01T00:00:00+00:00", "name": "operational", "unit": "", "value": 0}


@dataclass(frozen=True)
class DeviceModel:
    """A snapshot to serve, its name, and whether it has errors.

    Attributes:
        snapshot: as in `fake_brisbane`; see `qgen backends --all`.
        name: the device's name; empty: that of the machine behind the snapshot, `ibm_brisbane`.
        noisy: whether results have the errors of the snapshot's gates, relaxation and readout.
    """

    snapshot: str
    name: str = ""
    noisy: bool = True


class SimulatedDevice:
    """A device of a running server. `online` and `retired` may be changed while it runs.

    Attributes:
        online: an offline device accepts jobs, and keeps them waiting.
        retired: a retired device is in no list and takes no jobs; results of its jobs stay.
        mock: see `make_mock`.
        broken: couplers that are out of order, see `break_coupler`.

    Raises:
        BackendError: there is no such snapshot.
    """

    def __init__(self, model: DeviceModel) -> None:
        self._device: Device = open_device(model.snapshot)
        self.name = model.name or f"ibm_{self._device.city}"
        self.mock = False
        self.noisy = model.noisy
        self.online, self.retired = True, False
        self.broken: set[frozenset[int]] = set()

    def make_mock(self) -> SimulatedDevice:
        """Return the mock device beside this one, for dry runs: it is free, and its results are random."""
        mock = copy(self)
        mock.name, mock.mock = re.sub("^[^_]*", "mock", self.name), True
        return mock

    @property
    def qubits(self) -> int:
        """Number of qubits."""
        return self._device.qubits

    @property
    def target(self) -> Target:
        """The snapshot's target, including gates that are out of order."""
        return self._device.backend.target

    @cached_property
    def configuration(self) -> dict[str, Any]:
        """The snapshot's configuration under this device's name."""
        return self._read("conf") | {"backend_name": self.name}

    @property
    def properties(self) -> dict[str, Any]:
        """The snapshot's properties under this device's name, with what is out of order by now."""
        if not self.broken:
            return self._properties
        gates = [
            gate | {"parameters": [*gate["parameters"], _OUT_OF_ORDER]} if self._is_broken(gate["qubits"]) else gate
            for gate in self._properties["gates"]
        ]
        return self._properties | {"gates": gates}

    @cached_property
    def _properties(self) -> dict[str, Any]:
        return self._read("props") | {"backend_name": self.name}

    def recalibrate(self, moment: datetime, factor: Callable[[tuple[int, ...]], float]) -> None:
        """Calibrate anew: the error of every gate and readout is multiplied by a factor that depends on its qubits."""
        properties = json.loads(json.dumps(self._properties))
        properties["last_update_date"] = moment.isoformat()
        errors = [(tuple(gate["qubits"]), value) for gate in properties["gates"] for value in gate["parameters"]]
        errors += [((qubit,), value) for qubit, values in enumerate(properties["qubits"]) for value in values]
        for qubits, value in errors:
            if value["name"] in ("gate_error", "readout_error"):
                value["value"] = min(1.0, factor(qubits) * value["value"])
        self._properties = properties

    def break_coupler(self, first: int, second: int) -> None:
        """Put a coupler out of order: the calibration says so, and jobs that use it fail."""
        self.broken.add(frozenset((first, second)))

    def supports(self, name: str, qubits: Sequence[int]) -> bool:
        """Return whether it has this instruction on these qubits, in working order."""
        return self.target.instruction_supported(name, tuple(qubits)) and not self._is_broken(qubits)

    def _is_broken(self, qubits: Sequence[int]) -> bool:
        return len(qubits) > 1 and any(coupler <= set(qubits) for coupler in self.broken)

    @property
    def rep_delay(self) -> float:
        """Seconds between two shots, unless a job asks for others."""
        return float(self.configuration.get("default_rep_delay", 250.0)) * MICROSECOND

    @cached_property
    def noise(self) -> DeviceErrors | None:
        """Its errors; None on an ideal device."""
        from qgen.devserver.noise import DeviceErrors

        return DeviceErrors(self.target, self._device.name) if self.noisy else None

    def _read(self, kind: str) -> dict[str, Any]:
        import qiskit_ibm_runtime.fake_provider as provider

        city = self._device.name.removeprefix(PREFIX)
        path = Path(provider.__path__[0]) / "backends" / city / f"{kind}_{city}.json"
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return content


class JobRefusedError(QgenError):
    """A job that cannot run, with the code that IBM's service has for the reason."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code


def check_instructions(circuit: QuantumCircuit, device: SimulatedDevice) -> None:
    """Check that the device supports every instruction.

    Raises:
        JobRefusedError: it does not.
    """
    if circuit.num_qubits > device.qubits:
        raise JobRefusedError(
            NOT_ISA, f"The circuit has {circuit.num_qubits} qubits; {device.name} has {device.qubits}."
        )
    index = {bit: k for k, bit in enumerate(circuit.qubits)}
    used: set[Any] = {(step.operation.name, tuple(index[bit] for bit in step.qubits)) for step in circuit.data}
    for name, qubits in sorted(used):
        if name not in ("barrier", "store") and not device.supports(name, qubits):
            raise JobRefusedError(
                NOT_ISA,
                f"The instruction {name} on qubits {qubits} is not supported by the target system. "
                "Transpile your circuits for the target before submitting a primitive query.",
            )


def check_angles(circuit: QuantumCircuit, values: Doubles) -> None:
    """Check that the angles of RZZ are from 0 to pi/2, as IBM's devices require.

    Args:
        circuit: the circuit.
        values: values of its parameters (..., P).

    Raises:
        JobRefusedError: an angle is not.
    """
    from qiskit.primitives.containers.sampler_pub import SamplerPub
    from qiskit_ibm_runtime.utils.utils import is_valid_rzz_pub

    if "rzz" in circuit.count_ops() and (message := is_valid_rzz_pub(SamplerPub.coerce((circuit, values)))):
        raise JobRefusedError(ANGLE, message)
