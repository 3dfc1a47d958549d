"""Hybrid quantum-classical image generators on Qiskit.

`import qgen` costs nothing: torch and qiskit are imported when a name that needs them is first used.
"""

from typing import TYPE_CHECKING

from qgen.errors import QgenError as QgenError
from qgen.version import __version__ as __version__

if TYPE_CHECKING:
    from qgen.api import Images as Images
    from qgen.api import TrainedRun as TrainedRun
    from qgen.api import load as load
    from qgen.api import train as train
    from qgen.circuits import LayerCircuit as LayerCircuit
    from qgen.nn import QuantumLayer as QuantumLayer
    from qgen.nn import QuantumProbabilities as QuantumProbabilities
else:
    _HOME = {
        "Images": "qgen.api",
        "TrainedRun": "qgen.api",
        "load": "qgen.api",
        "train": "qgen.api",
        "LayerCircuit": "qgen.circuits",
        "QuantumLayer": "qgen.nn",
        "QuantumProbabilities": "qgen.nn",
    }
    __all__ = ["QgenError", *_HOME]

    def __getattr__(name: str) -> object:
        from importlib import import_module

        if name not in _HOME:
            raise AttributeError(f"module 'qgen' has no attribute {name!r}")
        value = globals()[name] = getattr(import_module(_HOME[name]), name)
        return value

    def __dir__() -> list[str]:
        return sorted({*globals(), *_HOME})
