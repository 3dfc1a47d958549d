"""Feature networks of discriminators: trained with them from scratch, or trained before."""

from typing import TYPE_CHECKING

from qgen.lazy import lazy_imports

if TYPE_CHECKING:
    from qgen.models.features.base import FeatureExtractor as FeatureExtractor
    from qgen.models.features.build import build_feature_extractor as build_feature_extractor
    from qgen.models.features.classifier import CLASSIFIER_FILE as CLASSIFIER_FILE
    from qgen.models.features.classifier import ConvClassifier as ConvClassifier
    from qgen.models.features.classifier import build_classifier as build_classifier
    from qgen.models.features.classifier import load_classifier as load_classifier
    from qgen.models.features.classifier import save_classifier as save_classifier
    from qgen.models.features.classifier import shipped_classifiers as shipped_classifiers
    from qgen.models.features.objective import Classification as Classification
    from qgen.models.features.settings import ClassifierSettings as ClassifierSettings
    from qgen.models.features.settings import ExtractorSettings as ExtractorSettings
else:
    __getattr__, __dir__ = lazy_imports(__name__)
