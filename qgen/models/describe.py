"""What a model is, in numbers: its parts, their parameters and the circuits that they run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, final

from torch import nn

from qgen.models.blocks import ResBlock
from qgen.models.quantum import CircuitBank, HybridStages
from qgen.models.unet import TIME_FACTOR, UNet


@final
@dataclass(frozen=True, slots=True)
class Part:
    """One part of a model.

    Attributes:
        name: the prefix of its parameters.
        shape: what comes out for one image: (C, H, W), or (features,).
        parameters: how many numbers are learned in it; those that are frozen count.
        circuits: circuits that it runs for one image in one call.
    """

    name: str
    shape: tuple[int, ...]
    parameters: int
    circuits: int


@final
@dataclass(frozen=True, slots=True)
class UsedCircuit:
    """A kind of circuit in a model.

    Attributes:
        part: the prefix of the parameters of all of its kind.
        ansatz: its name; likewise `qubits`, ancillas with them, and `layers`.
        copies: how many there are with weights of their own.
    """

    part: str
    ansatz: str
    qubits: int
    layers: int
    copies: int


@final
@dataclass(frozen=True, slots=True)
class ModelDescription:
    """A model in numbers.

    Attributes:
        rows: its parts, in the order in which they run.
        parameters: the number of its parameters.
        quantum_parameters: those among them that are weights of circuits, unused ones too.
        trainable: those among all that can change.
        circuits_per_call: circuits that are run for one image in one call.
        qubits: of the widest circuit; 0 without circuits.
        circuits: the kinds of circuits.
    """

    rows: tuple[Part, ...]
    parameters: int
    quantum_parameters: int
    trainable: int
    circuits_per_call: int
    qubits: int
    circuits: tuple[UsedCircuit, ...]

    def to_dict(self) -> dict[str, Any]:
        """The same as plain lists, dicts, numbers and text, ready for JSON."""
        plain = asdict(self)
        rows = [row | {"shape": list(row["shape"])} for row in plain["rows"]]
        return plain | {"rows": rows, "circuits": list(plain["circuits"])}


def describe_model(model: UNet) -> ModelDescription:
    """The facts of a U-Net; nothing is run."""
    banks = [module for module in model.modules() if isinstance(module, CircuitBank)]
    circuits = tuple(_circuits(model))
    return ModelDescription(
        rows=tuple(_rows(model)),
        parameters=_count(model),
        quantum_parameters=sum(map(_count, banks)),
        trainable=sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad),
        circuits_per_call=model.circuits_per_call,
        qubits=max((used.qubits for used in circuits), default=0),
        circuits=circuits,
    )


def _rows(model: UNet) -> Iterator[Part]:
    for name, shape in _shapes(model):
        module = model.get_submodule(name)
        circuits = module.stages.circuits_per_image(shape[-1]) if isinstance(module, ResBlock) else 0
        yield Part(name, shape, _count(module), circuits)


def _shapes(model: UNet) -> Iterator[tuple[str, tuple[int, ...]]]:
    """The name and the output shape of each part, in the order in which they run."""
    settings, sizes = model.settings, model.sizes
    skips = [(width, size, size) for width, size in zip(settings.widths, sizes, strict=True)]
    ups = [(settings.dim * mult, size, size) for mult, size in zip(settings.mults, sizes, strict=True)]
    yield "encoder.init", skips[0]
    yield from ((f"encoder.time.{layer}", (TIME_FACTOR * settings.dim,)) for layer in ("hidden", "out"))
    for level, shape in enumerate(skips):
        yield from ((f"encoder.levels.{level}.{part}", shape) for part in ("block_0", "block_1", "attention"))
        if level + 1 < len(skips):
            yield f"encoder.levels.{level}.down", skips[level + 1]
    yield "encoder.out", ups[-1]
    yield from ((f"vertex.{part}", ups[-1]) for part in ("block_0", "attention", "block_1"))
    for level, shape in reversed(list(enumerate(ups))):
        yield from ((f"decoder.levels.{level}.{part}", shape) for part in ("block_0", "block_1", "attention"))
        yield f"decoder.levels.{level}.up", (skips[level][0], *skips[max(level - 1, 0)][1:])
    yield "decoder.final", skips[0]
    yield "decoder.out", model.image_shape


def _circuits(model: UNet) -> Iterator[UsedCircuit]:
    places = [(f"encoder.levels.{level}", part) for level, part in enumerate(model.encoder.levels)]
    for name, part in [*places, ("vertex", model.vertex)]:
        blocks = [module for module in part.modules() if isinstance(module, HybridStages)]
        for bank in blocks[0].hybrid.banks if blocks else ():
            copies = bank.count * bank.built * len(blocks)
            yield UsedCircuit(name, bank.ansatz, bank.circuit.qubits, bank.layers, copies)


def _count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())
