"""Any Qiskit `BackendV2`: an instance, `provider:NAME` by entry point, or `provider:module:callable` by import path."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from functools import cached_property
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from qiskit import QuantumCircuit, generate_preset_pass_manager
from qiskit.providers import BackendV2
from qiskit.transpiler import PassManager

from qgen.backends.api import Backend, Capabilities, Executable
from qgen.backends.device.executable import DeviceExecutable
from qgen.backends.device.routing import refuse_open_delays, route_layer
from qgen.backends.device.sampling import DEFAULT_SHOTS, SampledSubmitter, tile
from qgen.backends.measurement import Outcomes
from qgen.backends.settings import BackendSettings
from qgen.circuits import LayerCircuit
from qgen.errors import BackendError
from qgen.randomness import Streams

#: The group of entry points; each names a `BackendV2`, or something that returns one when it is called.
ENTRY_POINTS = "qgen.backends"
PREFIX = "provider:"
SEEDS = 2**31


class ProviderBackend(Backend):
    """A `BackendV2` of another package.

    Args:
        device: the backend.
        shots: per circuit; None: 1,024.
        name: by which it was opened; None: an instance was, and its own name is taken.
    """

    def __init__(self, device: BackendV2, shots: int | None = None, name: str | None = None) -> None:
        self.device, self._shots = device, shots or DEFAULT_SHOTS
        self._name = name or str(device.name or type(device).__name__)

    @property
    def name(self) -> str:
        return self._name

    @property
    def capabilities(self) -> Capabilities:
        # Whether it is noisy, or remote, a BackendV2 does not say; the careful answer is yes.
        return Capabilities(exact=False, noisy=True, remote=True, shots=self._shots, qubits=self.device.num_qubits)

    def facts(self) -> dict[str, Any]:
        return {"device": self.device.name}

    def compile(self, circuit: LayerCircuit) -> Executable:
        target = self.device.target
        routed, measurement = route_layer(circuit, target)
        refuse_open_delays(routed, self.name)
        sampler = ProviderSampler(self.device, self._shots, self.name)
        submitter = SampledSubmitter(routed, measurement, tile(routed, target), self._shots, sampler)
        return DeviceExecutable(circuit, self, routed, submitter)


class ProviderSampler:
    """A `Sampler` on a `BackendV2`: all rows of a call are run together, and share its seed, if the device takes one.

    Qiskit's `BackendSamplerV2` reads every shot of a device that returns counts only as zeros; here counts are enough,
    since the order of a row's shots does not matter.

    Args:
        device: the backend.
        shots: of one row.
        name: of the backend, for messages.
    """

    def __init__(self, device: BackendV2, shots: int, name: str) -> None:
        self._device, self._shots, self._name = device, shots, name

    def sample(self, pubs: Sequence[Any], shots: int, streams: Streams) -> Sequence[Any]:
        rows = [_bound(pub, shots // self._shots) for pub in pubs]
        circuits = [circuit for of_pub in rows for circuit in of_pub]
        try:
            outcomes = iter(self._outcomes(circuits, streams.joint_seed % SEEDS))
        except Exception as error:  # another package's code may fail in any way
            raise BackendError(f"`{self._name}` could not run this circuit: {error}") from error
        return [_as_result(of_pub[0], np.array([next(outcomes) for _ in of_pub])) for of_pub in rows]

    def _outcomes(self, circuits: Sequence[QuantumCircuit], seed: int) -> Iterator[Outcomes]:
        """The outcomes (shots,) of each circuit, in the order of the bits."""
        options = {"seed_simulator": seed} if hasattr(self._device.options, "seed_simulator") else {}
        passes = self._last_passes
        ready = list(circuits) if passes is None else [passes.run(circuit) for circuit in circuits]
        most = self._device.max_circuits or len(ready)
        outcomes: list[Outcomes] = []
        for first in range(0, len(ready), most):
            part = ready[first : first + most]
            result = self._device.run(part, shots=self._shots, **options).result()
            outcomes += [_spread(result.get_counts(k)) for k in range(len(part))]
        return iter(outcomes)

    @cached_property
    def _last_passes(self) -> PassManager | None:
        """What the device's own package does to a circuit last: angles in range, moves through a resonator."""
        if not hasattr(self._device, "get_scheduling_stage_plugin"):
            return None
        qubits = list(range(self._device.num_qubits))
        return generate_preset_pass_manager(optimization_level=0, backend=self._device, initial_layout=qubits)


def _bound(pub: Any, rows: int) -> list[QuantumCircuit]:
    """One circuit for each row."""
    if isinstance(pub, QuantumCircuit):
        return [pub] * rows
    circuit, table = pub
    return [circuit.assign_parameters(row) for row in table]


def _spread(counts: Mapping[str, int]) -> Outcomes:
    outcomes = [int(bits.replace(" ", ""), 2) for bits in counts]
    return np.repeat(np.array(outcomes, dtype=np.int64), list(counts.values()))


def _as_result(circuit: QuantumCircuit, outcomes: Outcomes) -> Any:
    """Outcomes (rows, shots) in the one register of a circuit, in the form of a Sampler's result."""
    (register,) = circuit.cregs
    shifts = 8 * np.arange((register.size + 7) // 8)[::-1]
    bits = SimpleNamespace(array=(outcomes[..., None] >> shifts & 255).astype(np.uint8))
    return SimpleNamespace(data=SimpleNamespace(**{register.name: bits}))


def open_provider(settings: BackendSettings, journal: Path | None) -> Backend:
    """Open what a package offers under `provider:NAME` or `provider:module:callable`; see `qgen.backends.registry`.

    The callable may have a dotted path; a class on the way is instantiated without arguments, as in
    `provider:vendor_package:Provider.offline.simulator`.
    """
    where = settings.name.removeprefix(PREFIX)
    if ":" in where:
        device = _load(f"`{settings.name}`", lambda: _resolve(where))
    else:
        offer = _offered(where)
        device = _load(f"`{settings.name}` ({offer.value})", offer.load)
    return ProviderBackend(device, settings.shots, settings.name)


def provider_offers() -> dict[str, EntryPoint]:
    """Return what installed packages offer, by name (without `provider:`), sorted; nothing of theirs is imported."""
    return {offer.name: offer for offer in sorted(entry_points(group=ENTRY_POINTS), key=lambda offer: offer.name)}


def _offered(name: str) -> EntryPoint:
    offers = provider_offers()
    if name not in offers:
        near = get_close_matches(name, offers, 1)
        known = f"Installed: {', '.join(sorted(offers))}." if offers else "No installed package offers one."
        hint = f", did you mean `provider:{near[0]}`?" if near else "."
        raise BackendError(
            f"there is no backend `provider:{name}`{hint} {known} A package offers a Qiskit BackendV2 through an entry "
            f"point of the group `{ENTRY_POINTS}`; `provider:module:callable` opens one that any package has"
        )
    return offers[name]


def _resolve(where: str) -> Any:
    """The object at `module:dotted.path`."""
    module, _, path = where.partition(":")
    value: Any = import_module(module)
    for attribute in path.split("."):
        value = getattr(value() if isinstance(value, type) else value, attribute)
    return value


def _load(name: str, load: Callable[[], Any]) -> BackendV2:
    try:
        value = load()
        backend = value() if callable(value) and not isinstance(value, BackendV2) else value
    except Exception as error:  # another package's code may fail in any way
        raise BackendError(f"{name} cannot be loaded: {error}") from error
    if not isinstance(backend, BackendV2):
        raise BackendError(f"{name} is {backend!r}, not a Qiskit BackendV2")
    return backend
