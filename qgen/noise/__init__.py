"""What a device, or a noise file, does to a circuit on a few chosen qubits."""

from typing import TYPE_CHECKING

from qgen.lazy import on_demand

if TYPE_CHECKING:
    from qgen.noise.device import DeviceNoise as DeviceNoise
    from qgen.noise.file import FileNoise as FileNoise
    from qgen.noise.file import read_noise as read_noise
    from qgen.noise.settings import NoiseSettings as NoiseSettings
    from qgen.noise.settings import RelaxationSettings as RelaxationSettings
    from qgen.noise.source import KINDS as KINDS
    from qgen.noise.source import LocalNoise as LocalNoise
    from qgen.noise.source import NoiseSource as NoiseSource
else:
    __getattr__, __dir__ = on_demand(__name__)
