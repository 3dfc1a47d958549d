"""The part of the page that says what work costs on a device."""

from __future__ import annotations

from qgen.reports.markup import Markup, element, percent, plural, table
from qgen.reports.result import DeviceReport

_HEAD = ("", "circuits", "executions", "jobs", "QPU seconds", "of the Open Plan")


def cost_table(device: DeviceReport) -> Markup:
    """Circuits, executions, QPU seconds and the share of IBM's free plan; empty without workloads."""
    if not device.workloads:
        return Markup()
    sampling, *steps = device.workloads
    rows = (
        (
            work.gradient or work.task,
            *(f"{number:,}".replace(",", "\u202f") for number in (work.cost.circuits, work.cost.executions)),
            f"{work.cost.jobs:,}",
            f"{work.cost.seconds:,.0f}".replace(",", "\u202f"),
            percent(work.cost.share) if work.cost.share < 1 else f"{work.cost.share:.1f} times",
        )
        for work in device.workloads
    )
    what = f"Sampling {plural(sampling.images, 'image')}" + (
        f", and a step of training on {plural(steps[0].images, 'image')}, by its gradient" if steps else ""
    )
    caption = f"{what}; {plural(sampling.cost.shots, 'shot')} a circuit"
    formula = element("p", f"Sampling: {sampling.cost.formula}.", class_="soft")
    return element("section", element("h4", "Cost"), table(caption, _HEAD, rows), formula)
