"""Where a circuit runs, what that costs, and how it is differentiated there."""

from typing import TYPE_CHECKING

from qgen.lazy import lazy_imports

if TYPE_CHECKING:
    from qgen.backends.api import Backend as Backend
    from qgen.backends.api import Batch as Batch
    from qgen.backends.api import Capabilities as Capabilities
    from qgen.backends.api import Executable as Executable
    from qgen.backends.gradients import SPSA as SPSA
    from qgen.backends.gradients import Adjoint as Adjoint
    from qgen.backends.gradients import GradientMethod as GradientMethod
    from qgen.backends.gradients import ParameterShift as ParameterShift
    from qgen.backends.gradients import gradient_names as gradient_names
    from qgen.backends.gradients import resolve_gradient as resolve_gradient
    from qgen.backends.registry import FORMS as FORMS
    from qgen.backends.registry import backend_names as backend_names
    from qgen.backends.registry import open_backend as open_backend
    from qgen.backends.registry import open_settings as open_settings
    from qgen.backends.settings import BackendSettings as BackendSettings
else:
    __getattr__, __dir__ = lazy_imports(__name__)
