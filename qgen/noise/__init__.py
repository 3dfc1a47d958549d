"""Noise models of devices and of noise files, on chosen qubits."""

from typing import TYPE_CHECKING

from qgen.lazy import lazy_imports

if TYPE_CHECKING:
    from qgen.noise.channels import GateNoise as GateNoise
    from qgen.noise.channels import Relaxation as Relaxation
    from qgen.noise.device_noise import DeviceNoise as DeviceNoise
    from qgen.noise.file_noise import FileNoise as FileNoise
    from qgen.noise.file_noise import read_noise as read_noise
    from qgen.noise.model import KINDS as KINDS
    from qgen.noise.model import LocalNoise as LocalNoise
    from qgen.noise.model import NoiseSource as NoiseSource
    from qgen.noise.readout import apply_readout_error as apply_readout_error
    from qgen.noise.settings import NoiseSettings as NoiseSettings
    from qgen.noise.settings import RelaxationSettings as RelaxationSettings
else:
    __getattr__, __dir__ = lazy_imports(__name__)
