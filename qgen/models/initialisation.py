"""Initial weights of classical layers: as in Flax, each by its name and a seed alone."""

from __future__ import annotations

import math

from torch import nn

from qgen.randomness import generator

CUT_SPREAD = 0.87962566103423978  # the standard deviation of a standard normal that is cut at 2


def initialise(model: nn.Module, seed: int, but: str | None = None) -> None:
    """Draw the weights of convolutions, dense layers and embeddings anew, except where a name begins with `but`.

    Weights are normal with variance 1 / (inputs of a unit), cut at two standard deviations (LeCun et al. 1998,
    "Efficient BackProp"); biases are 0, embeddings standard normal. They depend on the seed and on the layer's name
    alone, so that parts which two models share start equal; torch's global generator is neither used nor changed.
    """
    for name, module in model.named_modules():
        if isinstance(module, nn.Conv2d | nn.Linear) and not (but and name.startswith(but)):
            drawn = generator(seed, "weights", name)
            spread = 1 / (CUT_SPREAD * math.sqrt(module.weight[0].numel()))
            nn.init.trunc_normal_(_learned(module), std=spread, a=-2 * spread, b=2 * spread, generator=drawn)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.Embedding) and not (but and name.startswith(but)):
            nn.init.normal_(module.weight, generator=generator(seed, "weights", name))


def _learned(module: nn.Conv2d | nn.Linear) -> nn.Parameter:
    """Return the parameter behind the weight, which a parametrisation like spectral normalisation computes from it."""
    return next(weight for name, weight in module.named_parameters() if name != "bias")
