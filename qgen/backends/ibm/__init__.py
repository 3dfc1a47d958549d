"""IBM's quantum computers: what is submitted is written down first, and never paid for twice."""

from typing import TYPE_CHECKING

from qgen.lazy import lazy_imports

if TYPE_CHECKING:
    from qgen.backends.ibm.backend import IBMBackend as IBMBackend
    from qgen.backends.ibm.backend import open_hardware as open_hardware
    from qgen.backends.ibm.options import HardwareOptions as HardwareOptions
else:
    __getattr__, __dir__ = lazy_imports(__name__)
