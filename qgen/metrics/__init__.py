"""Metrics of generated samples that need no download: distances between features, and between distributions."""

from qgen.metrics.distributions import Divergences as Divergences
from qgen.metrics.distributions import divergences as divergences
from qgen.metrics.features import Features as Features
from qgen.metrics.features import FeatureSpace as FeatureSpace
from qgen.metrics.fitted import FittedFeatureSpace as FittedFeatureSpace
from qgen.metrics.fitted import open_fitted_space as open_fitted_space
from qgen.metrics.fitted import save_fitted_space as save_fitted_space
from qgen.metrics.quality import Quality as Quality
from qgen.metrics.quality import compare_features as compare_features
from qgen.metrics.quality import compute_quality as compute_quality
from qgen.metrics.quality import find_collapse as find_collapse
from qgen.metrics.spaces import open_feature_space as open_feature_space
