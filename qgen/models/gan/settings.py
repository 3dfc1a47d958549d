"""Settings of a GAN's networks, which refuse what cannot be built."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Annotated, ClassVar, Literal, TypeAlias

from pydantic import Field, NonNegativeInt, PositiveInt, field_validator, model_validator

from qgen.circuits import LayerCircuit
from qgen.models.ansatz_settings import AnsatzSettings
from qgen.models.autoencoder.settings import FirstStageSettings
from qgen.models.features import ExtractorSettings
from qgen.settings import Settings, WithKind

#: Before the file of a prior pool.
POOL = "pool:"


class BlockSettings(AnsatzSettings):
    """The few numbers in the middle of a player, which a circuit or two dense layers transform.

    The defaults are the 5 qubits and 15 parameters of Al-Othni et al. (2025), arXiv:2507.09706.
    """

    beside: ClassVar[Mapping[str, str]] = {"qubits": "width", **AnsatzSettings.beside}

    kind: Literal["classical", "quantum"] = "quantum"
    """`quantum`: a circuit; `classical`: two dense layers with as many parameters as that circuit has"""
    width: PositiveInt = 5
    """numbers that come out: qubits of the circuit"""
    ansatz: str = "ry-cz"
    layers: PositiveInt = 3
    """layers of the circuit"""
    skip: bool = True
    """whether the classical block adds its input to what its layers make of it"""

    @cached_property
    def circuit(self) -> LayerCircuit:
        """The circuit, also where a classical block stands in for it."""
        return self.build(self.width, self.layers)

    @property
    def inputs(self) -> int:
        """Numbers that go in."""
        return self.circuit.num_inputs if self.kind == "quantum" else self.width

    @model_validator(mode="after")
    def _enough_for_two_layers(self) -> BlockSettings:
        if self.kind == "classical" and self.circuit.num_weights < 2 * self.width:
            raise ValueError(
                f"two dense layers of {self.width} numbers have {2 * self.width} parameters or more, and the circuit "
                f"that they stand in for has {self.circuit.num_weights}: give more `layers`, or another `ansatz`"
            )
        return self


class ConvGeneratorSettings(Settings):
    """Latent numbers, a block, and convolutions that enlarge what it gives to an image."""

    added: ClassVar[frozenset[str]] = frozenset({"noise"})

    kind: Literal["conv"] = "conv"
    """the kind of generator"""
    noise: str = "uniform"
    """what latent numbers are: `uniform` in [-1, 1], or `pool:FILE`: codes of `qgen pool draw`, 1 and -1, one taken at
    random for each image (arXiv:2507.01886); the block takes as many numbers as a code has bits"""
    block: BlockSettings = BlockSettings()
    """what the latent numbers go through first"""
    channels: PositiveInt = 32
    """channels of the feature maps at the size of the image; twice as many at half the size, up to four times"""

    @field_validator("noise")
    @classmethod
    def _check_noise(cls, text: str) -> str:
        if text != "uniform" and not (text.startswith(POOL) and text.removeprefix(POOL).strip()):
            raise ValueError(f"latent numbers are `uniform` or `pool:FILE`, not {text!r}")
        return text

    @property
    def pool(self) -> str | None:
        """The file of a pool; None: latent numbers are uniform."""
        return self.noise.removeprefix(POOL) if self.noise.startswith(POOL) else None


class PatchGeneratorSettings(AnsatzSettings):
    """Several circuits, each of which paints a part of the image with the probabilities of its outcomes.

    The defaults are those of the 8x8 digits of Huang et al. (2021), arXiv:2010.06201, as PennyLane's tutorial has them.
    """

    beside: ClassVar[Mapping[str, str]] = {"qubits": "qubits", **AnsatzSettings.beside}

    kind: Literal["patch"] = "patch"
    """the kind of generator"""
    patches: PositiveInt = 4
    """parts of the image, from the top: a circuit for each"""
    qubits: PositiveInt = 5
    """of each circuit, ancillas among them"""
    ancillas: NonNegativeInt = 1
    """the first so many qubits are read too, and only what they are 0 in counts: that makes the patch nonlinear"""
    ansatz: str = "ry-cz"
    layers: PositiveInt = 6
    """layers of each circuit"""

    @cached_property
    def circuit(self) -> LayerCircuit:
        """The circuit of each patch."""
        return self.build(self.qubits, self.layers)

    @model_validator(mode="after")
    def _some_are_data(self) -> PatchGeneratorSettings:
        if self.ancillas >= self.qubits:
            raise ValueError(f"{self.ancillas} `ancillas` leave none of {self.qubits} `qubits` to paint with")
        if self.circuit.qubits != self.qubits:
            raise ValueError(f"`{self.ansatz}` adds ancillas of its own; choose an ansatz without")
        return self


class StyleGeneratorSettings(AnsatzSettings):
    """One circuit with a qubit for each number of the sample, or for two, whose every angle is w z + b.

    The defaults are the 3 qubits and 90 parameters of Bravo-Prieto et al. (2022), arXiv:2110.06933.
    """

    beside: ClassVar[Mapping[str, str]] = {"qubits": "data", **AnsatzSettings.beside}

    added: ClassVar[frozenset[str]] = frozenset({"observables"})

    kind: Literal["style"] = "style"
    """the kind of generator"""
    observables: Literal["z", "xz"] = "z"
    """what is measured on each qubit: `z`, a number; `xz`: two numbers, first X of all qubits, then Z of all"""
    ansatz: str = "style"
    layers: PositiveInt = 3
    """blocks of the circuit"""
    spread: float | None = Field(None, gt=0)
    """initial weights are uniform between plus and minus this; null: over one turn, as published for IBM's devices"""

    def circuit(self, values: int) -> LayerCircuit:
        """Return the circuit for samples of so many numbers.

        Raises:
            CircuitError: the ansatz does not take so many qubits.
        """
        qubits = values // len(self.observables)
        circuit = self.build(qubits, self.layers)
        if self.observables == "z":
            return circuit
        places = [(pauli, qubit) for pauli in "XZ" for qubit in range(qubits)]
        measured = ["I" * (circuit.qubits - 1 - qubit) + pauli + "I" * qubit for pauli, qubit in places]
        return LayerCircuit(circuit.circuit, circuit.inputs, circuit.weights, measured, circuit.mixture)


