"""Settings of a generator whose images are shots of one circuit."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import (
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    field_validator,
    model_validator,
)

from qgen.circuits import get_ansatz
from qgen.errors import CircuitError
from qgen.settings import Settings


class BornPriorSettings(Settings):
    """The distribution of codes."""

    name: Literal["iqp", "ansatz", "product", "boltzmann"] = "iqp"
    """`iqp`, or another `ansatz`: a Born machine; `product`: independent bits; `boltzmann`: a restricted Boltzmann
    machine"""
    coupling: str = "heavy-hex"
    """of `iqp`: which pairs of qubits have a gate: `none`, `line`, `grid`, `heavy-hex`, `all`, `local:K`, or
    `device:NAME`: the couplers of a device that work, so that the circuit runs there without a SWAP"""
    hidden: NonNegativeInt = 0
    """of `iqp`: further qubits, which are not drawn"""
    ansatz: str = "hardware-efficient"
    """of `ansatz`: its name; its inputs are zero"""
    layers: PositiveInt = 3
    """of `ansatz`"""
    units: PositiveInt = 16
    """of `boltzmann`: hidden ones"""
    kernel: Literal["gaussian", "adaptive"] = "gaussian"
    """of a Born machine's loss; `adaptive`: half of it learns to compare what the circuit has not learned yet"""
    scales: tuple[PositiveFloat, ...] = Field((1.0, 2.0, 4.0), min_length=1)
    """of its Gaussian kernels, in bits: small ones see details, large ones marginals"""
    strings: PositiveInt = 512
    """of `iqp`: how many expectation values a loss compares"""
    samples: int = Field(512, ge=2)
    """of `iqp`: how many phases each of them is the mean of"""
    start: Literal["data", "identity"] = "data"
    """of `iqp`: angles that come near to the means and correlations of the data, or small ones"""
    learning_rate: PositiveFloat = 0.01
    """its own"""

    @model_validator(mode="after")
    def _check_strings(self) -> Self:
        if self.kernel == "adaptive" and self.strings < 4:
            raise ValueError(f"strings of an adaptive kernel: 4 or more, as half of them are fixed, not {self.strings}")
        return self

    @field_validator("ansatz")
    @classmethod
    def _check_ansatz(cls, name: str) -> str:
        try:
            get_ansatz(name)
        except CircuitError as error:
            raise ValueError(str(error)) from error
        return name


class BornSettings(Settings):
    """A binary autoencoder, and a distribution of its codes."""

    kind: Literal["born"] = "born"
    """the kind of generator"""
    bits: int = Field(16, ge=1, le=1000)
    """of a code"""
    widths: tuple[PositiveInt, ...] = Field((32, 64), min_length=1, max_length=6)
    """channels of the autoencoder's feature maps, from half the size of the image down"""
    encoder_steps: PositiveInt = 1500
    """after so many steps the encoder rests: its codes stay, and their distribution is learned"""
    kl: NonNegativeFloat = 1e-3
    """weight of the codes' divergence from fair coins, in nats a pixel"""
    flips: float = Field(0.01, ge=0, le=0.5)
    """share of bits that are flipped before they are decoded: errors of reading, which the decoder learns to mend"""
    prior: BornPriorSettings = BornPriorSettings()
    """the distribution of codes"""

    @model_validator(mode="after")
    def _check_hidden(self) -> Self:
        if self.prior.hidden and self.prior.name != "iqp":
            raise ValueError("model.prior.hidden are qubits of `iqp`: leave it at 0 for other priors")
        return self
