"""Settings of a circuit beside the features of a layer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from typing import Any, ClassVar, Literal, Self

from pydantic import Field, NonNegativeInt, PositiveInt, model_validator

from qgen.circuits import LayerCircuit, ansatz, get_ansatz
from qgen.models.ansatz_settings import AnsatzSettings


class BranchSettings(AnsatzSettings):
    """A circuit beside a few features of a network, or what stands in its place for comparison."""

    beside: ClassVar[Mapping[str, str]] = {"qubits": "qubits", **AnsatzSettings.beside}
    added: ClassVar[frozenset[str]] = frozenset(
        {"post", "gate_by", "gate_warm_up", "redraw", "sampling_masks", "masks_removed_after"}
    )

    kind: Literal["circuit", "classical", "none"] = "none"
    """`circuit`; `classical`: a cosine of a linear map with as many parameters as that circuit; `none`: no branch"""
    qubits: PositiveInt = 8
    """qubits of the circuit"""
    ansatz: str = "strongly-entangling"
    layers: PositiveInt = 2
    """layers of the circuit"""
    gate: float = Field(0.1, ge=0)
    """where the learned factors of what the branch adds begin"""
    gate_by: Literal["channels", "scalar"] = "channels"
    """one learned factor a feature, or one for all"""
    gate_warm_up: NonNegativeInt = 0
    """steps of training in which the gate stays where it begins"""
    post: Literal["centred", "published"] = "centred"
    """what follows the circuit. `centred`: its values less their running mean, then a linear map without bias, so that
    a circuit whose values are constant adds nothing. `published`: linear, GELU, linear, layer norm, four times as wide
    as the features, and a layer norm before the circuit, as in the code utai-utai/quantum-diffusion-model-anime"""
    redraw: Literal["never", "step"] = "never"
    """of an ansatz with masks (`masked`), of which `options` say how many: `step` draws them anew in each step of
    training, from the run's seed; `never`: they are drawn once"""
    sampling_masks: PositiveInt | Literal["all"] | None = None
    """masks where nothing is trained, always the same ones: so many, or all 2^n; null: as many as in training"""
    masks_removed_after: PositiveInt | None = None
    """steps of training after which all rotations are on, as Yao & Hasegawa (arXiv:2406.03748) remove their control
    qubits; null: masks stay"""

    @cached_property
    def circuit(self) -> LayerCircuit:
        """The circuit as it samples, also where a classical function stands in for it."""
        options = self._options
        if self.sampling_masks is not None:
            options = {name: value for name, value in options.items() if name not in ("masks", "seed")}
            if self.sampling_masks != "all":
                options |= {"masks": self.sampling_masks, **self._given("seed")}
        return self._build(options)

    @cached_property
    def training_circuit(self) -> LayerCircuit:
        """The circuit as it is trained, with the masks that it has then."""
        return self.circuit if self.sampling_masks is None else self._build(self._options)

    @property
    def circuits(self) -> int:
        """Circuits that one row of features takes where it samples."""
        return _count(self.circuit) if self.kind == "circuit" else 0

    @property
    def circuits_in_training(self) -> int:
        """Circuits that one row of features takes in training, forward."""
        return _count(self.training_circuit) if self.kind == "circuit" else 0

    @property
    def masked(self) -> bool:
        """Whether training and sampling differ in their masks."""
        return self.redraw != "never" or self.sampling_masks is not None or self.masks_removed_after is not None

    @property
    def _options(self) -> dict[str, Any]:
        """The options, with an encoding that leaves arctan to the branch."""
        encoding = get_ansatz(self.ansatz).encoding
        if "encoding" in self.options or encoding is None or encoding.map != "arctan":
            return self.options
        return self.options | {"encoding": replace(encoding, map="raw")}

    def _given(self, name: str) -> dict[str, Any]:
        return {name: self.options[name]} if name in self.options else {}

    def _build(self, options: Mapping[str, Any]) -> LayerCircuit:
        return ansatz(self.ansatz, qubits=self.qubits, layers=self.layers, **options)

    @model_validator(mode="after")
    def _circuit_exists(self) -> Self:
        trained = self.training_circuit  # with `none` too: the next one who sets the kind has not named it
        if self.masked and trained.mixture is None:
            raise ValueError(
                "`redraw`, `sampling_masks` and `masks_removed_after` are for a circuit with masks, and "
                f"`{self.ansatz}` has none here: set `ansatz: masked`, in its usual form"
            )
        if self.redraw != "never" and "masks" not in self.options:
            raise ValueError(
                "`redraw` draws masks anew, and here all of them are evaluated: set how many, `options: {masks: 1}`"
            )
        _ = self.circuit
        return self


def _count(circuit: LayerCircuit) -> int:
    return 1 if circuit.mixture is None else len(circuit.mixture)
