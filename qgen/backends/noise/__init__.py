"""What a device, or a noise file, does to a circuit on a few chosen qubits."""

from typing import TYPE_CHECKING

from qgen.lazy import on_demand

if TYPE_CHECKING:
    from qgen.backends.noise.device import DeviceNoise as DeviceNoise
    from qgen.backends.noise.file import FileNoise as FileNoise
    from qgen.backends.noise.file import read_noise as read_noise
    from qgen.backends.noise.settings import NoiseSettings as NoiseSettings
    from qgen.backends.noise.settings import RelaxationSettings as RelaxationSettings
    from qgen.backends.noise.source import KINDS as KINDS
    from qgen.backends.noise.source import LocalNoise as LocalNoise
    from qgen.backends.noise.source import NoiseSource as NoiseSource
else:
    __getattr__, __dir__ = on_demand(__name__)
