"""How good generated samples are, without anything that would have to be downloaded."""

from qgen.metrics.distributions import Divergences as Divergences
from qgen.metrics.distributions import divergences as divergences
from qgen.metrics.judge import Judge as Judge
from qgen.metrics.judge import open_judge as open_judge
from qgen.metrics.quality import Quality as Quality
from qgen.metrics.quality import collapse as collapse
from qgen.metrics.quality import measure as measure
