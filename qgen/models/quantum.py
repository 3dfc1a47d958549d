"""The hybrid stages of a residual block: circuits on the first channels of its maps, a convolution beside them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import nn

from qgen.circuits import LayerCircuit
from qgen.models.blocks import Stages, StandardConv
from qgen.models.engine import Engine
from qgen.models.settings import PATCH, Variant
from qgen.nn import QuantumLayer
from qgen.nn.initialisers import Uniform

Second = Literal["activations", "block input", "first values"]


@dataclass(frozen=True)
class Bank:
    """Circuits of one form on consecutive channels, for both stages of a block.

    Attributes:
        ansatz: the name of the circuit that runs; likewise `layers`.
        circuit: the circuit.
        count: how many of them a stage has.
        channels: the channels that each of them sees.
        counted: the weights that are counted for each; those beyond the circuit's own are never used.
        built: how many stages have weights of their own: 1, if both share them.
        run: how many of these stages run; with 1 the second stage uses the weights of the first.
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
        """Circuits that are run for one patch in one stage: more than `count` where a circuit is a mixture."""
        mixture = self.circuit.mixture
        return self.count * (1 if mixture is None else len(mixture))


@dataclass(frozen=True)
class Hybrid:
    """The two hybrid stages of a block, as a value.

    Attributes:
        banks: the circuits, on the first channels, one bank after the other.
        conv_inputs, conv_outputs: the channels of the convolutions beside the circuits; 0: there is none. The
            convolutions read the last channels: those beside the circuits, or all of them.
        second: what the circuits of the second stage read: the activations of the first, or what came into the block;
            or, instead of running, the first stage's values are put there again.
        variant: how pixels are laid on wires.
    """

    banks: tuple[Bank, ...]
    conv_inputs: int
    conv_outputs: int
    second: Second
    variant: Variant

    @property
    def evaluations(self) -> int:
        """Circuits that are run for one patch in both stages."""
        stages = 1 if self.second == "first values" else 2
        return stages * sum(bank.evaluations for bank in self.banks)


class PatchCircuits(nn.Module):
    """Circuits on the 2x2 patches of feature maps, one a group of channels: all of them in one call of the backend.

    Wires of variant `paper` run over the channels of a group, and over the four pixels of each, row by row, so that a
    circuit's blocks of four wires are channels, as its figures have it; in `published` over the pixels, and over the
    channels of each.

    Args:
        bank: the circuits.
        variant: how pixels are laid on wires, and how weights start.
        engine: where they run.
    """

    def __init__(self, bank: Bank, variant: Variant, engine: Engine) -> None:
        super().__init__()
        self.bank, self.variant = bank, variant
        # The published code draws all weights from [0, 1): also those that are an angle, not a turn.
        initial = Uniform(0.0, 1.0) if variant == "published" else None
        self.circuits = QuantumLayer(
            bank.circuit, engine.backend, engine.gradient, seed=engine.seed, initial=initial, copies=bank.count
        )
        spare = bank.counted - bank.circuit.num_weights
        if spare:
            self.unused = nn.Parameter(torch.zeros(bank.count, spare), requires_grad=False)

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        """From maps (B, count * channels, H, W), H and W even, to the circuits' values in the same places."""
        values: torch.Tensor = self.circuits(self.cut(maps).to(self.circuits.weight.dtype))
        return self.join(values, maps.shape)

    def cut(self, maps: torch.Tensor) -> torch.Tensor:
        """Maps (B, count * channels, H, W) as inputs (B, patches, count, channels * 4) of the circuits."""
        split = maps.unflatten(3, (-1, PATCH)).unflatten(2, (-1, PATCH)).unflatten(1, (self.bank.count, -1))
        order = (0, 3, 5, 1, 2, 4, 6) if self.variant == "paper" else (0, 3, 5, 1, 4, 6, 2)
        patches: torch.Tensor = split.permute(order)
        return patches.flatten(4).flatten(1, 2)

    def join(self, values: torch.Tensor, shape: torch.Size) -> torch.Tensor:
        """Values (B, patches, count, channels * 4) as maps of the shape that was cut, in the channels-last format."""
        wires = (-1, PATCH, PATCH) if self.variant == "paper" else (PATCH, PATCH, -1)
        split: torch.Tensor = values.unflatten(3, wires).unflatten(1, (shape[2] // PATCH, shape[3] // PATCH))
        order = (0, 1, 5, 2, 6, 3, 4) if self.variant == "paper" else (0, 1, 4, 2, 5, 3, 6)
        return split.permute(order).reshape(shape[0], *shape[2:], shape[1]).permute(0, 3, 1, 2)


class CircuitBank(nn.Module):
    """The circuits of a bank for both stages; what never runs is frozen, and counted all the same."""

    def __init__(self, bank: Bank, variant: Variant, engine: Engine) -> None:
        super().__init__()
        self.bank = bank
        self.sets = nn.ModuleList(PatchCircuits(bank, variant, engine.at(stage)) for stage in range(bank.built))
        for idle in self.sets[bank.run :]:
            idle.requires_grad_(False)

    def forward(self, maps: torch.Tensor, stage: int) -> torch.Tensor:
        """The values of one stage's circuits, 0 or 1, in the places of maps (B, count * channels, H, W)."""
        return self.sets[min(stage, self.bank.run - 1)](maps)  # type: ignore[no-any-return]


class HybridStages(Stages):
    """Circuits in both stages of a residual block.

    Source: De Falco et al. (2024), arXiv:2402.16147, sections 3.1 and 3.2; for what its published code does otherwise
    `Hybrid` has fields.

    Args:
        hybrid: what the stages are.
        engine: where the circuits run.
    """

    def __init__(self, hybrid: Hybrid, engine: Engine) -> None:
        super().__init__()
        self.hybrid = hybrid
        self.banks = nn.ModuleList(
            CircuitBank(bank, hybrid.variant, engine.at(index)) for index, bank in enumerate(hybrid.banks)
        )
        shape = hybrid.conv_inputs, hybrid.conv_outputs
        self.conv_0, self.conv_1 = (StandardConv(*shape) if all(shape) else None for _ in range(2))

    def first(self, maps: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor | None]:
        quantum = self._run(maps, 0)
        kept = {"activations": None, "block input": maps, "first values": quantum}[self.hybrid.second]
        return self._beside(quantum, self.conv_0, maps), kept

    def second(self, maps: torch.Tensor, kept: torch.Tensor | None) -> torch.Tensor:
        if self.hybrid.second == "first values" and kept is not None:
            return self._beside(kept, self.conv_1, maps)
        return self._beside(self._run(maps if kept is None else kept, 1), self.conv_1, maps)

    def circuits_per_image(self, size: int) -> int:
        return (size // PATCH) ** 2 * self.hybrid.evaluations

    def _run(self, maps: torch.Tensor, stage: int) -> torch.Tensor:
        widths = [bank.count * bank.channels for bank in self.hybrid.banks]
        parts = maps[:, : sum(widths)].split(widths, dim=1)
        return torch.cat([bank(part, stage) for bank, part in zip(self.banks, parts, strict=True)], dim=1)

    def _beside(self, quantum: torch.Tensor, conv: nn.Module | None, maps: torch.Tensor) -> torch.Tensor:
        if conv is None:
            return quantum
        return torch.cat([quantum, conv(maps[:, maps.shape[1] - self.hybrid.conv_inputs :])], dim=1)
