"""Backends `noisy:DEVICE` and `noisy:FILE.yaml`: circuits as a device runs them, with its errors, on our engine."""

from __future__ import annotations

import logging
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy.typing as npt

from qgen.backends.api import Backend, Capabilities, Executable
from qgen.backends.device.bound import compile_bound
from qgen.backends.device.dominant_qubit import dominance_warning
from qgen.backends.device.executable import DeviceExecutable
from qgen.backends.device.noisy_device import NoisyDevice, open_noisy_device
from qgen.backends.drawing import along_z
from qgen.backends.mitigation.compile import Part, compile_mitigated
from qgen.backends.mitigation.method import Mitigation
from qgen.backends.noisy.choice import MethodOptions, choose
from qgen.backends.noisy.executable import NoisyExecutable
from qgen.backends.noisy.shots import SampledSimulation
from qgen.backends.settings import BackendSettings
from qgen.circuits import LayerCircuit

_log = logging.getLogger(__name__)


class NoisyBackend(Backend):
    """Circuits transpiled for a device, with its errors on the qubits that they use, and with adjoint gradients.

    Noise, placement and readout are those of backend `aer:DEVICE`. Without shots values are expectation values: method
    `exact` has them exactly, `propagate` up to a tolerance, and `paths` as means over paths, on which errors are drawn
    at random. Shots are drawn from exact probabilities, and gradients are then those of parameter-shift.

    Args:
        device: the device or file that the noise comes from.
        options: the method.
        mitigation: what is done against errors; None: nothing.
        shots: per circuit; None: values are expectation values.
    """

    def __init__(
        self,
        device: NoisyDevice,
        options: MethodOptions | None = None,
        mitigation: Mitigation | None = None,
        shots: int | None = None,
    ) -> None:
        self.device, self.options, self.mitigation = device, options or MethodOptions(), mitigation
        self._shots = shots
        # Extrapolation multiplies what values are off by.
        grown = 1.0 if mitigation is None else sum(map(abs, mitigation.coefficients))
        self._options = replace(self.options, tolerance=self.options.tolerance / grown)
        self._methods: dict[str, bool] = {}  # and whether each is exact
        self._warned: set[str] = set()

    @property
    def name(self) -> str:
        return f"noisy:{self.device.source.name}"

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(
            exact=self.options.name == "exact" and self._shots is None,
            noisy=self.device.noisy,
            adjoint=self._shots is None,
            shots=self._shots,
            countable=self._shots is None,
            qubits=self.device.source.qubits,
        )

    def compile(self, circuit: LayerCircuit, weights: npt.ArrayLike | None = None) -> Executable:
        if weights is not None:
            return compile_bound(self, circuit, weights, self.device.saved)
        return compile_mitigated(circuit, self, self.device, self.mitigation, self._shots, self._compile)

    def _compile(self, circuit: LayerCircuit, part: Part) -> DeviceExecutable:
        routed, _, noise = part.placed
        if part.shots is None:
            choice = choose(self._options, routed, noise, circuit)
            executable: DeviceExecutable = NoisyExecutable(
                circuit, self, routed, choice, self._note_inexact, partial(self._read_along_z, circuit)
            )
            is_exact = choice.name == "exact"
        else:
            executable = DeviceExecutable(circuit, self, routed, SampledSimulation(circuit, part))
            is_exact = False
        method = executable.method
        if method not in self._methods:
            self._methods[method] = is_exact
            _log.info("%s, %d qubits on %d wires: %s", self.name, circuit.qubits, len(routed.physical), method)
        warning = dominance_warning(routed, noise) if part.factor == 1 else None
        if warning is not None and warning not in self._warned:
            self._warned.add(warning)
            _log.warning("%s: %s", self.name, warning)
        return executable

    def _read_along_z(self, circuit: LayerCircuit) -> DeviceExecutable:
        layer = along_z(circuit)
        part = Part(self.device.place(layer), 1)  # as many shots as a call of `draw` asks for
        return DeviceExecutable(layer, self, part.placed.routed, SampledSimulation(layer, part))

    def _note_inexact(self, method: str) -> None:
        """Note a method that took over from one that failed."""
        self._methods.setdefault(method, False)

    def facts(self) -> dict[str, Any]:
        """Return the noise, and how the circuits that were compiled so far are run."""
        facts: dict[str, Any] = {"noise": self.device.facts(), "method": self.options.name}
        facts["methods"] = list(self._methods)
        if self.mitigation is not None:
            facts["mitigation"] = str(self.mitigation)
        return facts | {"exact": all(self._methods.values())} if self._methods else facts


def open_noisy(settings: BackendSettings, journal: Path | None) -> Backend:
    """Open the backend with the noise of a device or a file; see `qgen.backends.registry`.

    Raises:
        BackendError: an option that the method has no use for; or see `open_noisy_device`.
    """
    options = MethodOptions.of(settings.method, settings.paths, settings.tolerance, settings.shots)
    return NoisyBackend(open_noisy_device(settings), options, settings.mitigated(), settings.shots)
