"""Images that are shots of one circuit: bits drawn from a Born machine, or a classical opponent, and decoded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from qgen.generators.protocols import BuildContext, Export, Player, Shape, learned
from qgen.models.born.settings import BornSettings
from qgen.progress import ProgressCallback

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from qgen.backends import Backend, Executable
    from qgen.conditioning import Conditioning
    from qgen.data import DataSettings
    from qgen.models.born import BornNetwork
    from qgen.models.description import ModelDescription

#: Images that one pass of the decoder makes, at most.
BATCH = 256


@dataclass(frozen=True)
class BornGenerator:
    """A binary autoencoder and the distribution of its codes. All images of a call are shots of one circuit.

    Attributes:
        network: both.
        shape: (C, H, W) of an image.
        backend: where bits are drawn; training takes a processor only.
    """

    Settings: ClassVar = BornSettings
    parts: ClassVar = ("autoencoder", "prior")

    network: BornNetwork
    shape: Shape
    backend: Backend
    conditioning: ClassVar[None] = None

    @classmethod
    def build(cls, settings: BornSettings, context: BuildContext) -> BornGenerator:
        """Return the generator with its initial weights.

        Raises:
            ConfigError, BackendError, CircuitError: the images are too small, or the backend cannot draw so many bits.
        """
        from qgen.models.born import BornNetwork

        return cls(BornNetwork(settings, context.shape, context.backend, context.seed), context.shape, context.backend)

    @staticmethod
    def identity(settings: BornSettings) -> Mapping[str, Any]:
        """All, but for Gaussian kernels, which runs of before there were others do not name."""
        plain = settings.plain()
        if settings.prior.kernel == "gaussian":
            del plain["prior"]["kernel"]
        return plain

    @property
    def averaged(self) -> dict[str, nn.Parameter]:
        return {name: weight for name, weight in self.network.named_parameters() if not name.startswith("kernel.")}

    def players(self) -> tuple[Player, ...]:
        from qgen.models.born.network import CodeObjective, PriorObjective

        rate = self.network.settings.prior.learning_rate
        prior = learned(self.network, "prior") | learned(self.network, "kernel")
        return (
            Player("autoencoder", CodeObjective(self.network), learned(self.network, "autoencoder")),
            Player("prior", PriorObjective(self.network), prior, rate),
        )

    @property
    def circuits_per_training_image(self) -> float:
        return 0.0  # expectation values and probabilities come from the processor, whatever the backend

    def describe(self) -> ModelDescription:
        from dataclasses import replace

        from qgen.generators.inspection import describe_module
        from qgen.models.description import UsedCircuit

        plain, drawn, prior = describe_module(self.network, self.shape, self.circuits_per_image), self.drawn, None
        if drawn is None:
            return plain
        prior = self.network.settings.prior
        name = "iqp" if prior.name == "iqp" else prior.ansatz
        layers = 1 if prior.name == "iqp" else prior.layers
        return replace(
            plain,
            quantum_parameters=drawn.circuit.num_weights,
            qubits=drawn.circuit.qubits,
            circuits=(UsedCircuit("prior", name, drawn.circuit.qubits, layers, 1),),
        )

    def export(self, folder: Path, data: DataSettings, data_dir: Path | None) -> Export | None:
        return None

    @property
    def drawn(self) -> Executable | None:
        """The circuit whose shots are images; None: its codes are drawn classically."""
        from qgen.models.born import BornMachine

        return self.network.prior.executable if isinstance(self.network.prior, BornMachine) else None

    @property
    def sampler(self) -> nn.Module:
        return self.network

    @property
    def sampling_info(self) -> Mapping[str, Any]:
        if self.drawn is None:
            return {"label": "one-pass", "words": "one pass of the decoder"}
        image = "the shot of its number"
        if "mitigation" in self.backend.facts():
            image = "a string that was read, as often as without errors of reading (M3)"
        return {"label": "one-circuit", "words": "one circuit, a shot an image", "image": image}

    @property
    def num_calls(self) -> int:
        return self.circuits_per_image

    @property
    def circuits_per_image(self) -> int:
        return 0 if self.drawn is None else 1

    def dry_run(self, device: torch.device | str = "cpu") -> None:
        import torch

        self.network(torch.zeros(1, self.network.settings.bits, device=device))

    def sample(
        self,
        seeds: Sequence[int],
        conditioning: Conditioning | None = None,
        *,
        device: torch.device | str = "cpu",
        progress: ProgressCallback | None = None,
        preview: bool = False,
    ) -> Tensor:
        """Return images (N, C, H, W): image k is shot k of the circuit, whose seed is that of the first image.

        With mitigation it is a string that some shot read.
        """
        import torch

        from qgen.generators.sampling import sample_in_batches
        from qgen.randomness import derive

        bits = torch.zeros(0, self.network.settings.bits)
        if seeds:
            bits = self.network.prior.draw(len(seeds), derive(seeds[0], "shots of all images")).float()
        return sample_in_batches(self.network, seeds, BATCH, lambda rows: self.network(bits[rows].to(device)), progress)
