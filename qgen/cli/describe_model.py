"""`qgen describe` of a preset, a file of settings or a run: the model's layers, parameters and circuits."""

import os
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qgen.cli.output import make_console, print_json, print_rows
from qgen.cli.tables import print_table

if TYPE_CHECKING:
    from rich.console import Console

    from qgen.generators import Generator
    from qgen.models import ModelDescription
    from qgen.runs import DataFacts, Run, RunConfig


def is_model(what: str) -> bool:
    """Return whether this names a preset, a file of settings or a folder, rather than a circuit."""
    presets = {entry.name for entry in (resources.files("qgen") / "runs" / "presets").iterdir()}
    return what.endswith((".yaml", ".yml")) or _means_run(what) or f"{what}.yaml" in presets


def _means_run(what: str) -> bool:
    """Return whether this is a folder, which has to be a run, or weights that come with qgen (`pretrained:digits`)."""
    from qgen.runs.pretrained import SCHEME

    return os.path.isdir(what) or what.startswith(SCHEME)


def print_model(what: str, changes: list[str], as_json: bool) -> None:
    """Print the layers of a model with their parameters and circuits, and the progress of a run."""
    from qgen.runs import Run, build_generator, build_without_weights, find_run, override_config, read_config

    run: Run | None = None
    if _means_run(what):
        run = find_run(Path(what))
        config = override_config(run.config(), changes)
    else:
        config = read_config(what, changes)
    shape, known = _data_facts(config, run)
    generator = build_without_weights(lambda: build_generator(config, shape, **known))
    facts = generator.describe()
    about = _about(config, generator) | (_progress(run) if run else {})
    if as_json:
        print_json({"name": what} | facts.to_dict() | about)
        return
    console = make_console()
    _print_layers(console, facts)
    print_rows(console, _rows(what, facts, about))


def _data_facts(config: "RunConfig", run: "Run | None") -> tuple[tuple[int, int, int], "DataFacts"]:
    """Return the shape of the images, and what else a model has to know of them."""
    from qgen.data import caption_facts, image_shape, num_classes
    from qgen.runs import data_facts, load_checkpoint

    saved = run.checkpoints() if run else []
    if saved:  # its images may be gone
        numbers = load_checkpoint(saved[-1]).numbers
        channels, height, width = numbers["shape"]
        return (channels, height, width), data_facts(numbers)
    return image_shape(config.data), {"num_classes": num_classes(config.data), "captions": caption_facts(config.data)}


def _about(config: "RunConfig", generator: "Generator") -> dict[str, Any]:
    return {
        "image": list(generator.shape),
        "data": config.data.name,
        "kind": config.model.kind,
        "variant": getattr(config.model, "variant", None),
        "sampling": dict(generator.sampling_info),
        "circuits_per_image": generator.circuits_per_image,
        "circuits_per_training_image": generator.circuits_per_training_image,
        "backend": config.backend.name,
    }


def _progress(run: "Run") -> dict[str, Any]:
    from qgen.runs import load_checkpoint

    saved = run.checkpoints()
    return {
        "run": run.address,
        "steps_done": load_checkpoint(saved[-1]).step if saved else 0,
        "provenance": run.provenance(),
    }


def _print_layers(console: "Console", facts: "ModelDescription") -> None:
    numbers, rows = ("output", "parameters", "circuits"), []
    for row in facts.rows:
        shape = "x".join(map(str, row.shape))
        rows.append((row.name, shape, f"{row.parameters:,}", f"{row.circuits:,}" if row.circuits else ""))
    print_table(console, ("layer", *numbers), rows, numbers, gap=2)


def _rows(what: str, facts: "ModelDescription", about: dict[str, Any]) -> dict[str, str]:
    channels, height, width = about["image"]
    size = f"{height}x{width}, {'grey' if channels == 1 else 'RGB'}"
    around = facts.branch_parameters - facts.quantum_parameters
    beside = f" and {around:,} in the layers and gates beside them" if facts.branch_parameters else ""
    rows = {
        "model": f"{what} ({about['variant'] or about['kind']})",
        "images": f"{about['data']}, {size if (height, width) != (1, 1) else f'samples of {channels} numbers'}",
        "parameters": f"{facts.parameters:,}, of which {facts.quantum_parameters:,} in circuits{beside}",
        "circuits": f"{facts.circuits_per_call:,} for an image in each call, "
        f"{about['circuits_per_training_image']:,g} in a step of training, "
        f"{about['circuits_per_image']:,} to sample one ({about['sampling']['words']})",
    }
    for circuit in facts.circuits:
        layers = "" if circuit.layers is None else f", {circuit.layers} layers"
        copies = f"{circuit.copies} of " if circuit.copies > 1 else ""
        rows[f"  {circuit.part}"] = f"{copies}{circuit.ansatz}, {circuit.qubits} qubits{layers}"
    if "run" in about:
        rows["trained"] = f"{about['steps_done']:,} steps, circuits on {about['backend']}"
    return rows
