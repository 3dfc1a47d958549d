"""The learning rate of each step, and what becomes of it when a run is to last longer than it was planned to."""

from __future__ import annotations

import math

from qgen.runs import TrainingSettings


def learning_rate(step: int, total: int, settings: TrainingSettings) -> float:
    """The learning rate of step `step` (0-based) of `total`."""
    rising = min(1.0, (step + 1) / settings.warm_up) if settings.warm_up else 1.0
    if settings.decay == "none":
        return settings.learning_rate * rising
    passed = max(0, step - settings.warm_up) / max(1, total - settings.warm_up)
    return settings.learning_rate * rising * 0.5 * (1 + math.cos(math.pi * passed))


def stretching(settings: TrainingSettings, done: int, before: int, now: int) -> str | None:
    """What is to be said where a decaying rate ends at another step than it was planned to; None: nothing is.

    The rate of each step to come is that of a run which was of the new length from its first step: the cosine is
    stretched (or shortened), so that it is not continued at the zero where it had ended.

    Args:
        settings: of the training.
        done: steps taken.
        before: the planned length, in steps.
        now: the length from here on, in steps.
    """
    if settings.decay == "none" or before == now or done >= now:
        return None
    planned, stretched = (learning_rate(done, max(total, done), settings) for total in (before, now))
    return (
        f"the learning rate's {settings.decay} now ends at step {now:,}, not {before:,}: it is stretched, and goes on "
        f"at {stretched:.3g} (it would have been {planned:.3g}; at the start it was {settings.learning_rate:.3g})"
    )
