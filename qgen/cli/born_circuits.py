"""The one circuit of a Born machine, of a run or of a preset, for `qgen transpile`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from qgen.circuits import LayerCircuit
    from qgen.runs import Run, RunConfig


def find_born_circuit(path: Path | None, bound: bool) -> tuple[str, LayerCircuit] | None:
    """Return the name of a run or preset, and the circuit whose shots are its images; None: it is of another kind.

    Args:
        path: the folder of a run, or the name of a preset; None: the latest run.
        bound: whether the weights are those of the run, as trained.

    Raises:
        RunError: there is no such run, its codes are drawn without a circuit, or a preset was asked for its weights.
        CircuitError, BackendError: there is no such circuit.
    """
    from qgen.errors import RunError
    from qgen.models.born.network import prior_circuit
    from qgen.models.born.settings import BornSettings
    from qgen.runs import find_run, preset_names, read_config
    from qgen.runs.folder import is_run

    run: Run | None = None
    if path is not None and str(path) in preset_names() and not is_run(path):
        name, config = str(path), read_config(str(path))
        if not isinstance(config.model, BornSettings):
            raise RunError(
                f"{name} is a preset, whose circuits are known once it is trained: `qgen train {name}`, then give the "
                "run; of presets only Born machines are taken"
            )
    else:
        run = find_run(path)
        name, config = run.name, run.config()
        if not isinstance(config.model, BornSettings):
            return None
    circuit = prior_circuit(config.model.prior, config.model.bits)
    if circuit is None:
        raise RunError(f"{name} has no circuits: its codes are drawn from a {config.model.prior.name} prior")
    layer = circuit.circuit() if hasattr(circuit, "masks") else circuit
    if not bound:
        return name, layer
    if run is None:
        raise RunError(f"{name} is a preset, which has no trained weights: leave --weights bound out, or give a run")
    return f"{name}, weights bound", _with_weights(layer, run, config)


def _with_weights(circuit: LayerCircuit, run: Run, config: RunConfig) -> LayerCircuit:
    from qgen.circuits.bound import bind_weights
    from qgen.sampling import open_trained

    prior: Any = open_trained(run).generator.network.prior
    return bind_weights(circuit, prior.weight.detach().double().cpu().numpy()).circuit
