"""What a cell measures: its images, their quality, and changes of images and expectation values from the ideal cell."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, closing, nullcontext
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import Tensor

from qgen.data import DataSettings, ImageSet, save_grid, save_samples
from qgen.metrics import open_fitted_space
from qgen.metrics.reference import open_available_reference
from qgen.runs import Run
from qgen.runs.provenance import backend_facts
from qgen.sampling import open_trained, sample_images
from qgen.studies.noise.cells import NoiseCell
from qgen.studies.noise.probes import chosen_inputs, error_facts, layer_values, quantum_layers, recorded_inputs
from qgen.tensor_files import TensorFile
from qgen.training.evaluation import SampleEvaluator

if TYPE_CHECKING:
    from qgen.studies.tasks import TaskContext

#: Inputs of each layer at which expectation values are compared.
INPUTS = 64
#: Images of a cell that are drawn, and how many stand side by side.
SHOWN, COLUMNS = 16, 8
_FILE = TensorFile("cell", 1, "Remove it and the file of the same name that ends in .json; the study makes both anew.")
_IMAGES, _INPUTS, _VALUES = "images", "inputs/", "values/"


@dataclass(frozen=True)
class Measured:
    """What a cell leaves.

    Attributes:
        facts: plain values: the content of `cells/NAME.json`.
        images: (N, C, H, W), float32 in [-1, 1].
        tensors: for `cells/NAME.safetensors`: expectation values of the layers; of an ideal cell also its images and
            the inputs of the layers.
        real: the real images.
    """

    facts: dict[str, Any]
    images: Tensor
    tensors: dict[str, Tensor]
    real: ImageSet

    def write(self, tensors: Path, picture: Path) -> None:
        """Write the tensors and a picture of the first images.

        Raises:
            OSError: the folder cannot be written.
        """
        _FILE.write(tensors, self.tensors, {})
        shown = self.images[:SHOWN]
        if self.images.shape[2:] == (1, 1):
            save_samples(self.images, picture, self.real)
        else:
            save_grid(shown, picture, columns=COLUMNS)


def measure_cell(
    cell: NoiseCell, count: int, run: Run, ideal: Path | None, space: Path, context: TaskContext
) -> Measured:
    """Sample and compare the images of a cell.

    Args:
        cell: the cell.
        count: number of images.
        run: what was trained.
        ideal: the tensors of the ideal cell of the same generator; None: this is it.
        space: the file of the features.
        context: where data are.

    Raises:
        RunError, DataError, BackendError: a file is missing or damaged, or the backend cannot serve the generator.
    """
    generation, seed = cell.generation, cell.generation.seed
    trained = open_trained(run, cell.condition.settings())
    with closing(trained.backend):
        network = trained.generator.sampler
        recording: AbstractContextManager[dict[str, list[Tensor]]]
        recording = recorded_inputs(network, INPUTS) if ideal is None else nullcontext(dict[str, list[Tensor]]())
        with recording as seen:
            images = sample_images(trained, count, seed, context.device)
        before = _named(_INPUTS, chosen_inputs(seen, INPUTS)) if ideal is None else _FILE.read(ideal)[0]
        values = layer_values(network, _unnamed(_INPUTS, before), seed)
        tensors = _named(_VALUES, values)
        if ideal is None:
            before = tensors = before | tensors | {_IMAGES: images}
        layers, were = quantum_layers(network), _unnamed(_VALUES, before)
        errors = [error_facts(name, layers[name], value, were[name]) for name, value in values.items()]
        facts = {"backend": backend_facts(trained.backend), "step": trained.step}
    evaluator = _evaluator(generation.source.judged_by, space, context.data_dir)
    real = evaluator.reference.of
    change = images - before[_IMAGES]
    return Measured(
        {
            "source": generation.source.name,
            "seed": seed,
            "images": len(images),
            **facts,
            "data": real.sha256,
            "quality": evaluator.evaluate(images),
            "rms_pixel_change": float(change.square().mean().sqrt()),
            "layers": errors,
        },
        images,
        tensors,
        real,
    )


def layer_values_of(file: Path) -> dict[str, Tensor]:
    """Return the expectation values that a cell has left, (N, O) or (N, K, O), float64, by the name of the layer.

    Raises:
        RunError: the file is missing or damaged.
    """
    return _unnamed(_VALUES, _FILE.read(file)[0])


def _named(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {f"{prefix}{name}": tensor for name, tensor in tensors.items()}


def _unnamed(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


@lru_cache(maxsize=4)
def _evaluator(data: DataSettings, space: Path, data_dir: Path | None) -> SampleEvaluator:
    """The real images and their features, which a worker computes once."""
    reference = open_available_reference(data, data_dir)
    fitted = None if reference.whole.shape[1:] == (1, 1) else open_fitted_space(reference.whole, cache=space)
    return SampleEvaluator(reference, fitted)
