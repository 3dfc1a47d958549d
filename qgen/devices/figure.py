"""Draw the map of a device: qubits coloured by readout error, couplers by two-qubit error."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from qgen.devices.coordinates import Point, qubit_coordinates
from qgen.devices.device import Coupler, Device, is_calibrated
from qgen.errors import BackendError, QgenError
from qgen.figures import ENDINGS, save_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap, LogNorm
    from matplotlib.figure import Figure

# Inches; the radius is relative to the distance between neighbours.
_UNIT, _RADIUS = 0.5, 0.34
_SIDE, _TOP, _BOTTOM = 0.2, 0.55, 0.75
_NARROWEST = 5.6

_FAULTY = "#b8b8b8"
_INK = "#1a1a1a"
#: The opacity of qubits and couplers that were not chosen.
_FADED = 0.22
#: The error of a random bit; the colour scale ends here.
_RANDOM = 0.5


class _Scale(NamedTuple):
    """A colour scale of errors; `norm` is None, and `ticks` empty, if no error was measured."""

    label: str
    colours: Colormap
    ticks: list[float]
    norm: LogNorm | None

    def colour(self, error: float | None, full: bool) -> tuple[float, float, float]:
        """Return red, green and blue in [0, 1]; mixed with white unless `full`, so that nothing shines through."""
        from matplotlib.colors import to_rgb

        if error is None or self.norm is None or not is_calibrated(error):
            rgb = to_rgb(_FAULTY)
        else:
            rgb = to_rgb(self.colours(float(self.norm(max(error, self.ticks[0])))))
        red, green, blue = (part if full else 1 - _FADED * (1 - part) for part in rgb)
        return red, green, blue


def draw_device(
    device: Device,
    path: str | Path,
    chosen: Sequence[int] = (),
    chosen_couplers: Collection[Coupler] | None = None,
) -> None:
    """Draw the map of a device into a file.

    Qubits are discs coloured by readout error, couplers are lines coloured by the error of their best two-qubit gate,
    both on logarithmic scales. Grey ones could not be calibrated, or have no value.

    Args:
        device: to draw.
        path: the file; its ending is one of `ENDINGS`.
        chosen: physical qubits to highlight; the others fade.
        chosen_couplers: couplers to highlight, in either order; None: all between chosen qubits.

    Raises:
        BackendError: a chosen qubit or coupler is not on the device.
        QgenError: the file has another ending or cannot be written.
    """
    path = Path(path)
    if path.suffix.lower() not in ENDINGS:
        raise QgenError(f"{str(path)!r} does not end in {', '.join(ENDINGS[:-1])} or {ENDINGS[-1]}.")
    qubits, couplers = _checked_choice(device, chosen, chosen_couplers)
    try:
        save_figure(_draw(device, qubits, couplers), path, tight=False)
    except OSError as error:
        raise QgenError(f"Cannot write {path}: {error.strerror or error}.") from error


def _checked_choice(
    device: Device, chosen: Sequence[int], chosen_couplers: Collection[Coupler] | None
) -> tuple[frozenset[int], frozenset[Coupler]]:
    """Return the chosen qubits, and the chosen couplers (a, b) with a < b."""
    qubits = frozenset(chosen)
    if chosen_couplers is None:
        couplers = {pair for pair in device.coupler_errors if qubits.issuperset(pair)}
    else:
        couplers = {(min(pair), max(pair)) for pair in chosen_couplers}
    unknown = [str(qubit) for qubit in sorted(qubits) if not 0 <= qubit < device.qubits]
    unknown += [f"{first}-{second}" for first, second in sorted(couplers - device.coupler_errors.keys())]
    if unknown:
        raise BackendError(
            f"{device.name} has qubits 0 to {device.qubits - 1} and {len(device.coupler_errors)} couplers; "
            f"not among them: {', '.join(unknown)}"
        )
    return qubits, frozenset(couplers)


def _draw(device: Device, qubits: frozenset[int], couplers: frozenset[Coupler]) -> Figure:
    points = qubit_coordinates(device)
    figure, axes = _empty_map(points)
    gates = "/".join(device.two_qubit_gates) or "two-qubit"
    readout = _scale("readout error", device.readout_errors, _colours("PuBu", 0.15))
    gate = _scale(f"{gates} error", device.coupler_errors.values(), _colours("YlOrRd", 0.2))
    _add_couplers(axes, device, points, couplers if qubits or couplers else None, gate)
    _add_qubits(axes, device, points, qubits, readout)
    _add_title(figure, device)
    _add_scales(figure, (readout, gate))
    return figure


def _empty_map(points: Sequence[Point]) -> tuple[Figure, Axes]:
    """Make a figure with axes in which neighbours are `_UNIT` apart, and room for title and scales."""
    # Not pyplot, which keeps figures in a global list and may open windows.
    from matplotlib.figure import Figure

    columns, rows = zip(*points, strict=True)
    width = max(_UNIT * (max(columns) - min(columns) + 1) + 2 * _SIDE, _NARROWEST)
    height = _UNIT * (max(rows) - min(rows) + 1)
    total = height + _TOP + _BOTTOM
    figure = Figure(figsize=(width, total), facecolor="white")
    axes = figure.add_axes((0, _BOTTOM / total, 1, height / total))
    axes.set_axis_off()
    half, middle = width / _UNIT / 2, (min(columns) + max(columns)) / 2
    axes.set_xlim(middle - half, middle + half)
    axes.set_ylim(max(rows) + 0.5, min(rows) - 0.5)  # rows are counted downwards
    return figure, axes


def _colours(name: str, lightest: float) -> Colormap:
    """Cut off the lightest end of a colour map, which is invisible on white."""
    import matplotlib
    from matplotlib.colors import ListedColormap

    whole = matplotlib.colormaps[name]
    return ListedColormap([whole(lightest + (1 - lightest) * step / 255) for step in range(256)], name)


def _scale(label: str, errors: Iterable[float | None], colours: Colormap) -> _Scale:
    """Make a logarithmic scale over all errors that were measured, from tick to tick."""
    from matplotlib.colors import LogNorm

    measured = [error for error in errors if error and is_calibrated(error)]
    if not measured:
        return _Scale(label, colours, [], None)
    ticks = _ticks(min(measured), max(measured))
    return _Scale(label, colours, ticks, LogNorm(ticks[0], ticks[-1]))


def _ticks(low: float, high: float) -> list[float]:
    """Return 1, 2 and 5 of each decade, from the last one at or below `low` to the first above `high`, or `_RANDOM`."""
    low, high = min(low, 0.9 * _RANDOM), min(high, 0.9 * _RANDOM)
    decades = range(math.floor(math.log10(low)), 0)
    ticks = [float(f"{step}e{decade}") for decade in decades for step in (1, 2, 5)]
    first = max(tick for tick in ticks if tick <= low)
    last = min(tick for tick in ticks if tick > high)
    return [tick for tick in ticks if first <= tick <= last]


def _add_couplers(
    axes: Axes,
    device: Device,
    points: Sequence[Point],
    chosen: frozenset[Coupler] | None,
    scale: _Scale,
) -> None:
    """Add lines between discs, dashed if not calibrated. Without a choice (None), none is faded."""
    for coupler, error in device.coupler_errors.items():
        (x0, y0), (x1, y1) = (points[qubit] for qubit in coupler)
        full = chosen is None or coupler in chosen
        if chosen and full:
            axes.plot((x0, x1), (y0, y1), color=_INK, linewidth=8.5, solid_capstyle="butt", zorder=1)
        colour = scale.colour(error, full)
        style: dict[str, Any] = (
            {"linewidth": 5.5} if is_calibrated(error) else {"linewidth": 2, "linestyle": (0, (1.2, 0.8))}
        )
        axes.plot((x0, x1), (y0, y1), color=colour, solid_capstyle="butt", zorder=2, **style)


def _add_qubits(
    axes: Axes,
    device: Device,
    points: Sequence[Point],
    chosen: frozenset[int],
    scale: _Scale,
) -> None:
    """Add discs with the numbers of the qubits; the chosen ones have a thick rim."""
    from matplotlib.patches import Circle

    for qubit, (point, error) in enumerate(zip(points, device.readout_errors, strict=True)):
        full = not chosen or qubit in chosen
        colour = scale.colour(error, full)
        rim = {"edgecolor": _INK, "linewidth": 2.2} if chosen and full else {"edgecolor": "white", "linewidth": 0.8}
        axes.add_patch(Circle(point, _RADIUS, facecolor=colour, zorder=3, **rim))
        red, green, blue = colour
        dark = 0.299 * red + 0.587 * green + 0.114 * blue < 0.55  # ITU-R BT.601 luma
        ink = "white" if dark else _INK if full else "#9a9a9a"
        style: dict[str, Any] = {"color": ink, "fontsize": 7.5, "ha": "center", "va": "center_baseline"}
        axes.text(*point, str(qubit), zorder=4, fontweight="bold" if chosen and full else "normal", **style)


def _add_title(figure: Figure, device: Device) -> None:
    width, height = figure.get_size_inches()
    day = f"calibrated {device.calibrated:%Y-%m-%d}" if device.calibrated else "calibration date unknown"
    about = [device.processor, f"{device.qubits} qubit{'s' * (device.qubits > 1)}", day]
    faulty = device.summary.faulty_couplers
    dashed = f"; dashed: {faulty} coupler{'s' * (faulty > 1)} not calibrated" if faulty else ""
    left = _SIDE / width
    figure.text(left, 1 - 0.16 / height, device.name, fontsize=11, fontweight="bold", color=_INK, va="top")
    figure.text(left, 1 - 0.36 / height, ", ".join(filter(None, about)) + dashed, fontsize=8.5, color=_INK, va="top")


def _add_scales(figure: Figure, scales: Iterable[_Scale]) -> None:
    """Add two colour bars side by side below the map, in percent."""
    from matplotlib.cm import ScalarMappable
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

    width, height = figure.get_size_inches()
    length = (width - 4 * _SIDE) / 2
    for index, scale in enumerate(scales):
        if scale.norm is None:
            continue
        left = _SIDE + index * (length + 2 * _SIDE)
        axes = figure.add_axes((left / width, 0.48 / height, length / width, 0.1 / height))
        bar = figure.colorbar(ScalarMappable(scale.norm, scale.colours), cax=axes, orientation="horizontal")
        axes.xaxis.set_major_locator(FixedLocator(scale.ticks))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:g}"))
        axes.tick_params(labelsize=7.5, length=2.5, pad=2, color=_INK)
        bar.set_label(f"{scale.label} (%)", fontsize=8, color=_INK, labelpad=2)
        bar.outline.set_visible(False)
