"""How expectation values are differentiated: each method is a value."""

from qgen.backends.gradients.adjoint import Adjoint as Adjoint
from qgen.backends.gradients.method import GradientMethod as GradientMethod
from qgen.backends.gradients.method import ValueAndVJP as ValueAndVJP
from qgen.backends.gradients.parameter_shift import ParameterShift as ParameterShift
from qgen.backends.gradients.registry import gradient_names as gradient_names
from qgen.backends.gradients.registry import resolve_gradient as resolve_gradient
from qgen.backends.gradients.spsa import SPSA as SPSA
