"""Hybrid quantum-classical image generators on Qiskit.

`import qgen` costs nothing: torch and qiskit are imported when a name that needs them is first used.
"""

from typing import TYPE_CHECKING

from qgen.errors import QgenError as QgenError

__version__ = "0.1.0"

if TYPE_CHECKING:
    from qgen.circuits import LayerCircuit as LayerCircuit
    from qgen.nn import QuantumLayer as QuantumLayer
    from qgen.nn import QuantumProbabilities as QuantumProbabilities
else:
    _HOME = {
        "LayerCircuit": "qgen.circuits",
        "QuantumLayer": "qgen.nn",
        "QuantumProbabilities": "qgen.nn",
    }

    def __getattr__(name: str) -> object:
        from importlib import import_module

        if name not in _HOME:
            raise AttributeError(f"module 'qgen' has no attribute {name!r}")
        value = globals()[name] = getattr(import_module(_HOME[name]), name)
        return value

    def __dir__() -> list[str]:
        return sorted({*globals(), *_HOME})
