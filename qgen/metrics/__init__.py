"""Metrics of generated samples that need no download: distances between features, and between distributions."""

from qgen.metrics.distributions import Divergences as Divergences
from qgen.metrics.distributions import divergences as divergences
from qgen.metrics.features import FeatureExtractor as FeatureExtractor
from qgen.metrics.features import open_feature_extractor as open_feature_extractor
from qgen.metrics.quality import Quality as Quality
from qgen.metrics.quality import compute_quality as compute_quality
from qgen.metrics.quality import find_collapse as find_collapse
