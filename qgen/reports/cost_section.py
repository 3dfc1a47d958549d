"""The part of the page that says what work costs on a device."""

from __future__ import annotations

from qgen.reports.markup import Markup, element, percent, plural, table
from qgen.reports.result import DeviceReport

_HEAD = ("", "circuits", "executions", "jobs", "QPU seconds", "of the Open Plan")


def cost_table(device: DeviceReport) -> Markup:
    """Circuits, executions, QPU seconds and the share of IBM's free plan; empty without workloads."""
    if not device.workloads:
        return Markup()
    first, tasks = device.workloads[0], {work.task: work.images for work in device.workloads}
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
    ways = {"sampling": "sampling {}", "training step": "a step of training on {}, by its gradient"}
    what = ", and ".join(ways[task].format(plural(images, "image")) for task, images in tasks.items())
    caption = f"{what[0].upper()}{what[1:]}; {plural(first.cost.shots, 'shot')} a circuit"
    formula = element("p", f"{first.task.capitalize()}: {first.cost.formula}.", class_="soft")
    return element("section", element("h4", "Cost"), table(caption, _HEAD, rows), formula)
