"""What figures by matplotlib (extra `plot`) have in common, and how they are written."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Colours that people with any colour vision tell apart (Okabe and Ito 2008).
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
STYLE: dict[Any, Any] = {
    "font.size": 8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.6,
    "legend.frameon": False,
    "lines.linewidth": 1.2,
    "lines.markersize": 3.5,
}
WIDTH, HEIGHT, DPI = 2.35, 2.1, 200  # inches of a panel: three fill the width of a page; dots an inch of a PNG
_MOST = 3  # panels side by side


def make_panels(count: int, height: float = HEIGHT) -> tuple[Figure, list[Axes]]:
    """Make a figure with so many panels, in rows of three."""
    from matplotlib.figure import Figure

    columns = min(count, _MOST)
    rows = -(-count // columns)
    figure = Figure(figsize=(WIDTH * columns, height * rows), layout="constrained")
    axes = list(figure.subplots(rows, columns, squeeze=False).flat)
    for unused in axes[count:]:
        unused.set_axis_off()
    return figure, axes[:count]


def add_legend(figure: Figure, axes: Axes) -> None:
    """Put a legend of the lines in one panel below the figure."""
    handles, labels = axes.get_legend_handles_labels()
    if labels:
        figure.legend(handles, labels, loc="outside lower center", ncols=min(len(labels), 4))


def encoded(figure: Figure, suffix: str) -> bytes:
    """Return the content of a file, the same each time: `png`, `svg` or `pdf`."""
    content = io.BytesIO()
    metadata = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}.get(suffix, {})
    figure.savefig(content, format=suffix, dpi=DPI, bbox_inches="tight", metadata=metadata)
    return content.getvalue()
