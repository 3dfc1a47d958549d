"""Lines lie at their values, bands around them, and axes at round numbers."""

from __future__ import annotations

import re

import numpy as np
import pytest

from qgen.reports.html.line_chart import Line, LinePoint, legend, line_chart


def places(chart: str, kind: str = "polyline") -> list[np.ndarray]:
    found = re.findall(rf"<{kind}[^>]*points=\"([^\"]*)\"", chart)
    return [np.array([[float(x) for x in pair.split(",")] for pair in points.split()]) for points in found]


def height_labels(chart: str) -> list[str]:
    """The labels of the vertical axis, from below."""
    return re.findall(r'text-anchor="end" class="tick">([^<]*)</text>', str(chart).partition("</svg>")[0])


def line(name: str, xs: np.ndarray, ys: np.ndarray, reach: float | None = None) -> Line:
    ends = (None, None) if reach is None else (-reach, reach)
    points = [LinePoint(x, y, *(None if end is None else y + end for end in ends)) for x, y in zip(xs, ys, strict=True)]
    return Line(name, points)


def test_points_lie_at_their_values(rng: np.random.Generator) -> None:
    xs, ys = np.sort(rng.uniform(0, 1e5, 12)), rng.uniform(20, 40, (2, 12))
    chart = line_chart("height", [line("a", xs, ys[0]), line("b", xs, ys[1])], "images")
    drawn = places(chart)
    assert len(drawn) == 2
    both, heights = np.concatenate(drawn), np.concatenate(ys)
    np.testing.assert_allclose(drawn[0][:, 0], 1000 * xs / xs.max(), atol=0.06)
    slope, start = np.polyfit(heights, both[:, 1], 1)
    assert slope < 0  # larger is higher
    np.testing.assert_allclose(both[:, 1], start + slope * heights, atol=0.2)
    assert (both >= 0).all()
    assert (both <= 1000).all()
    assert not places(chart, "polygon")


def test_wide_ranges_are_logarithmic() -> None:
    ys = np.array([2.0, 20.0, 200.0, 1.0])
    (drawn,) = places(line_chart("height", [line("a", np.arange(1.0, 5.0), ys)], "images"))
    steps = np.diff(drawn[:3, 1])
    assert steps[0] == pytest.approx(steps[1], abs=0.2)


def test_bands_are_around_their_lines_and_end_with_the_chart() -> None:
    xs, ys = np.arange(1.0, 6.0), np.array([0.3, 0.5, 0.4, 0.6, 0.5])
    chart = line_chart("share", [line("a", xs, ys, 0.05), line("b", xs, ys, 9.0)], "images", percent=True)
    near, far = places(chart, "polygon")
    path = places(chart)[0]
    upper, lower = near[:5], near[5:][::-1]
    np.testing.assert_allclose((upper[:, 1] + lower[:, 1]) / 2, path[:, 1], atol=0.2)
    assert (upper[:, 1] < path[:, 1]).all()
    assert far.min() >= 0  # the axis holds them
    assert far.max() <= 1000
    assert "%" in chart


def test_dots_lie_at_their_values(rng: np.random.Generator) -> None:
    xs, seeds = np.arange(1.0, 4.0), rng.uniform(1, 9, (3, 2))
    points = [LinePoint(x, own.mean(), values=own) for x, own in zip(xs, seeds, strict=True)]
    chart = line_chart("height", [Line("a", points)], "images")
    (drawn,) = places(chart)
    found = np.array([[float(x), float(y)] for x, y in re.findall(r"M([\d.]+),([\d.]+)h", chart)])
    np.testing.assert_allclose(found.reshape(3, 2, 2).mean(axis=1), drawn, atol=0.2)
    assert found.min() >= 0
    assert found.max() <= 1000
    assert not places(chart, "polygon")


def test_an_end_below_zero_keeps_an_axis_logarithmic() -> None:
    ys = np.array([2.0, 20.0, 200.0, 1.0])
    (drawn,) = places(line_chart("height", [line("a", np.arange(1.0, 5.0), ys, 3.0)], "images"))
    steps = np.diff(drawn[:3, 1])
    assert steps[0] == pytest.approx(steps[1], abs=0.2)


