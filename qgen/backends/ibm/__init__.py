"""IBM's quantum computers: what is submitted is written down first, and never paid for twice."""

from qgen.backends.ibm.backend import IBMBackend as IBMBackend
from qgen.backends.ibm.backend import open_hardware as open_hardware
from qgen.backends.ibm.options import HardwareOptions as HardwareOptions
