"""Backends `provider:NAME`: any Qiskit `BackendV2` that an installed package offers through an entry point."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from qiskit.primitives import BackendSamplerV2
from qiskit.providers import BackendV2

from qgen.backends.base import Capabilities, Executable
from qgen.backends.primitives.executable import DEFAULT_SHOTS, SamplerBackend, SamplerExecutable
from qgen.circuits import LayerCircuit
from qgen.errors import BackendError
from qgen.randomness import Streams

#: The group of entry points; each names a `BackendV2`, or something that returns one when it is called.
ENTRY_POINTS = "qgen.backends"
SEEDS = 2**31


class ProviderBackend(SamplerBackend):
    """A `BackendV2` of another package, measured through Qiskit's own `BackendSamplerV2`.

    Args:
        name: of the entry point.
        shots: how often each circuit is measured; None: 1,024 times.

    Raises:
        BackendError: no installed package offers that name, or what it offers is no `BackendV2`.
    """

    def __init__(self, name: str, shots: int | None = None) -> None:
        self._name, self._shots = name, shots or DEFAULT_SHOTS
        self._device = _load(name)
        self.target = self._device.target

    @property
    def name(self) -> str:
        return f"provider:{self._name}"

    @property
    def capabilities(self) -> Capabilities:
        qubits = self.target.num_qubits
        # Whether it is noisy, or remote, a BackendV2 does not say; the careful answer is yes.
        return Capabilities(exact=False, noisy=True, remote=True, shots=self._shots, qubits=qubits)

    def facts(self) -> dict[str, Any]:
        return {"device": self._device.name}

    def compile(self, circuit: LayerCircuit) -> Executable:
        return ProviderExecutable(circuit, self)

    def sampler(self, seed: int) -> Any:
        """A Sampler (`BaseSamplerV2`); the seed is for simulators, in [0, 2^63)."""
        seeded = hasattr(self._device.options, "seed_simulator")
        return BackendSamplerV2(backend=self._device, options={"seed_simulator": seed % SEEDS} if seeded else None)


class ProviderExecutable(SamplerExecutable):
    """A circuit on another package's device, all rows of a call in one run: they share its seed, if it takes one."""

    def __init__(self, circuit: LayerCircuit, backend: ProviderBackend) -> None:
        super().__init__(circuit, backend, backend.pins, backend.target)
        self._provider = backend

    def __reduce__(self) -> Any:
        return ProviderExecutable, (self.circuit, self._provider)

    def read(self, pubs: Sequence[Any], shots: int, streams: Streams) -> Sequence[Any]:
        results: Sequence[Any] = self._provider.sampler(streams.joint).run(pubs, shots=shots).result()
        return results


def provider_offers() -> dict[str, EntryPoint]:
    """What installed packages offer, by name (without `provider:`), sorted; nothing of theirs is imported."""
    return {offer.name: offer for offer in sorted(entry_points(group=ENTRY_POINTS), key=lambda offer: offer.name)}


def _load(name: str) -> BackendV2:
    offers = provider_offers()
    if name not in offers:
        near = get_close_matches(name, offers, 1)
        known = f"Installed: {', '.join(sorted(offers))}." if offers else "No installed package offers one."
        hint = f", did you mean `provider:{near[0]}`?" if near else "."
        raise BackendError(
            f"there is no backend `provider:{name}`{hint} {known} A package offers a Qiskit BackendV2 through an entry "
            f"point of the group `{ENTRY_POINTS}`"
        )
    try:
        found = offers[name].load()
        backend = found() if callable(found) and not isinstance(found, BackendV2) else found
    except Exception as error:  # another package's code may fail in any way
        raise BackendError(f"`provider:{name}` ({offers[name].value}) cannot be loaded: {error}") from error
    if not isinstance(backend, BackendV2):
        raise BackendError(f"`provider:{name}` ({offers[name].value}) is {backend!r}, not a Qiskit BackendV2")
    return backend