GeneratorSettings: TypeAlias = Annotated[
    ConvGeneratorSettings | PatchGeneratorSettings | StyleGeneratorSettings,
    Field(discriminator="kind"),
    WithKind("conv"),
]


class DiscriminatorSettings(Settings):
    """Features of an image, and what makes a score of them."""

    extractor: ExtractorSettings = ExtractorSettings()
    """where features come from"""
    block: BlockSettings | None = BlockSettings()
    """what a few numbers that are made of the features go through; null: the score is a sum of features"""


class GANSettings(Settings):
    """Two players: a generator of images, and a discriminator that tells them from real ones."""

    added: ClassVar[frozenset[str]] = frozenset({"first_stage", "autoencoder", "code_reach"})

    kind: Literal["gan"] = "gan"
    """the kind of generator"""
    first_stage: str | None = None
    """null: it makes images. Else it makes codes of an autoencoder, which decodes them: a finished run, a preset or
    `diffusers:FOLDER`, as for a latent diffusion"""
    autoencoder: FirstStageSettings | None = None
    """the settings of that autoencoder; null: as `first_stage` has them, which is what `qgen train` notes here"""
    code_reach: float = Field(3.0, gt=0)
    """how many standard deviations of a code's numbers are a 1 of the generator, whose numbers lie in [-1, 1]"""
    generator: GeneratorSettings = ConvGeneratorSettings()
    """makes images of latent numbers"""
    discriminator: DiscriminatorSettings = DiscriminatorSettings()
    """scores images"""
