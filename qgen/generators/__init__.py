"""Generators: what is trained and sampled, one file a kind, behind the protocols that training and sampling know."""

from typing import TYPE_CHECKING

from qgen.lazy import lazy_imports

if TYPE_CHECKING:
    from qgen.generators.kinds import Kind as Kind
    from qgen.generators.kinds import get_kind as get_kind
    from qgen.generators.kinds import kind_names as kind_names
    from qgen.generators.one_pass import OnePassGenerator as OnePassGenerator
    from qgen.generators.one_pass import TensorDraws as TensorDraws
    from qgen.generators.protocols import BuildContext as BuildContext
    from qgen.generators.protocols import Draws as Draws
    from qgen.generators.protocols import Export as Export
    from qgen.generators.protocols import Generator as Generator
    from qgen.generators.protocols import Groups as Groups
    from qgen.generators.protocols import Objective as Objective
    from qgen.generators.protocols import Player as Player
    from qgen.generators.protocols import Shape as Shape
    from qgen.generators.protocols import TrainableModel as TrainableModel
    from qgen.generators.protocols import Trial as Trial
    from qgen.generators.protocols import can_sample as can_sample
    from qgen.generators.protocols import input_shape as input_shape
    from qgen.generators.protocols import learned as learned
    from qgen.generators.sampling import image_seeds as image_seeds
    from qgen.generators.sampling import sample_in_batches as sample_in_batches
    from qgen.generators.steps import DenoisingSteps as DenoisingSteps
    from qgen.generators.steps import HasSteps as HasSteps
else:
    __getattr__, __dir__ = lazy_imports(__name__)
