"""Observables measured by counting: which bases to measure in, and from outcomes to values."""

from qgen.backends.measuring.bases import ONTO_Z as ONTO_Z
from qgen.backends.measuring.bases import Basis as Basis
from qgen.backends.measuring.bases import measurement_bases as measurement_bases
from qgen.backends.measuring.estimates import Measurement as Measurement
from qgen.backends.measuring.outcomes import Outcomes as Outcomes
from qgen.backends.measuring.outcomes import confuse as confuse
from qgen.backends.measuring.outcomes import draw_outcomes as draw_outcomes
from qgen.backends.measuring.outcomes import rewire_outcomes as rewire_outcomes
from qgen.backends.measuring.outcomes import rewire_probabilities as rewire_probabilities
