"""An autoencoder in numbers: its parts, their parameters and the circuits that they run."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import takewhile
from typing import TypeAlias

from torch import nn

from qgen.models.autoencoder.diffusers_kl import DiffusersAutoencoder
from qgen.models.autoencoder.network import Autoencoder, Decoder, Encoder
from qgen.models.autoencoder.vae_gan import VAEGAN
from qgen.models.description import ModelDescription, Part, UsedCircuit, count
from qgen.models.quantum_branch import QuantumBranch
from qgen.nn import QuantumLayer

Row: TypeAlias = tuple[str, tuple[int, ...]]


def describe_vae_gan(model: VAEGAN) -> ModelDescription:
    """Describe an autoencoder and its discriminator; a call is one reconstruction. Nothing is run."""
    rows = list(autoencoder_rows(model.autoencoder, "autoencoder"))
    if model.discriminator is not None:
        features = (model.discriminator.extractor.features,)
        rows += [("discriminator.extractor", features), ("discriminator.score", (1,))]
    return describe_parts(model, rows)


def autoencoder_rows(network: Autoencoder | DiffusersAutoencoder, name: str) -> Iterator[Row]:
    """Yield the parts of an autoencoder called `name`, with the shape of what comes out of each for one image."""
    if isinstance(network, DiffusersAutoencoder):
        channels, *size = network.code_shape
        ends = {"encoder": (2 * channels, *size), "quant_conv": (2 * channels, *size), "decoder": network.image_shape}
        for part, _ in network.kl.named_children():
            yield f"{name}.kl.{part}", ends.get(part, network.code_shape)
        return
    for part, output in _encoder_rows(network.encoder, network):
        yield f"{name}.encoder.{part}", output
    for part, output in decoder_rows(network):
        yield f"{name}.decoder.{part}", output


def describe_parts(model: nn.Module, rows: list[Row], runs: int = 1) -> ModelDescription:
    """Return the description of a network from the names and output shapes of its parts.

    Args:
        model: the network.
        rows: its parts, which together have all of its parameters.
        runs: how many rows of features each branch gets for an image in one call.
    """
    parts = []
    for name, shape in rows:
        module = model.get_submodule(name)
        circuits = runs * module.circuits if isinstance(module, QuantumBranch) else 0
        parts.append(Part(name, shape, count(module), circuits))
    used = used_circuits(model)
    layers = [inner for inner in model.modules() if isinstance(inner, QuantumLayer)]
    return ModelDescription(
        rows=tuple(parts),
        parameters=count(model),
        quantum_parameters=sum(layer.weight.numel() for layer in layers),
        trainable=sum(weight.numel() for weight in model.parameters() if weight.requires_grad),
        circuits_per_call=sum(part.circuits for part in parts),
        qubits=max((circuit.qubits for circuit in used), default=0),
        circuits=used,
    )


def decoder_rows(network: Autoencoder) -> Iterator[Row]:
    """Yield the parts of the decoder and the shape of what comes out of each for one image."""
    decoder: Decoder = network.decoder
    widths, wide = network.settings.widths[::-1], 2 * network.settings.widths[-1]
    if decoder.hidden is not None:
        yield "hidden", (wide,)
        yield from _branch_row(decoder.branch, (wide,))
        yield "entry", (int(decoder.entry.weight.shape[0]),)
    else:
        yield "entry", decoder.start
        yield from _branch_row(decoder.branch, (widths[0],))
    for number, (width, size) in enumerate(zip(widths, decoder.sizes, strict=True)):
        if number:
            yield f"up.{number - 1}", (width, size, size)
        yield f"blocks.{number}", (width, size, size)
    shape = network.image_shape
    yield "norm", (widths[-1], decoder.sizes[-1], decoder.sizes[-1])
    yield "enlarge", (decoder.enlarge.out_channels, decoder.sizes[-1], decoder.sizes[-1])
    yield "out", shape


def _encoder_rows(encoder: Encoder, network: Autoencoder) -> Iterator[Row]:
    widths, sizes = network.settings.widths, network.settings.map_sizes(network.image_shape[1])
    yield "first", (widths[0], sizes[0], sizes[0])
    for number, (width, size) in enumerate(zip(widths, sizes, strict=True)):
        if number:
            yield f"down.{number - 1}", (width, size, size)
        yield f"blocks.{number}", (width, size, size)
    yield "norm", (widths[-1], sizes[-1], sizes[-1])
    features = widths[-1]
    if encoder.hidden is not None:
        features = encoder.hidden.out_features
        yield "hidden", (features,)
    yield from _branch_row(encoder.branch, (features,))
    first, *rest = network.code_shape
    yield "head", (2 * first, *rest)


def _branch_row(branch: QuantumBranch, shape: tuple[int, ...]) -> Iterator[Row]:
    if branch.settings.kind != "none":
        yield "branch", shape


def used_circuits(model: nn.Module) -> tuple[UsedCircuit, ...]:
    """Return the kinds of circuits of the branches in a network; of several equal ones, what their names share."""
    alike: dict[tuple[str, int, int], list[str]] = {}
    for name, inner in model.named_modules():
        if isinstance(inner, QuantumBranch) and inner.settings.kind == "circuit":
            settings = inner.settings
            alike.setdefault((settings.ansatz, settings.circuit.qubits, settings.layers), []).append(name)
    return tuple(UsedCircuit(_shared(names), *kind, len(names)) for kind, names in alike.items())


def _shared(names: list[str]) -> str:
    """The parts that dotted names begin with alike: `a.b` of `a.b.c` and `a.b.d`."""
    if len(names) == 1:
        return names[0]
    columns = takewhile(lambda parts: len(set(parts)) == 1, zip(*(name.split(".") for name in names), strict=False))
    return ".".join(parts[0] for parts in columns)
