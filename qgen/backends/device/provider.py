"""Any Qiskit `BackendV2`: an instance, `provider:NAME` by entry point, or `provider:module:callable` by import path."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from functools import cached_property
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import numpy.typing as npt
from qiskit import QuantumCircuit, generate_preset_pass_manager
from qiskit.providers import BackendV2
from qiskit.transpiler import PassManager

from qgen.backends.api import Backend, Capabilities, Executable
from qgen.backends.device.bound import compile_bound
from qgen.backends.device.executable import DeviceExecutable
from qgen.backends.device.routing import refuse_open_delays, route_layer
from qgen.backends.device.sampling import DEFAULT_SHOTS, SampledSubmitter, tile
from qgen.backends.settings import BackendSettings
from qgen.circuits import LayerCircuit
from qgen.errors import BackendError
from qgen.randomness import Streams, derive

#: The group of entry points; each names a `BackendV2`, or something that returns one when it is called.
ENTRY_POINTS = "qgen.backends"
PREFIX = "provider:"
#: Bits as a Sampler packs them, the highest byte first.
Packed = npt.NDArray[np.uint8]
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

    def compile(self, circuit: LayerCircuit, weights: npt.ArrayLike | None = None) -> Executable:
        if weights is not None:
            return compile_bound(self, circuit, weights)
        target = self.device.target
        routed, measurement = route_layer(circuit, target)
        refuse_open_delays(routed, self.name)
        sampler = ProviderSampler(self.device, self.name)
        submitter = SampledSubmitter(routed, measurement, tile(routed, target), self._shots, sampler)
        return DeviceExecutable(circuit, self, routed, submitter)


class ProviderSampler:
    """A `Sampler` on a `BackendV2`: all rows of a call are run together, and share its seed, if the device takes one.

    Qiskit's `BackendSamplerV2` reads every shot of a device that returns counts only as zeros; here counts are enough,
    since the order of a row's shots does not matter.

    Args:
        device: the backend.
        name: of the backend, for messages.
    """

    def __init__(self, device: BackendV2, name: str) -> None:
        self._device, self._name = device, name

    def sample(self, pubs: Sequence[Any], rows: int, shots: int, streams: Streams) -> Sequence[Any]:
        bound = [_bound(pub, rows) for pub in pubs]
        circuits = [circuit for of_pub in bound for circuit in of_pub]
        seed = streams.joint_seed
        try:
            counts = self._counts(circuits, shots, seed % SEEDS)
        except Exception as error:  # another package's code may fail in any way
            raise BackendError(f"`{self._name}` could not run this circuit: {error}") from error
        # Counts have no order. In that of their keys the first shots would not be like the last ones.
        rng = np.random.default_rng(derive(seed, "order of shots"))
        drawn = iter([rng.permutation(_spread(of_row)) for of_row in counts])
        return [_as_result(of_pub[0], np.array([next(drawn) for _ in of_pub])) for of_pub in bound]

    def _counts(self, circuits: Sequence[QuantumCircuit], shots: int, seed: int) -> list[Mapping[str, int]]:
        """How often each circuit gave which bits."""
        options = {"seed_simulator": seed} if hasattr(self._device.options, "seed_simulator") else {}
        passes = self._last_passes
        ready = list(circuits) if passes is None else [passes.run(circuit) for circuit in circuits]
        most = self._device.max_circuits or len(ready)
        counts: list[Mapping[str, int]] = []
        for first in range(0, len(ready), most):
            part = ready[first : first + most]
            result = self._device.run(part, shots=shots, **options).result()
            counts += [result.get_counts(k) for k in range(len(part))]
        return counts

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


def _spread(counts: Mapping[str, int]) -> Packed:
    """Counts as packed bits (shots, bytes), in the order of their keys."""
    words = [bits.replace(" ", "") for bits in counts]
    width = -(-max(map(len, words)) // 8)
    packed = np.array([list(int(word, 2).to_bytes(width)) for word in words], dtype=np.uint8)
    return np.repeat(packed, list(counts.values()), axis=0)


def _as_result(circuit: QuantumCircuit, bits: Packed) -> Any:
    """Packed bits (rows, shots, bytes) of the one register of a circuit, in the form of a Sampler's result."""
    (register,) = circuit.cregs
    return SimpleNamespace(data=SimpleNamespace(**{register.name: SimpleNamespace(array=bits)}))


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
