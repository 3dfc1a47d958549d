"""Evaluation: how good images are, with intervals, beside real images measured in the same way."""

from typing import TYPE_CHECKING

from qgen.lazy import lazy_imports

if TYPE_CHECKING:
    from qgen.evaluation.asked import Requested as Requested
    from qgen.evaluation.baselines import Baseline as Baseline
    from qgen.evaluation.baselines import check_baselines as check_baselines
    from qgen.evaluation.baselines import sample_baselines as sample_baselines
    from qgen.evaluation.compare import differences as differences
    from qgen.evaluation.controls import ControlImages as ControlImages
    from qgen.evaluation.controls import compare_controls as compare_controls
    from qgen.evaluation.controls import run_trials as run_trials
    from qgen.evaluation.controls import sample_controls as sample_controls
    from qgen.evaluation.evaluate import Evaluator as Evaluator
    from qgen.evaluation.files import evaluation_page as evaluation_page
    from qgen.evaluation.files import write_evaluations as write_evaluations
    from qgen.evaluation.measure import Compared as Compared
    from qgen.evaluation.measure import Found as Found
    from qgen.evaluation.measure import Measure as Measure
    from qgen.evaluation.measures import MEASURES as MEASURES
    from qgen.evaluation.protocol import PROTOCOLS as PROTOCOLS
    from qgen.evaluation.protocol import Protocol as Protocol
    from qgen.evaluation.results import Control as Control
    from qgen.evaluation.results import Controls as Controls
    from qgen.evaluation.results import Difference as Difference
    from qgen.evaluation.results import Evaluation as Evaluation
    from qgen.evaluation.results import Measurement as Measurement
    from qgen.evaluation.results import Result as Result
    from qgen.evaluation.results import TrialResult as TrialResult
    from qgen.metrics.reference import Reference as Reference
    from qgen.metrics.reference import open_reference as open_reference
else:
    __getattr__, __dir__ = lazy_imports(__name__)
