"""From a circuit's inputs and weights to the angles of its gates, and the frequencies that shift rules need."""

from qgen.backends.parameters.parameter_map import Doubles as Doubles
from qgen.backends.parameters.parameter_map import ParameterMap as ParameterMap
from qgen.backends.parameters.parameter_map import affine as affine
