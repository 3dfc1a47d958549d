"""Observables measured by counting: the bases to measure in, and values from outcomes."""

from qgen.backends.measurement.bases import ONTO_Z as ONTO_Z
from qgen.backends.measurement.bases import Basis as Basis
from qgen.backends.measurement.bases import measurement_bases as measurement_bases
from qgen.backends.measurement.estimates import Measurement as Measurement
from qgen.backends.measurement.outcomes import MOST_IN_INTEGER as MOST_IN_INTEGER
from qgen.backends.measurement.outcomes import Bits as Bits
from qgen.backends.measurement.outcomes import Outcomes as Outcomes
from qgen.backends.measurement.outcomes import as_outcomes as as_outcomes
from qgen.backends.measurement.outcomes import permute_bits as permute_bits
from qgen.backends.measurement.outcomes import permute_columns as permute_columns
from qgen.backends.measurement.outcomes import permute_probabilities as permute_probabilities
from qgen.backends.measurement.outcomes import read_by_qubits as read_by_qubits
from qgen.backends.measurement.outcomes import sample_bitstrings as sample_bitstrings
