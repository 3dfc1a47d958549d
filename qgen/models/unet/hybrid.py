"""Hybrid convolutions: circuits on the first channels of feature maps, a convolution beside them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, cast

import torch
from torch import nn

from qgen.circuits import LayerCircuit, ansatz
from qgen.models.circuit_context import CircuitContext
from qgen.models.unet.blocks import ConvPair, StandardConv
from qgen.models.unet.settings import PATCH, HybridSettings, UNetSettings, Variant
from qgen.nn import QuantumLayer
from qgen.nn.initialisers import Uniform

SINGLE_LAYERS = 4  # of the circuit of a single channel
SecondInput = Literal["activations", "block input", "first values"]


@dataclass(frozen=True)
class QuantumConvSpec:
    """Circuits of one form on consecutive channels, in both convolutions of a pair.

    Attributes:
        ansatz: name of the circuit that runs.
        layers: its layers.
        circuit: the circuit.
        count: number of circuits in one convolution.
        channels: channels that each of them reads.
        counted: weights that are counted for each; those beyond the circuit's own are never used.
        built: how many of the two convolutions have weights of their own: 1, if both share them.
        run: how many of these run; with 1 the second convolution uses the weights of the first.
    """

    ansatz: str
    layers: int
    circuit: LayerCircuit
    count: int
    channels: int
    counted: int
    built: int
    run: int

    @property
    def evaluations(self) -> int:
        """Circuits that are run for one patch in one convolution: more than `count` where a circuit is a mixture."""
        mixture = self.circuit.mixture
        return self.count * (1 if mixture is None else len(mixture))


@dataclass(frozen=True)
class HybridConvSpec:
    """A pair of hybrid convolutions, as a value.

    Attributes:
        circuits: the circuits, on the first channels, one spec after the other.
        conv_inputs: channels that the classical convolutions beside the circuits read: the last ones, which are those
            beside the circuits or all of them; 0: there is no such convolution.
        conv_outputs: channels that these convolutions give; 0: there is none.
        second: what the circuits of the second convolution read: the activations of the first, or what came into the
            block; or, instead of running, the first one's values are put there again.
        variant: how pixels are laid on wires.
    """

    circuits: tuple[QuantumConvSpec, ...]
    conv_inputs: int
    conv_outputs: int
    second: SecondInput
    variant: Variant

    @property
    def evaluations(self) -> int:
        """Circuits that are run for one patch in both convolutions."""
        convolutions = 1 if self.second == "first values" else 2
        return convolutions * sum(spec.evaluations for spec in self.circuits)


class QuantumConv2d(nn.Module):
    """Circuits on the 2x2 patches of feature maps, one a group of channels: all of them in one call of the backend.

    Wires of variant `paper` run over the channels of a group, and over the four pixels of each, row by row, so that a
    circuit's blocks of four wires are channels, as its figures have it; in `published` over the pixels, and over the
    channels of each.

    Args:
        spec: the circuits.
        variant: how pixels are laid on wires, and how weights start.
        context: where they run.
    """

    def __init__(self, spec: QuantumConvSpec, variant: Variant, context: CircuitContext) -> None:
        super().__init__()
        self.spec, self.variant = spec, variant
        # The published code draws all weights from [0, 1): also those that are an angle, not a turn.
        initial = Uniform(0.0, 1.0) if variant == "published" else None
        self.circuits = QuantumLayer(
            spec.circuit, context.backend, context.gradient, seed=context.seed, initial=initial, copies=spec.count
        )
        unused = spec.counted - spec.circuit.num_weights
        if unused:
            self.unused = nn.Parameter(torch.zeros(spec.count, unused), requires_grad=False)

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        """Return the circuits' values in the places of the maps (B, count * channels, H, W), H and W even."""
        values: torch.Tensor = self.circuits(self.to_patches(maps).to(self.circuits.weight.dtype))
        return self.from_patches(values, maps.shape)

    def to_patches(self, maps: torch.Tensor) -> torch.Tensor:
        """Return maps (B, count * channels, H, W) as inputs (B, patches, count, channels * 4) of the circuits."""
        split = maps.unflatten(3, (-1, PATCH)).unflatten(2, (-1, PATCH)).unflatten(1, (self.spec.count, -1))
        order = (0, 3, 5, 1, 2, 4, 6) if self.variant == "paper" else (0, 3, 5, 1, 4, 6, 2)
        patches: torch.Tensor = split.permute(order)
        return patches.flatten(4).flatten(1, 2)

    def from_patches(self, values: torch.Tensor, shape: torch.Size) -> torch.Tensor:
        """Return values (B, patches, count, channels * 4) as maps of the given shape, in the channels-last format."""
        wires = (-1, PATCH, PATCH) if self.variant == "paper" else (PATCH, PATCH, -1)
        split: torch.Tensor = values.unflatten(3, wires).unflatten(1, (shape[2] // PATCH, shape[3] // PATCH))
        order = (0, 1, 5, 2, 6, 3, 4) if self.variant == "paper" else (0, 1, 4, 2, 5, 3, 6)
        return split.permute(order).reshape(shape[0], *shape[2:], shape[1]).permute(0, 3, 1, 2)


class HybridConvPair(ConvPair):
    """Two hybrid convolutions. Those of their circuits that never run are frozen, and counted all the same.

    Source: De Falco et al. (2024), arXiv:2402.16147, sections 3.1 and 3.2; for what its published code does otherwise
    `HybridConvSpec` has fields.

    Args:
        spec: what they are.
        context: where their circuits run.
    """

    def __init__(self, spec: HybridConvSpec, context: CircuitContext) -> None:
        super().__init__()
        self.spec = spec
        # Checkpoints know the weights as banks.N.sets.N: one bank for each form of circuits, one set a convolution.
        self.banks = nn.ModuleList(
            nn.ModuleDict({"sets": _quantum_convs(part, spec.variant, context.at(index))})
            for index, part in enumerate(spec.circuits)
        )
        shape = spec.conv_inputs, spec.conv_outputs
        self.conv_0, self.conv_1 = (StandardConv(*shape) if all(shape) else None for _ in range(2))

    def first(self, maps: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor | None]:
        values = self._run_circuits(maps, 0)
        kept = {"activations": None, "block input": maps, "first values": values}[self.spec.second]
        return self._beside(values, self.conv_0, maps), kept

    def second(self, maps: torch.Tensor, kept: torch.Tensor | None) -> torch.Tensor:
        if self.spec.second == "first values" and kept is not None:
            return self._beside(kept, self.conv_1, maps)
        return self._beside(self._run_circuits(maps if kept is None else kept, 1), self.conv_1, maps)

    def circuits_per_image(self, size: int) -> int:
        return (size // PATCH) ** 2 * self.spec.evaluations

    def quantum_convs(self, number: int) -> list[QuantumConv2d]:
        """Return the circuits that convolution 0 or 1 runs, on consecutive channels."""
        sets = [cast(nn.ModuleList, bank["sets"]) for bank in self.banks]  # type: ignore[index]
        chosen = [min(number, spec.run - 1) for spec in self.spec.circuits]
        return [cast(QuantumConv2d, convs[index]) for convs, index in zip(sets, chosen, strict=True)]

    def _run_circuits(self, maps: torch.Tensor, number: int) -> torch.Tensor:
        widths = [spec.count * spec.channels for spec in self.spec.circuits]
        parts = maps[:, : sum(widths)].split(widths, dim=1)
        convs = self.quantum_convs(number)
        return torch.cat([conv(part) for conv, part in zip(convs, parts, strict=True)], dim=1)

    def _beside(self, values: torch.Tensor, conv: nn.Module | None, maps: torch.Tensor) -> torch.Tensor:
        if conv is None:
            return values
        return torch.cat([values, conv(maps[:, maps.shape[1] - self.spec.conv_inputs :])], dim=1)


def vertex_spec(settings: UNetSettings) -> HybridConvSpec | None:
    """Return the hybrid convolutions of both blocks at the vertex; None, if it is classical.

    In the published code the second convolution puts the first one's values there again beside its classical part:
    its own circuits never count. Without a classical part it runs, but both use the same weights for single channels.

    Raises:
        CircuitError: the ansatz does not take these settings.
    """
    vertex, published, channels = settings.vertex, settings.variant == "published", settings.bottom
    if vertex.groups == 0:
        return None
    full = vertex.groups == "all"
    count = channels // vertex.group_channels if vertex.groups == "all" else vertex.groups
    left = channels - count * vertex.group_channels
    repeats = published and not full
    circuits = [_group_spec(settings, vertex, count, vertex.layers, run=1 if repeats else 2)]
    if full and left:
        circuits.append(_single_channel_spec(left, run=1 if published else 2))
    beside = 0 if full else left
    return HybridConvSpec(
        tuple(circuits), beside, beside, "first values" if repeats else "activations", settings.variant
    )


def quanvolution_spec(settings: UNetSettings) -> HybridConvSpec | None:
    """Return the hybrid convolutions of both blocks at the quanvolutional level of the encoder; None, without one.

    In the published code the second convolution's circuits read what came into the block, and the classical parts read
    only what the circuits leave: the first one's circuits run, but change nothing if each channel has a norm of its
    own. The number of parameters in the paper is that of convolutions which read all channels.

    Raises:
        CircuitError: the ansatz does not take these settings.
    """
    level, published = settings.quanvolution, settings.variant == "published"
    if level is None:
        return None
    channels = settings.widths[level.level]
    left = channels - level.groups * level.group_channels
    built = 1 if settings.quanvolution_shared else 2
    circuits = _group_spec(settings, level, level.groups, settings.quanvolution_layers, built, run=built)
    if published:
        return HybridConvSpec((circuits,), left, left, "block input", settings.variant)
    return HybridConvSpec((circuits,), channels, left, "activations", settings.variant)


def _quantum_convs(spec: QuantumConvSpec, variant: Variant, context: CircuitContext) -> nn.ModuleList:
    convs = nn.ModuleList(QuantumConv2d(spec, variant, context.at(number)) for number in range(spec.built))
    for unused in convs[spec.run :]:
        unused.requires_grad_(False)
    return convs


def _group_spec(
    settings: UNetSettings, part: HybridSettings, count: int, layers: int, built: int = 2, *, run: int
) -> QuantumConvSpec:
    return QuantumConvSpec(
        ansatz=part.ansatz_name(settings.variant),
        layers=layers,
        circuit=part.circuit(layers, settings.variant),
        count=count,
        channels=part.group_channels,
        counted=part.counted_weights(layers),
        built=built,
        run=run,
    )


def _single_channel_spec(count: int, run: int) -> QuantumConvSpec:
    """Return the circuits of the channels that no group takes, one for each."""
    circuit = ansatz("basic", qubits=PATCH**2, layers=SINGLE_LAYERS)
    return QuantumConvSpec(
        "basic", SINGLE_LAYERS, circuit, count, channels=1, counted=circuit.num_weights, built=2, run=run
    )
