"""The betas of the linear schedule, in plain numbers: settings are checked by them before torch is loaded."""

from __future__ import annotations

import math

from qgen.errors import ConfigError


def linear_betas(steps: int, first: float = 1e-4, last: float = 0.02) -> tuple[float, float]:
    """The first and the last beta of a linear schedule of so many steps; `first` and `last` are those of 1000 steps.

    Raises:
        ConfigError: so few steps that the last one reaches 1.
    """
    scale = 1000 / steps
    if scale * last >= 1:
        raise ConfigError(
            f"a linear schedule of {steps} steps would add more noise in its last step than there can be (beta = "
            f"{scale * last:.3g}, less than 1 is allowed); take more than {math.floor(1000 * last)} steps, or `cosine`"
        )
    return scale * first, scale * last
