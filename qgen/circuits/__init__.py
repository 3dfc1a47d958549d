"""What a quantum layer is: a circuit, its inputs, its weights and its observables, as one value."""

from qgen.circuits.ansatze.base import Ansatz as Ansatz
from qgen.circuits.catalogue import ansatz as ansatz
from qgen.circuits.catalogue import ansatz_names as ansatz_names
from qgen.circuits.catalogue import get_ansatz as get_ansatz
from qgen.circuits.describe import Description as Description
from qgen.circuits.describe import describe as describe
from qgen.circuits.encodings import Encoding as Encoding
from qgen.circuits.layer_circuit import LayerCircuit as LayerCircuit
from qgen.circuits.mixture import Mixture as Mixture
from qgen.circuits.outcomes import with_outcomes as with_outcomes
from qgen.circuits.outcomes import z_products as z_products
