"""How images are sampled, in plain values: for names of files, JSON and people."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

from qgen.diffusion.levels import NoiseSchedule
from qgen.diffusion.sampling import evaluations_by_rows, num_steps
from qgen.diffusion.settings import SamplingSettings
from qgen.errors import counted, exact_text, short_repr

#: Prompts that are named to people, at most.
_SHOWN = 3


def sampling_summary(settings: SamplingSettings, schedule: NoiseSchedule) -> dict[str, Any]:
    """Return the settings as plain values, with `label` for names of files and `words` for people."""
    steps, by_rows = num_steps(settings, schedule), evaluations_by_rows(settings, schedule)
    label, words = f"{settings.sampler}{steps}", f"{settings.sampler} in {counted(steps, 'step')}"
    if by_rows.total() != steps:
        words += f" of {by_rows.total()} evaluations"
    if settings.eta:
        label += f"-eta{exact_text(settings.eta)}"
    if settings.dynamic_clip is not None:
        label += f"-dynamic{exact_text(settings.dynamic_clip)}"
    if settings.guidance != 1:
        label, words = f"{label}-guidance{exact_text(settings.guidance)}", f"{words}, guidance {settings.guidance:g}"
        if settings.guidance_interval is not None:
            low, high = settings.guidance_interval
            label += f"-within{exact_text(low)}to{exact_text(high)}"
            words += f" in {by_rows[2]} of {by_rows.total()} evaluations"
    if settings.labels is not None:
        label = f"{label}-label{'+'.join(map(str, settings.labels))}"
        words = f"{words}, of class {', '.join(map(str, settings.labels))}"
    if settings.prompts is not None:
        label = f"{label}-prompts{_digest(*settings.prompts)}"
        named = ", ".join(map(short_repr, settings.prompts[:_SHOWN]))
        more = len(settings.prompts) - _SHOWN
        words = f"{words}, of {named}" + (f" and {more} further prompts" if more > 0 else "")
    if settings.negative_prompt is not None:
        label = f"{label}-not{_digest(settings.negative_prompt)}"
        words = f"{words}, away from {short_repr(settings.negative_prompt)}"
    return settings.plain() | {"label": label, "words": words}


def _digest(*texts: str) -> str:
    return sha256("\0".join(texts).encode("utf-8", "surrogatepass")).hexdigest()[:8]
