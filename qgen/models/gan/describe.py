"""A GAN in numbers: the parts of both players, their parameters and the circuits that they run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from torch import nn

from qgen.models.autoencoder.describe import autoencoder_rows, describe_parts
from qgen.models.description import ModelDescription, Part, UsedCircuit, count
from qgen.models.gan.discriminator import Discriminator
from qgen.models.gan.generators import ConvGenerator, PatchGenerator
from qgen.models.gan.network import GAN
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
    if model.codec is not None:
        decoded = describe_parts(model.codec, list(autoencoder_rows(model.codec.autoencoder, "autoencoder")))
        rows += tuple(_in_codec(row) for row in decoded.rows)
        circuits += tuple(replace(used, part=f"codec.{used.part}") for used in decoded.circuits)
        quantum += decoded.quantum_parameters
    return ModelDescription(
        rows=rows,
        parameters=count(model),
        quantum_parameters=quantum,
        trainable=sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad),
        circuits_per_call=model.generator.circuits + model.decoder_circuits,
        qubits=max((used.qubits for used in circuits), default=0),
        circuits=circuits,
    )


def _in_codec(row: Part) -> Part:
    """Return a part of an autoencoder by its name in the GAN; only what decodes runs circuits in a call."""
    return replace(row, name=f"codec.{row.name}", circuits=row.circuits if ".decoder." in row.name else 0)


def _generator_rows(model: GAN) -> Iterator[Row]:
    generator = model.generator
    if isinstance(generator, ConvGenerator):
        block = generator.start.in_features
        yield "block", (block,), generator.circuits
        yield "start", generator.first, 0
        for number, level in enumerate(generator.levels):
            shape: Any = level.shape
            yield f"levels.{number}", shape, 0
        yield "out", model.image_shape, 0
    else:
        yield "patches" if isinstance(generator, PatchGenerator) else "circuit", model.image_shape, generator.circuits


def _discriminator_rows(discriminator: Discriminator) -> Iterator[Row]:
    yield "extractor", (discriminator.extractor.features,), 0
    if isinstance(discriminator.reduce, nn.Linear):
        yield "reduce", (discriminator.reduce.out_features,), 0
        yield "block", (discriminator.score.in_features,), discriminator.circuits
    yield "score", (1,), 0


def _circuits(model: GAN) -> Iterator[UsedCircuit]:
    generator, block = model.settings.generator, model.settings.discriminator.block
    if isinstance(generator, PatchGeneratorSettings):
        yield UsedCircuit("generator.patches", generator.ansatz, generator.qubits, generator.layers, generator.patches)
    elif isinstance(generator, StyleGeneratorSettings):
        yield UsedCircuit(
            "generator.circuit", generator.ansatz, generator.circuit(_numbers(model)).qubits, generator.layers, 1
        )
    else:
        yield from _block_circuits("generator.block", generator.block)
    if block is not None:
        yield from _block_circuits("discriminator.block", block)


def _block_circuits(part: str, block: BlockSettings) -> Iterator[UsedCircuit]:
    if block.kind == "quantum":
        yield UsedCircuit(part, block.ansatz, block.circuit.qubits, block.layers, 1)


def _numbers(model: GAN) -> int:
    channels, height, width = model.image_shape
    return channels * height * width
