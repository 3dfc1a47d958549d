"""Circuits as torch modules."""

from qgen.nn.connector import CircuitNetwork as CircuitNetwork
from qgen.nn.layer import QuantumLayer as QuantumLayer
from qgen.nn.layer import describe_runs as describe_runs
from qgen.nn.probabilities import QuantumProbabilities as QuantumProbabilities
