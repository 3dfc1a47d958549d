"""What discriminators look at images with: networks of their own, or ones that were trained before."""

from typing import TYPE_CHECKING

from qgen.lazy import on_demand

if TYPE_CHECKING:
    from qgen.models.extractors.base import Extractor as Extractor
    from qgen.models.extractors.build import build_extractor as build_extractor
    from qgen.models.extractors.classifier import ConvClassifier as ConvClassifier
    from qgen.models.extractors.classifier import build_classifier as build_classifier
    from qgen.models.extractors.files import CLASSIFIER_FILE as CLASSIFIER_FILE
    from qgen.models.extractors.files import load_classifier as load_classifier
    from qgen.models.extractors.files import save_classifier as save_classifier
    from qgen.models.extractors.files import shipped_classifiers as shipped_classifiers
    from qgen.models.extractors.objective import Classification as Classification
    from qgen.models.extractors.settings import ClassifierSettings as ClassifierSettings
    from qgen.models.extractors.settings import ExtractorSettings as ExtractorSettings
else:
    __getattr__, __dir__ = on_demand(__name__)
