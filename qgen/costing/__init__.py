"""What training and sampling cost: the circuits that they run, and the QPU time that these take on hardware."""

from typing import TYPE_CHECKING

from qgen.lazy import lazy_imports

if TYPE_CHECKING:
    from qgen.costing.circuit_use import CircuitUse as CircuitUse
    from qgen.costing.circuit_use import sampling_uses as sampling_uses
    from qgen.costing.circuit_use import training_uses as training_uses
    from qgen.costing.plan import HardwarePlan as HardwarePlan
    from qgen.costing.plan import check_limit as check_limit
    from qgen.costing.plan import place_anew as place_anew
    from qgen.costing.plan import plan_sampling as plan_sampling
    from qgen.costing.plan import plan_training as plan_training
else:
    __getattr__, __dir__ = lazy_imports(__name__)
