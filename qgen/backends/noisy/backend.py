"""Backends `noisy:DEVICE` and `noisy:FILE.yaml`: circuits as a device runs them, with its errors, on our engine."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from qgen.backends.api import Backend, Capabilities, Executable
from qgen.backends.device.dominant_qubit import dominance_warning
from qgen.backends.device.noisy_device import NoisyDevice, open_noisy_device
from qgen.backends.noisy.choice import MethodOptions, choose
from qgen.backends.noisy.executable import NoisyExecutable
from qgen.backends.settings import BackendSettings
from qgen.circuits import LayerCircuit

_log = logging.getLogger(__name__)


class NoisyBackend(Backend):
    """Circuits transpiled for a device, with its errors on the qubits that they use, and with adjoint gradients.

    Noise, placement and readout are those of backend `aer:DEVICE`. Values are expectation values, not estimates from
    shots: method `exact` has them exactly, `propagate` up to a tolerance, and `paths` as means over paths, on which
    errors are drawn at random.

    Args:
        device: the device or file that the noise comes from.
        options: the method.
    """

    def __init__(self, device: NoisyDevice, options: MethodOptions | None = None) -> None:
        self.device, self.options = device, options or MethodOptions()
        self._methods: dict[str, bool] = {}  # and whether each is exact
        self._warned: set[str] = set()

    @property
    def name(self) -> str:
        return f"noisy:{self.device.source.name}"

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(
            exact=self.options.name == "exact",
            noisy=self.device.noisy,
            adjoint=True,
            qubits=self.device.source.qubits,
        )

    def compile(self, circuit: LayerCircuit) -> Executable:
        routed, _, noise = self.device.place(circuit)
        choice = choose(self.options, routed, noise, circuit)
        method = choice.method.method
        if method not in self._methods:
            self._methods[method] = choice.name == "exact"
            _log.info("%s, %d qubits on %d wires: %s", self.name, circuit.qubits, choice.program.wires, method)
        warning = dominance_warning(routed, noise)
        if warning is not None and warning not in self._warned:
            self._warned.add(warning)
            _log.warning("%s: %s", self.name, warning)
        return NoisyExecutable(circuit, self, routed, choice)

    def note_inexact(self, method: str) -> None:
        """Note a method that took over from one that failed."""
        self._methods.setdefault(method, False)

    def facts(self) -> dict[str, Any]:
        """Return the noise, and how the circuits that were compiled so far are run."""
        facts = {"noise": self.device.facts(), "method": self.options.name, "methods": list(self._methods)}
        return facts | {"exact": all(self._methods.values())} if self._methods else facts


def open_noisy(settings: BackendSettings, journal: Path | None) -> Backend:
    """Open the backend with the noise of a device or a file; see `qgen.backends.registry`.

    Raises:
        BackendError: an option that the method has no use for; or see `open_noisy_device`.
    """
    options = MethodOptions.of(settings.method, settings.paths, settings.tolerance)
    return NoisyBackend(open_noisy_device(settings), options)
