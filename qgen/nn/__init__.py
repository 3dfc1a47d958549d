"""Circuits as torch modules."""

from qgen.nn.compiled import compiled_later as compiled_later
from qgen.nn.connector import CircuitNetwork as CircuitNetwork
from qgen.nn.controls import OutputMeans as OutputMeans
from qgen.nn.controls import mean_outputs as mean_outputs
from qgen.nn.controls import output_means as output_means
from qgen.nn.controls import quantum_layers as quantum_layers
from qgen.nn.controls import shuffled_outputs as shuffled_outputs
from qgen.nn.layer import QuantumLayer as QuantumLayer
from qgen.nn.layer import bind_weights as bind_weights
from qgen.nn.layer import describe_runs as describe_runs
from qgen.nn.probabilities import QuantumProbabilities as QuantumProbabilities
