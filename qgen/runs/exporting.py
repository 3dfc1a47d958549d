"""Exports: the folder of a run with what sampling needs and no more, to be given to others."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from qgen import storage
from qgen.backends import open_settings
from qgen.backends.registry import is_billed
from qgen.data.distributions import DISTRIBUTIONS
from qgen.data.sets import KNOWN_SETS
from qgen.errors import RunError
from qgen.models.description import ModelDescription
from qgen.runs import provenance
from qgen.runs.absolute_paths import absolute_backend_name
from qgen.runs.building import build_generator, build_without_weights, data_facts
from qgen.runs.checkpoint import Checkpoint, averaged_weights, load_checkpoint, model_fingerprint, save_checkpoint
from qgen.runs.config import RunConfig
from qgen.runs.folder import Run, writing
from qgen.runs.model_card import ModelCard
from qgen.runs.rows import last_evaluation, read_rows
from qgen.version import __version__

#: Folder in which exports are put unless another one is named.
EXPORTS = Path("exports")
CARD = "README.md"
#: What of a run's provenance says something to others; its machine and its files do not.
_PROVENANCE = ("created", "backend", "seed", "frozen", "judge", "made")


@dataclass(frozen=True)
class Export:
    """What `export_run` wrote.

    Attributes:
        run: the folder, which is sampled, evaluated and described as a run.
        step: training steps of the weights.
        size: of the weights' file, in bytes.
        dtype: of the weights, as float32, or as float16 where they were rounded.
        needs: what it needs of a machine beside qgen, a line each.
    """

    run: Run
    step: int
    size: int
    dtype: str
    needs: tuple[str, ...]

    def plain(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {
            "folder": str(self.run.path),
            "weights": str(self.run.checkpoints()[-1]),
            "card": str(self.run.path / CARD),
            "step": self.step,
            "bytes": self.size,
            "dtype": self.dtype,
            "needs": list(self.needs),
        }


def export_run(run: Run, out: Path | None = None, half: bool = False) -> Export:
    """Write a run's averaged weights, settings, metrics and a model card into a new folder.

    The folder is a run whose checkpoint holds weights alone: it gives the same samples, bit for bit, and cannot go on.
    A latent model's autoencoder is among its weights. Weights that are rounded to float16 are computed with in float32,
    as others are, and give other samples than the run does.

    Args:
        run: a run with a checkpoint; the last one is taken.
        out: the new folder; None: `exports/` and the name of the run.
        half: round the weights to float16, for half the size.

    Raises:
        RunError: the run has no checkpoint, or a damaged one; there is something at `out`, or it cannot be written; a
            weight is beyond float16.
        ConfigError: its model makes no images.
    """
    saved = run.checkpoints()
    if not saved:
        raise RunError(f"{run.path} has no checkpoint yet: continue it with `qgen train {run.path} --resume`")
    target = Run(EXPORTS / run.path.resolve().name if out is None else out)
    if os.path.lexists(target.path):
        raise RunError(f"{target.path} exists already; name another folder with --out, or remove it")
    config, checkpoint = run.config(), load_checkpoint(saved[-1])
    shape = tuple(checkpoint.numbers["shape"])
    if checkpoint.model != model_fingerprint(config, shape):
        raise RunError(f"{saved[-1]} was made by a model with other settings than its config.yaml says")
    settings, step = _settings_for_others(config, shape), checkpoint.step
    weights = _weights_alone(checkpoint, half)
    dtype = "float16" if any(each.dtype == torch.float16 for each in weights.tensors["weights"].values()) else "float32"
    facts = run.provenance()
    described = _describe(settings, checkpoint, shape)
    grid = run.grid(step) if run.grid(step).is_file() else None
    needs = tuple(_needs(settings, run))
    card = ModelCard(
        name=target.path.resolve().name,
        config=settings,
        shape=shape,
        step=step,
        rows=read_rows(run.metrics),
        evaluation=last_evaluation(run.home, step),
        described=described,
        grid=None if grid is None else grid.relative_to(run.path).as_posix(),
        needs=needs,
        data=facts.get("data", {}),
        dtype=dtype,
        made=facts.get("made", {}),
    )
    with writing(target.path):
        target.path.mkdir(parents=True)
        target.samples.mkdir()
        target.checkpoint(step).parent.mkdir()
        save_checkpoint(target.checkpoint(step), weights)
        # Files beside the checkpoints are what a run left for others: an autoencoder that a diffusion builds upon.
        for file in (run.metrics, run.quality, *run.path.glob("*.safetensors"), *([grid] if grid else [])):
            if file.is_file():
                shutil.copyfile(file, target.path / file.relative_to(run.path))
        storage.write_text(target.path / CARD, card.text())
        target.write_provenance(_provenance(run, step))
        target.write_config(settings)  # last: a folder with settings is a run
    return Export(target, step, target.checkpoint(step).stat().st_size, dtype, needs)


def _weights_alone(checkpoint: Checkpoint, half: bool) -> Checkpoint:
    numbers = {name: value for name, value in checkpoint.numbers.items() if name != "window"}
    weights = averaged_weights(checkpoint)
    if half:
        weights = {name: _rounded(name, tensor) for name, tensor in weights.items()}
    return replace(checkpoint, tensors={"weights": weights}, numbers=numbers)


def _rounded(name: str, tensor: torch.Tensor) -> torch.Tensor:
    """Round float32 to float16; integers, and angles in float64, stay as they are."""
    if tensor.dtype != torch.float32:
        return tensor
    rounded = tensor.half()
    if not rounded.isfinite().all() and tensor.isfinite().all():
        raise RunError(f"a weight of {name} is beyond float16: leave --half out")
    return rounded


def _settings_for_others(config: RunConfig, shape: tuple[int, int, int]) -> RunConfig:
    """Return settings without the runs that this one was built upon: its weights hold what it has of them."""
    plain = config.plain()
    plain["start"] = None
    without = {key: None for key, noted in config.kind.stages.items() if getattr(config.model, noted) is not None}
    shared = RunConfig.read(plain | {"model": plain["model"] | without})
    same = model_fingerprint(shared, shape) == model_fingerprint(config, shape)
    return shared if same else RunConfig.read(plain)


def _describe(config: RunConfig, checkpoint: Checkpoint, shape: tuple[int, int, int]) -> ModelDescription | None:
    """Return the model in numbers; None where its settings name a device that costs money, which is not asked."""
    if is_billed(config.backend.name):
        return None
    known = data_facts(checkpoint.numbers)
    with closing(open_settings(config.backend)) as backend:
        generator = build_without_weights(lambda: build_generator(config, shape, backend, trained=True, **known))
        return generator.describe()


def _needs(config: RunConfig, run: Run) -> Iterator[str]:
    """Yield what the settings name that is not in the folder."""
    backend, name = config.backend, config.data.name
    if absolute_backend_name(backend.name) != backend.name or os.path.sep in backend.name:
        yield f"the noise file of backend.name={backend.name}, or another --backend"
    if backend.layout is not None:
        yield f"the layouts of backend.layout={backend.layout}, or another --backend"
    encoder = getattr(getattr(config.model, "text", None), "encoder", "")
    if getattr(config.model, "conditioning", None) == "text" and ":" in encoder:
        yield f"the text encoder of model.text.encoder={encoder}"
    if config.kind.source is not None:
        yield f"the code of model.kind={config.kind.name} ({config.kind.source.name})"
    if name not in KNOWN_SETS and name not in DISTRIBUTIONS:
        yield f"the images of data.name={name}, to be evaluated"


def _provenance(run: Run, step: int) -> dict[str, Any]:
    """Return where the weights come from, without what names the machine."""
    facts = run.provenance()
    machine, data = facts.get("machine", {}), facts.get("data", {})
    return {
        **{name: facts[name] for name in _PROVENANCE if name in facts},
        "machine": {name: machine[name] for name in ("qgen", "python", "packages") if name in machine},
        "data": {name: data[name] for name in ("name", "images", "sha256", "captions") if name in data},
        "exported": {"run": run.path.resolve().name, "step": step, "created": provenance.now(), "qgen": __version__},
    }
