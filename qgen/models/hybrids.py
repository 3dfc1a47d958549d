"""From settings to hybrid stages: what the paper says, and what its published code does."""

from __future__ import annotations

from qgen.circuits import ansatz
from qgen.models.quantum import Bank, Hybrid
from qgen.models.settings import PATCH, HybridSettings, UNetSettings

SINGLE_LAYERS = 4  # of the circuit of a single channel


def vertex_hybrid(settings: UNetSettings) -> Hybrid | None:
    """The hybrid stages of both blocks at the vertex; None, if it is classical.

    In the published code the second stage beside a convolution puts the first stage's values there again: its own
    circuits never count. Without a convolution it runs, but both stages use the same weights for single channels.

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
    banks = [_bank(settings, vertex, count, vertex.layers, run=1 if repeats else 2)]
    if full and left:
        banks.append(_singles(left, run=1 if published else 2))
    beside = 0 if full else left
    return Hybrid(tuple(banks), beside, beside, "first values" if repeats else "activations", settings.variant)


def quanvolution_hybrid(settings: UNetSettings) -> Hybrid | None:
    """The hybrid stages of both blocks at the quanvolutional level of the encoder; None, if there is none.

    In the published code the second stage's circuits read what came into the block, and the convolutions read only
    what the circuits leave: the first stage's circuits run, but change nothing if each channel has a norm of its own.
    The number of parameters in the paper is that of convolutions which read all channels.

    Raises:
        CircuitError: the ansatz does not take these settings.
    """
    given, published = settings.quanvolution, settings.variant == "published"
    if given is None:
        return None
    channels = settings.widths[given.level]
    left = channels - given.groups * given.group_channels
    built = 1 if settings.quanvolution_shared else 2
    bank = _bank(settings, given, given.groups, settings.quanvolution_layers, built, run=built)
    if published:
        return Hybrid((bank,), left, left, "block input", settings.variant)
    return Hybrid((bank,), channels, left, "activations", settings.variant)


def _bank(settings: UNetSettings, given: HybridSettings, count: int, layers: int, built: int = 2, *, run: int) -> Bank:
    return Bank(
        ansatz=given.ansatz_name(settings.variant),
        layers=layers,
        circuit=given.circuit(layers, settings.variant),
        count=count,
        channels=given.group_channels,
        counted=given.counted_weights(layers),
        built=built,
        run=run,
    )


def _singles(count: int, run: int) -> Bank:
    """The circuits of the channels that no group takes, one for each."""
    circuit = ansatz("basic", qubits=PATCH**2, layers=SINGLE_LAYERS)
    return Bank("basic", SINGLE_LAYERS, circuit, count, channels=1, counted=circuit.num_weights, built=2, run=run)
