"""The model card of an export: its README, in Markdown, with the front matter that model hubs read."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from qgen.data.distributions import DISTRIBUTIONS
from qgen.data.sets import CAPTIONED_SETS, KNOWN_SETS
from qgen.models.description import ModelDescription
from qgen.runs.config import RunConfig
from qgen.runs.rows import EvaluationValues
from qgen.user_files import printable
from qgen.version import __version__
from qgen.yaml_values import dump_yaml

_RATES = ("step", "images", "learning_rate", "images_per_second", "circuits_per_second")


@dataclass(frozen=True)
class ModelCard:
    """What is said of an exported model.

    Attributes:
        name: of the folder.
        config: its settings.
        shape: (C, H, W) of its images.
        step: training steps.
        rows: of metrics.jsonl.
        evaluation: the values of these weights; None: they were not evaluated.
        described: the model in numbers; None: not known.
        grid: the picture of samples, relative to the card; None: there is none.
        needs: what the folder does not hold.
        data: the provenance of the images.
        dtype: of the weights in the file.
        made: how the weights were made, where that is noted: `commands`, the `revision` of qgen's sources, `licence`.
    """

    name: str
    config: RunConfig
    shape: tuple[int, int, int]
    step: int
    rows: Sequence[Mapping[str, Any]]
    evaluation: EvaluationValues | None
    described: ModelDescription | None
    grid: str | None
    needs: Sequence[str]
    data: Mapping[str, Any]
    dtype: str = "float32"
    made: Mapping[str, Any] = field(default_factory=dict)

    def text(self) -> str:
        """Return the card."""
        kind = self.config.model.kind
        front = dump_yaml({"library_name": "qgen", "tags": ["qgen", "quantum", "image-generation", kind]})
        shown = "Samples" if self.dtype == "float32" else "Samples, before the weights were rounded"
        grid = [f"![{shown}]({self.grid})"] if self.grid else []
        blocks = [
            f"# {self.name}",
            f"A generator of kind `{kind}`, trained for {self.step:,} steps and exported by qgen {__version__}. The "
            f"weights are the moving average that sampling uses{self._rounding()}.",
            *grid,
            "## Use",
            self._use(),
            *(["It needs beside qgen:", "\n".join(f"- {_code(line)}" for line in self.needs)] if self.needs else []),
            "## Model",
            _table(("", ""), self._model()),
            "## Data",
            *self._data(),
            "## Training",
            *self._made(),
            "The last row of `metrics.jsonl`:" if self.rows else "No metrics were written.",
            *([_table(("metric", "value"), self._metrics())] if self.rows else []),
            "## Evaluation",
            *self._evaluation(),
            "## Licence",
            self._licence(),
        ]
        return f"---\n{front}---\n\n" + "\n\n".join(blocks) + "\n"

    def _use(self) -> str:
        return (
            "```python\nimport qgen\n\n"
            f"run = qgen.load({json.dumps(self.name, ensure_ascii=False)})  # this folder\n"
            "images = run.sample(16, seed=7)  # images.values: (16, C, H, W), in [-1, 1]\n"
            "```\n\n"
            f"```bash\nqgen sample {self.name} --seed 7\nqgen evaluate {self.name}\nqgen describe {self.name}\n"
            f"qgen train CONFIG --from {self.name}  # a new run begins from these weights\n```\n\n"
            f"{self._samples()} Training does not go on from here: the state of the optimiser is left out."
        )

    def _samples(self) -> str:
        if self.dtype == "float32":
            return "Equal seeds give the images of the run that was exported."
        return "Equal seeds give equal images, though not quite those of the run, whose weights were not rounded."

    def _rounding(self) -> str:
        return "" if self.dtype == "float32" else f", rounded to {self.dtype}; they are computed with in float32"

    def _made(self) -> Iterator[str]:
        if self.made:
            commands = "\n".join(map(str, self.made["commands"]))
            yield f"Made with revision `{self.made['revision']}` of qgen by"
            yield f"```bash\n{commands}\n```"

    def _licence(self) -> str:
        if "licence" in self.made:
            return f"The weights: {self.made['licence']}. The data: see above."
        return (
            "This card does not license the weights: whoever shares them says under what terms, which those of the "
            "data have to allow."
        )

    def _model(self) -> Iterator[tuple[str, str]]:
        yield "images", f"{'x'.join(map(str, self.shape))} (channels, height, width)"
        found, backend = self.described, self.config.backend.name
        if found is not None:
            yield "parameters", f"{found.parameters:,}, of which {found.quantum_parameters:,} in circuits"
            for circuit in found.circuits:
                yield f"circuit `{circuit.part}`", f"{circuit.copies} of `{circuit.ansatz}`, {circuit.qubits} qubits"
        if found is None or found.circuits:
            yield "backend", f"{_code(backend)} in training; `--backend` names another: see `qgen backends`"

    def _data(self) -> Iterator[str]:
        name = self.config.data.name
        if name in KNOWN_SETS or name in CAPTIONED_SETS:
            known = KNOWN_SETS.get(name) or CAPTIONED_SETS[name]
            yield f"`{name}`: {known.about}. {known.reference}. Licence: {known.licence}."
        elif name in DISTRIBUTIONS:
            known_distribution = DISTRIBUTIONS[name]
            yield f"`{name}`: {known_distribution.about}. {known_distribution.reference}. No licence is needed."
        else:
            yield f"The images of {_code(name)}. Their licence is not known to qgen."
        if "sha256" in self.data:
            yield f"It learned from {self.data['images']:,} images with the digest `{self.data['sha256']}`."

    def _metrics(self) -> Iterator[tuple[str, str]]:
        last = self.rows[-1]
        yield "step", f"{last['step']:,}"
        yield from ((name, _number(value)) for name, value in last.items() if name not in _RATES)

    def _evaluation(self) -> Iterator[str]:
        found = self.evaluation
        if found is None:
            yield "These weights were not evaluated."
            return
        yield (
            f"{found.count:,} samples, circuits on {_code(found.backend)}, compared with {found.reference}, by the "
            f"features {_code(found.features)}. Intervals are of 95 %; the last column has real images in place of the "
            "samples."
        )
        rows = (
            (str(each.get("label", name)), _with_interval(each), _with_interval(each.get("real", {})))
            for name, each in found.metrics.items()
        )
        yield _table(("metric", "samples", "real images"), rows)


def _with_interval(value: Mapping[str, Any]) -> str:
    if value.get("value") is None:
        return ""
    low, high = value.get("low"), value.get("high")
    ends = "" if low is None or high is None else f" ({_number(low)} to {_number(high)})"
    return _number(value["value"]) + ends


def _number(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _code(text: str) -> str:
    return f"`{printable(text).replace('`', chr(39))}`"


def _table(head: Sequence[str], rows: Iterator[tuple[str, ...]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)
