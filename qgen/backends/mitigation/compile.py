"""From a circuit to its mitigated executable, for every backend that simulates a device's noise."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from qgen.backends.api import Backend, Executable
from qgen.backends.device.executable import DeviceExecutable
from qgen.backends.device.noisy_device import NoisyDevice, Placed
from qgen.backends.drawing import along_z
from qgen.backends.mitigation.executable import MitigatedExecutable, Read
from qgen.backends.mitigation.method import Mitigation
from qgen.backends.mitigation.readout import Calibration, check_invertible, logical_confusion, without_readout
from qgen.circuits import LayerCircuit


@dataclass(frozen=True, eq=False)
class Part:
    """A circuit on a device, one of those that a mitigated value is made of.

    Attributes:
        placed: the circuit, folded, and its noise.
        shots: of a value, in each basis; None: values are expectation values.
        factor: the noise factor.
        calibration: by which errors of reading are inverted, shot by shot; None: they are part of values.
    """

    placed: Placed
    shots: int | None
    factor: int = 1
    calibration: Calibration | None = None


def compile_mitigated(
    circuit: LayerCircuit,
    backend: Backend,
    device: NoisyDevice,
    mitigation: Mitigation | None,
    shots: int | None,
    compile_part: Callable[[LayerCircuit, Part], DeviceExecutable],
) -> Executable:
    """Compile a circuit for a device's noise, and for what is done against it.

    Args:
        circuit: the layer's circuit.
        backend: that it is compiled for.
        device: the noise.
        mitigation: what is done against it; None: nothing.
        shots: of a value, in each basis, divided among the noise factors; None: values are expectation values.
        compile_part: compiles the circuit for one noise factor.

    Raises:
        BackendError: the circuit cannot be placed, folded or run; fewer shots than noise factors; readings that say
            nothing.
    """
    if mitigation is None:
        return compile_part(circuit, Part(device.place(circuit), shots))
    parts = [compile_part(circuit, part) for part in _parts(circuit, device, mitigation, shots)]
    return MitigatedExecutable(circuit, backend, mitigation, parts, lambda: _read(circuit, device, shots, compile_part))


def _read(
    circuit: LayerCircuit,
    device: NoisyDevice,
    shots: int | None,
    compile_part: Callable[[LayerCircuit, Part], DeviceExecutable],
) -> Read:
    """Compile a circuit with its errors of reading, all qubits read along Z."""
    placed = device.place(whole := along_z(circuit))
    check_invertible(placed)
    return Read(compile_part(whole, Part(placed, shots)), logical_confusion(placed))


def _parts(circuit: LayerCircuit, device: NoisyDevice, mitigation: Mitigation, shots: int | None) -> Iterator[Part]:
    factors = mitigation.factors
    shares = (None,) * len(factors) if shots is None else mitigation.shares(shots)
    for placed, factor, share in zip(device.place_folded(circuit, factors), factors, shares, strict=True):
        if not mitigation.readout:
            yield Part(placed, share, factor)
            continue
        check_invertible(placed)
        if share is None:  # the errors are known exactly, and their inversion undoes them
            yield Part(placed._replace(noise=without_readout(placed.noise)), None, factor)
        else:
            yield Part(placed, share, factor, Calibration(logical_confusion(placed), share))
