"""What figures by matplotlib have in common, and how they are written: with the command that drew them.

matplotlib is imported where something is drawn, and nowhere else: commands start without it.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qgen.storage import atomic_write
from qgen.version import __version__

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Endings of files that figures can be written into.
ENDINGS = (".png", ".svg", ".pdf")
#: Colours that people with any colour vision tell apart, each with a contrast of 3 to white at least: those of Okabe
#: and Ito (2008), the bright ones darker.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#B5578C", "#9A6A00", "#3F97D1", "#000000")
#: A filled area on which lines are seen.
PALE = "#A5C8E3"
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
_command: str | None = None


def note_command(command: str | None) -> None:
    """Note the command that this process runs, for the metadata of its figures."""
    global _command
    _command = command


@contextmanager
def plain_svg(salt: str) -> Iterator[None]:
    """Let SVG have text rather than outlines, and ids that depend on the salt alone."""
    import matplotlib

    options: Any = {"svg.fonttype": "none", "svg.hashsalt": salt, "font.sans-serif": ["DejaVu Sans"]}
    with matplotlib.rc_context(options):
        yield


@contextmanager
def figure_style(salt: str) -> Iterator[None]:
    """Draw in the style of all figures of qgen, see `plain_svg`."""
    import matplotlib

    with plain_svg(salt), matplotlib.rc_context(STYLE):
        yield


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


def encoded(figure: Figure, suffix: str, tight: bool = True) -> bytes:
    """Return the content of a file, the same each time.

    Args:
        figure: to be written.
        suffix: `png`, `svg` or `pdf`.
        tight: cut off what is empty around it.
    """
    content = io.BytesIO()
    box = "tight" if tight else None
    figure.savefig(content, format=suffix, dpi=DPI, bbox_inches=box, metadata=_metadata(suffix))
    return content.getvalue()


def save_figure(figure: Figure, path: Path, tight: bool = True) -> None:
    """Write a figure into a file, by its ending.

    Raises:
        OSError: it cannot be written.
    """
    content = encoded(figure, path.suffix.lower().lstrip("."), tight)
    with atomic_write(path) as temporary:
        temporary.write_bytes(content)


def _metadata(suffix: str) -> dict[str, Any]:
    """Return what wrote the file and by which command, in the format's own words, without the time."""
    program = f"qgen {__version__}"
    known = {
        "png": {"Software": program, "Description": _command},
        "svg": {"Creator": program, "Description": _command, "Date": None},
        "pdf": {"Creator": program, "Subject": _command, "CreationDate": None},
    }[suffix]
    return {key: value for key, value in known.items() if value is not None or key.endswith("Date")}
