"""Quantum layers as values: a circuit with its inputs, weights and observables; and the registry of ansatzes."""

from qgen.circuits.ansatze.base import Ansatz as Ansatz
from qgen.circuits.describe import Description as Description
from qgen.circuits.describe import describe as describe
from qgen.circuits.encodings import Encoding as Encoding
from qgen.circuits.layer_circuit import LayerCircuit as LayerCircuit
from qgen.circuits.mixture import Mixture as Mixture
from qgen.circuits.probabilities import with_z_products as with_z_products
from qgen.circuits.probabilities import z_products as z_products
from qgen.circuits.registry import ansatz as ansatz
from qgen.circuits.registry import ansatz_names as ansatz_names
from qgen.circuits.registry import get_ansatz as get_ansatz