@pytest.mark.parametrize("percent", [False, True])
def test_marks_differ_and_are_evenly_spaced_however_narrow_the_range(percent: bool, rng: np.random.Generator) -> None:
    low = rng.uniform(0.9, 1.1) * 10.0 ** rng.uniform(-1, 0 if percent else 7)
    ys = low * (1 + np.array([0, 10.0 ** rng.uniform(-8, -1)]))
    chart = line_chart("height", [line("a", np.arange(1.0, 3.0), ys)], "images", percent=percent)
    labels = height_labels(chart)
    factors = {"": 1.0, "k": 1e3, "M": 1e6, "%": 0.01}
    read = [(number, factors[unit]) for number, _, unit in (label.partition("\u202f") for label in labels)]
    marks = np.array([float(number) * factor for number, factor in read])
    assert len(set(labels)) == len(labels) >= 3
    np.testing.assert_allclose(np.diff(marks), (marks[-1] - marks[0]) / (len(marks) - 1), rtol=1e-5)
    width = re.search(r'<svg[^>]* width="([\d.]+)"', str(chart))
    assert width is not None
    assert float(width.group(1)) >= 8 + 6.5 * max(map(len, labels))  # 12 pixels high, a digit is up to 6.5 wide
    assert marks[0] <= ys[0] * (1 + 1e-9)
    assert marks[-1] >= ys[1] * (1 - 1e-9)


def test_differences_of_rounding_are_none() -> None:
    low = 0.3
    labels = height_labels(
        line_chart("height", [line("a", np.arange(1.0, 3.0), np.array([low, np.nextafter(low, 1)]))], "images")
    )
    equal = height_labels(line_chart("height", [line("a", np.arange(1.0, 3.0), np.array([low, low]))], "images"))
    assert labels == equal


def test_charts_side_by_side_have_the_same_axes() -> None:
    xs = np.arange(1.0, 4.0)
    low, high = line("a", xs, np.array([1.0, 2.0, 3.0])), line("a", xs, np.array([4.0, 5.0, 6.0]))
    charts = [line_chart("height", [one], "images", like=[low, high]) for one in (low, high)]
    marks = [re.findall(r'class="tick">([^<]*)', chart) for chart in charts]
    assert marks[0] == marks[1]


@pytest.mark.parametrize("ys", [[0.0], [5.0, 5.0], [0.0, 1e-9], [1e9, 2e9], [-3.0, 4.0]])
def test_few_or_equal_values_have_a_chart(ys: list[float]) -> None:
    chart = line_chart("height", [line("a", np.arange(1.0, len(ys) + 1), np.array(ys), 1.0)], "images")
    assert np.isfinite(np.concatenate(places(chart))).all()
    assert "nan" not in chart


def test_lines_without_points_keep_the_colours_of_the_others() -> None:
    xs = np.arange(1.0, 4.0)
    chart = line_chart("height", [Line("a", []), line("b", xs, xs)], "images")
    assert re.findall(r'<polyline[^>]*class="([^"]*)"', chart) == ["line c1"]
    assert "b: from 1 to 3" in chart
    assert "a:" not in chart


def test_names_are_escaped_and_twelve_lines_differ() -> None:
    keys = legend([f"<b>{number}</b>" for number in range(12)])
    assert "<b>" not in keys
    looks = re.findall(r'class="(line c\d)"(?: stroke-dasharray="([^"]*)")?', keys)
    assert len(set(looks)) == 12


def test_dots_on_the_border_are_not_cut(rng: np.random.Generator) -> None:
    points = [LinePoint(x, 2.0, values=(1.0, 3.0)) for x in (0.0, float(rng.uniform(1, 9)))]
    chart = str(line_chart("height", [Line("a", points)], "scale"))
    clipped = chart[chart.index('class="clip"') :].partition("</svg>")[0]
    assert 'class="line c0"' in clipped
    assert "dots" not in clipped
    dots = re.search(r'<path d="([^"]*)"', chart)
    assert dots is not None
    xs, ys = np.array(re.findall(r"M([\d.]+),([\d.]+)h", dots.group(1)), float).T
    assert xs.tolist() == [0, 0, 1000, 1000]
    assert set(ys) == {0, 1000}
