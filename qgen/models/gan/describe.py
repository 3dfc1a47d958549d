"""A GAN in numbers: the parts of both players, their parameters and the circuits that they run."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from torch import nn

from qgen.models.description import ModelDescription, Part, UsedCircuit, count
from qgen.models.gan.generators import ConvGenerator, PatchGenerator
from qgen.models.gan.network import GAN, Discriminator
from qgen.models.gan.settings import BlockSettings, PatchGeneratorSettings, StyleGeneratorSettings

Row = tuple[str, tuple[int, ...], int]


def describe_gan(model: GAN) -> ModelDescription:
    """Describe a GAN; nothing is run."""
    circuits = tuple(_circuits(model))
    parts = [("generator", row) for row in _generator_rows(model)]
    parts += [("discriminator", row) for row in _discriminator_rows(model.discriminator)]
    rows = tuple(
        Part(f"{player}.{name}", shape, count(model.get_submodule(f"{player}.{name}")), runs)
        for player, (name, shape, runs) in parts
    )
    quantum = sum(weight.numel() for used in circuits for weight in model.get_submodule(used.part).parameters())
    return ModelDescription(
        rows=rows,
        parameters=count(model),
        quantum_parameters=quantum,
        trainable=sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad),
        circuits_per_call=model.generator.circuits,
        qubits=max((used.qubits for used in circuits), default=0),
        circuits=circuits,
    )


def _generator_rows(model: GAN) -> Iterator[Row]:
    made = model.generator
    if isinstance(made, ConvGenerator):
        block = made.start.in_features
        yield "block", (block,), made.circuits
        yield "start", made.first, 0
        for number, level in enumerate(made.levels):
            shape: Any = level.shape
            yield f"levels.{number}", shape, 0
        yield "out", model.image_shape, 0
    else:
        yield "patches" if isinstance(made, PatchGenerator) else "circuit", model.image_shape, made.circuits


def _discriminator_rows(scores: Discriminator) -> Iterator[Row]:
    yield "extractor", (scores.extractor.features,), 0
    if isinstance(scores.reduce, nn.Linear):
        yield "reduce", (scores.reduce.out_features,), 0
        yield "block", (scores.score.in_features,), scores.circuits
    yield "score", (1,), 0


def _circuits(model: GAN) -> Iterator[UsedCircuit]:
    made, judged = model.settings.generator, model.settings.discriminator.block
    if isinstance(made, PatchGeneratorSettings):
        yield UsedCircuit("generator.patches", made.ansatz, made.qubits, made.layers, made.patches)
    elif isinstance(made, StyleGeneratorSettings):
        yield UsedCircuit("generator.circuit", made.ansatz, made.circuit(_numbers(model)).qubits, made.layers, 1)
    else:
        yield from _of_block("generator.block", made.block)
    if judged is not None:
        yield from _of_block("discriminator.block", judged)


def _of_block(part: str, block: BlockSettings) -> Iterator[UsedCircuit]:
    if block.kind == "quantum":
        yield UsedCircuit(part, block.ansatz, block.circuit.qubits, block.layers, 1)


def _numbers(model: GAN) -> int:
    channels, height, width = model.image_shape
    return channels * height * width
