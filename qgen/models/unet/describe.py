"""A U-Net in numbers: its parts, their parameters and the circuits that they run."""

from __future__ import annotations

from collections.abc import Iterator

from qgen.models.description import ModelDescription, Part, UsedCircuit, count
from qgen.models.unet.blocks import ResBlock
from qgen.models.unet.hybrid import HybridConvPair, QuantumConv2d
from qgen.models.unet.network import TIME_FACTOR, UNet


def describe_unet(model: UNet) -> ModelDescription:
    """Describe a U-Net; nothing is run."""
    convs = [module for module in model.modules() if isinstance(module, QuantumConv2d)]
    circuits = tuple(_circuits(model))
    return ModelDescription(
        rows=tuple(_rows(model)),
        parameters=count(model),
        quantum_parameters=sum(map(count, convs)),
        trainable=sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad),
        circuits_per_call=model.circuits_per_call,
        qubits=max((used.qubits for used in circuits), default=0),
        circuits=circuits,
    )


def _rows(model: UNet) -> Iterator[Part]:
    for name, shape in _shapes(model):
        module = model.get_submodule(name)
        circuits = module.stages.circuits_per_image(shape[-1]) if isinstance(module, ResBlock) else 0
        yield Part(name, shape, count(module), circuits)


def _shapes(model: UNet) -> Iterator[tuple[str, tuple[int, ...]]]:
    """The name and the output shape of each part, in the order in which they run."""
    settings, sizes = model.settings, model.sizes
    skips = [(width, size, size) for width, size in zip(settings.widths, sizes, strict=True)]
    ups = [(settings.dim * mult, size, size) for mult, size in zip(settings.mults, sizes, strict=True)]
    yield "encoder.init", skips[0]
    yield from ((f"encoder.time.{layer}", (TIME_FACTOR * settings.dim,)) for layer in ("hidden", "out"))
    if model.condition is not None:
        yield "condition", (TIME_FACTOR * settings.dim,)
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
        blocks = [module for module in part.modules() if isinstance(module, HybridConvPair)]
        for spec in blocks[0].spec.circuits if blocks else ():
            copies = spec.count * spec.built * len(blocks)
            yield UsedCircuit(name, spec.ansatz, spec.circuit.qubits, spec.layers, copies)
