"""Transpile circuits for devices: search for the best options, and compute success and cost of the result."""

from qgen.transpilation.circuit_metrics import CircuitMetrics as CircuitMetrics
from qgen.transpilation.circuit_metrics import Success as Success
from qgen.transpilation.circuit_metrics import compute_metrics as compute_metrics
from qgen.transpilation.cost import WorkloadCost as WorkloadCost
from qgen.transpilation.cost import workload_cost as workload_cost
from qgen.transpilation.search import search as search
from qgen.transpilation.transpile import TranspiledCircuit as TranspiledCircuit
from qgen.transpilation.transpile import TranspileOptions as TranspileOptions
from qgen.transpilation.transpile import TranspileResult as TranspileResult
