"""A device that the server offers: a published snapshot under a name of IBM's fleet."""

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

if TYPE_CHECKING:
    from qiskit.transpiler import Target

    from qgen.devserver.channels import Channels

US = 1e-6
_OUT_OF_ORDER = {"date": "2026-01-01T00:00:00+00:00", "name": "operational", "unit": "", "value": 0}


@dataclass(frozen=True)
class DeviceModel:
    """Which snapshot to serve, under which name, with or without its errors.

    Attributes:
        snapshot: as in `fake_brisbane`; see `qgen backends --all`.
        name: what clients call it; empty: that of the machine, `ibm_brisbane`.
        noisy: whether results have the errors of the snapshot's gates, relaxation and readout.
    """

    snapshot: str
    name: str = ""
    noisy: bool = True


class Machine:
    """A device of a running server. `online` and `retired` may be changed while it runs.

    Attributes:
        online: an offline device accepts jobs, and keeps them waiting.
        retired: a retired device is in no list and takes no jobs; results of its jobs stay.
        mock: see `twin`.
        broken: couplers that went out of order, see `break_coupler`.

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

    def twin(self) -> Machine:
        """The mock device beside this one, for dry runs: it is free, and its results are random."""
        twin = copy(self)
        twin.name, twin.mock = re.sub("^[^_]*", "mock", self.name), True
        return twin

    @property
    def qubits(self) -> int:
        """How many."""
        return self._device.qubits

    @property
    def target(self) -> Target:
        """Everything that it runs, gates that are out of order included, as its snapshot has it."""
        return self._device.backend.target

    @cached_property
    def configuration(self) -> dict[str, Any]:
        """The snapshot's JSON under this machine's name."""
        return self._read("conf") | {"backend_name": self.name}

    @property
    def properties(self) -> dict[str, Any]:
        """The snapshot's JSON, dates included, under this machine's name, and with what is out of order by now."""
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
        """A new calibration: every error of a gate and of a readout is so many times as large, by its qubits."""
        found = json.loads(json.dumps(self._properties))
        found["last_update_date"] = moment.isoformat()
        errors = [(tuple(gate["qubits"]), value) for gate in found["gates"] for value in gate["parameters"]]
        errors += [((qubit,), value) for qubit, values in enumerate(found["qubits"]) for value in values]
        for qubits, value in errors:
            if value["name"] in ("gate_error", "readout_error"):
                value["value"] = min(1.0, factor(qubits) * value["value"])
        self._properties = found

    def break_coupler(self, first: int, second: int) -> None:
        """A coupler goes out of order: a new calibration says so, and jobs that use it fail."""
        self.broken.add(frozenset((first, second)))

    def runs(self, name: str, qubits: Sequence[int]) -> bool:
        """Whether it has this instruction there, in working order."""
        return self.target.instruction_supported(name, tuple(qubits)) and not self._is_broken(qubits)

    def _is_broken(self, qubits: Sequence[int]) -> bool:
        return len(qubits) > 1 and any(coupler <= set(qubits) for coupler in self.broken)

    @property
    def rep_delay(self) -> float:
        """Seconds between two shots, unless a job asks for others."""
        return float(self.configuration.get("default_rep_delay", 250.0)) * US

    @cached_property
    def noise(self) -> MachineNoise | None:
        """Its errors; None on an ideal machine."""
        return MachineNoise(self.target, self._device.name) if self.noisy else None

    def _read(self, kind: str) -> dict[str, Any]:
        import qiskit_ibm_runtime.fake_provider as provider

        city = self._device.name.removeprefix(PREFIX)
        path = Path(provider.__path__[0]) / "backends" / city / f"{kind}_{city}.json"
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return found


class MachineNoise:
    """The errors of a snapshot; those on the same qubits are worked out once."""

    def __init__(self, target: Target, name: str) -> None:
        from qgen.noise import DeviceNoise

        self._source, self._target = DeviceNoise(target, name), target
        self._known: dict[tuple[int, ...], Channels] = {}

    def channels(self, qubits: Sequence[int]) -> Channels:
        """The errors on these qubits; qubits[k] becomes wire k."""
        from qgen.devserver.channels import Channels

        wanted = tuple(qubits)
        if wanted not in self._known:
            lives = [self._target.qubit_properties[qubit] for qubit in wanted]
            self._known[wanted] = Channels(self._source.local(wanted), lives, self._target.dt)
        return self._known[wanted]
