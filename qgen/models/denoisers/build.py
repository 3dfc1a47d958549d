"""Builds the denoiser that settings describe, with initial weights."""

from __future__ import annotations

from typing import TypeAlias

import torch

from qgen.models.circuit_context import CircuitContext
from qgen.models.denoisers.dit import LatentDiT
from qgen.models.denoisers.latent_unet import LatentUNet
from qgen.models.denoisers.mlp import LatentMLP
from qgen.models.denoisers.settings import DenoiserName, DenoiserSettings
from qgen.models.denoisers.transformer_unet import TransformerUNet
from qgen.models.initialisation import initialise
from qgen.models.text import TextForm

LatentDenoiser: TypeAlias = LatentUNet | TransformerUNet | LatentDiT | LatentMLP
#: Networks for codes that are maps.
OF_MAPS: dict[DenoiserName, type[LatentUNet | TransformerUNet | LatentDiT]] = {
    "unet": LatentUNet,
    "transformer-unet": TransformerUNet,
    "dit": LatentDiT,
}


def build_denoiser(
    settings: DenoiserSettings,
    code_shape: tuple[int, ...],
    context: CircuitContext,
    num_classes: int | None = None,
    texts: TextForm | None = None,
) -> LatentDenoiser:
    """Return the denoiser of codes of this shape, with its initial weights: it begins by predicting zero.

    That of `variant: published` does not. The weights depend on the context's seed alone, and on the names of the
    layers; torch's global generator is neither used nor changed.

    Args:
        settings: what to build.
        code_shape: (C, H, W) of a map, or (D,) of a vector.
        context: where circuits run; its seed is that of all weights.
        num_classes: classes that it is conditioned on, with the null class for dropped conditions; None: none.
        texts: the form of texts that it is conditioned on, with a null condition; None: none.

    Raises:
        ConfigError: the network is not for codes of this shape.
        CircuitError, BackendError: the backend or its gradient cannot serve the circuit.
    """
    name = settings.name_for(code_shape)
    network: LatentDenoiser
    with torch.random.fork_rng(devices=[]):  # torch's layers draw weights of their own first
        if name == "mlp":
            network = LatentMLP(settings, code_shape, context, num_classes, texts)
        else:
            channels, height, width = code_shape
            network = OF_MAPS[name](settings, (channels, height, width), context, num_classes, texts)
    initialise(network, context.seed)
    for module in network.modules():
        begin = getattr(module, "zero_outputs", None)
        if begin is not None:
            begin()
    return network
