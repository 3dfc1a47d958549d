"""The report's page: it says what the data say, stands alone, and can be read by anyone."""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from qiskit import QuantumCircuit, generate_preset_pass_manager

from qgen.devices import open_device
from qgen.errors import QgenError
from qgen.reports.html.markup import element, percent, signed, times
from qgen.reports.html.templates import part
from qgen.reports.transpilation.charts import losses, strip_chart, success_chart
from qgen.reports.transpilation.drawings import circuit_drawing, device_map, timed_gates, timeline
from qgen.reports.transpilation.page import page, write_page
from qgen.reports.transpilation.result import DeviceReport, TranspilationReport
from qgen.transpilation import CircuitMetrics, Success, TranspileOptions, TranspileResult

VOID = {"meta", "link", "br", "img", "input"}
shares = st.floats(min_value=1e-9, max_value=1)


class Page(HTMLParser):
    """The elements of a page with their attributes; a tag that is not closed as it was opened is an error."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None], tuple[str, ...]]] = []
        self.words: list[tuple[str, tuple[str, ...]]] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert not self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs), tuple(self._open)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs), tuple(self._open)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append((data, tuple(self._open)))

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes, _ in self.elements if name == tag]

    def text(self, within: str) -> str:
        return " ".join(" ".join(words for words, inside in self.words if within in inside).split())


def metrics(gates: float = 0.6, readout: float = 0.9, idle: float = 0.8, **others: object) -> CircuitMetrics:
    known = {
        "two_qubit_gates": 31,
        "two_qubit_depth": 9,
        "depth": 40,
        "gates": {"cz": 31, "sx": 70, "rz": 90},
        "extra_two_qubit_gates": 9,
        "duration_us": 3.21,
        "idle_us": {0: 0.5, 1: 1.25, 2: 0.0},
        "worst_coupler": ((1, 2), 0.0123),
        "worst_readout": (2, 0.045),
    }
    return CircuitMetrics(success=Success(gates, readout, idle), **(known | others))  # type: ignore[arg-type]


def candidate(level: int = 3, seed: int = 0, moved: bool = False, **others: object) -> TranspileResult:
    return TranspileResult(TranspileOptions(level, seed, "sabre"), moved, 0.2, (0, 1, 2), metrics(**others))  # type: ignore[arg-type]


def device(name: str, *candidates: TranspileResult, **others: object) -> DeviceReport:
    ranked = tuple(sorted(candidates, key=lambda one: -one.metrics.success.total))
    default = candidate(gates=0.3)
    day = datetime(2025, 2, 26, tzinfo=UTC)
    return DeviceReport(name, 156, "Heron r2", day, ranked, default, **others)  # type: ignore[arg-type]


def report(*devices: DeviceReport, name: str = "hqconv") -> TranspilationReport:
    return TranspilationReport(name, 3, 7, 22, devices)


@pytest.fixture
def routed() -> Callable[[int], QuantumCircuit]:
    """A chain of so many rounds on fake_fez, in its gates."""

    def make(rounds: int) -> QuantumCircuit:
        circuit = QuantumCircuit(3)
        for _ in range(rounds):
            circuit.rx(0.3, 0)
            circuit.cx(0, 1)
            circuit.ry(0.7, 1)
            circuit.cx(1, 2)
        target = open_device("fake_fez").target
        return generate_preset_pass_manager(1, target=target, seed_transpiler=0).run(circuit)

    return make


def test_the_answer_comes_first_and_names_the_best_device_and_why() -> None:
    worse = device("fake_quito", candidate(readout=0.45))
    read = Page(page(report(worse, device("fake_lima", candidate()))))
    answer = read.text("main")
    assert answer.startswith("Run it on fake_lima : one execution should leave 43.2 % of the ideal result , with")
    assert "with 31 two-qubit gates in 3.21 µs" in answer
    assert "fake_quito comes next with 21.6 %" in answer
    assert "What sets them apart most is readout: 90.0 % against 45.0 %" in answer
    assert "\N{MULTIPLICATION SIGN} 2.00" in answer  # 0.6 x 0.9 x 0.8 against the default's 0.3 x 0.9 x 0.8


def test_one_device_is_not_compared() -> None:
    answer = Page(page(report(device("fake_lima", candidate())))).text("main")
    assert answer.startswith("On fake_lima , one execution should leave 43.2 % of the ideal result")
    assert "comes next" not in answer
    assert "Most of the rest is lost to gates" in answer


def test_devices_stand_in_the_order_of_their_success() -> None:
    chances = {"fake_quito": 0.2, "fake_belem": 0.7, "fake_lima": 0.5}
    read = Page(page(report(*(device(name, candidate(gates=p)) for name, p in chances.items()))))
    names = re.findall(r"fake_\w+", read.text("summary"))
    assert names == ["fake_belem", "fake_lima", "fake_quito"]
    assert ["open" in attributes for attributes in read.all("details")] == [True, False, False]


def test_the_page_needs_nothing_from_outside(routed: Callable[[int], QuantumCircuit]) -> None:
    text = page(report(device("fake_fez", candidate())), {"fake_fez": routed(2)})
    read = Page(text)
    assert not read.all("script")
    for _, attributes, _ in read.elements:
        for name in ("src", "href", "xlink:href"):
            assert (attributes.get(name) or "#").startswith(("#", "data:"))
    assert "@import" not in text
    assert all(reference.startswith("#") for reference in re.findall(r"url\(([^)]*)\)", text))
    assert "default-src 'none'" in text


def test_pictures_and_tables_can_be_read_aloud(routed: Callable[[int], QuantumCircuit]) -> None:
    two = (device(name, candidate(), candidate(seed=1, gates=0.5)) for name in ("fake_fez", "fake_boston"))
    read = Page(page(report(*two), {"fake_fez": routed(2)}))
    pictures = read.all("svg")
    assert len(pictures) >= 6  # a map and a strip chart each, the schedule and the circuit of one
    assert all(picture["role"] == "img" and picture["aria-label"] for picture in pictures)
    assert len(read.all("caption")) == len(read.all("table"))
    assert all(attributes.get("scope") in ("row", "col") for attributes in read.all("th"))
    assert {"name": "viewport", "content": "width=device-width, initial-scale=1"} in read.all("meta")
    names = [attributes["id"] for _, attributes, _ in read.elements if "id" in attributes]
    assert len(names) == len(set(names))
    levels = [int(tag[1]) for tag, _, _ in read.elements if re.fullmatch(r"h\d", tag)]
    assert levels[0] == 1
    assert max(np.diff(levels)) <= 1  # no heading skips a level


def test_names_from_outside_are_shown_as_they_are() -> None:
    name = "</title><script>alert('&')</script>"
    odd = device("my <i>device</i>", candidate(), warnings=("Old & <b>cold</b>.",))
    read = Page(page(report(odd, name=name)))
    assert read.text("h1") == name
    assert read.text("summary").startswith("my <i>device</i>")
    assert "Old & <b>cold</b>." in read.text("main")
    assert not read.all("script")


def test_warnings_say_which_device() -> None:
    old = device("fake_lima", candidate(), warnings=("fake_lima is 100 days old.", "Few shots."))
    read = Page(page(report(old)))
    assert "fake_lima is 100 days old. fake_lima: Few shots." in read.text("ul")
    assert "Warnings" not in page(report(device("fake_lima", candidate())))


def test_ten_candidates_are_listed() -> None:
    many = [candidate(seed=seed, gates=0.9 - 0.01 * seed) for seed in range(15)]
    text = page(report(device("fake_lima", *many)))
    rows = text[text.index("Of 15 that were tried") :]
    body = rows[: rows.index("</table>")]
    assert re.findall(r'<th scope="row">(\d+)</th><td>([\d.]+)', body) == [
        (str(rank + 1), f"{100 * (0.9 - 0.01 * rank) * 0.72:.1f}") for rank in range(10)
    ]


def test_what_is_not_known_is_said() -> None:
    bare = candidate(duration_us=None, idle_us={}, worst_coupler=None, worst_readout=None)
    nameless = DeviceReport("fake_somewhere", 5, None, None, (bare,), bare)
    text = Page(page(report(nameless))).text("main")
    assert "The device gives no times of its gates." in text
    assert "processor unknown" in text
    assert "There is no map of fake_somewhere: there is no device snapshot `fake_somewhere`" in text
    assert "None" not in text


@given(shares, shares, shares)
def test_losses_add_up_and_are_shared_by_logarithm(gates: float, readout: float, idle: float) -> None:
    success = Success(gates, readout, idle)
    lost = losses(success)
    assert sum(lost.values()) == pytest.approx(1 - success.total, abs=1e-12)
    assert lost["gates"] * np.log(readout) == pytest.approx(lost["readout"] * np.log(gates), abs=1e-9)


def test_hopeless_and_perfect_circuits_are_drawn() -> None:
    assert losses(Success(1, 1, 1)) == {"gates": 0, "readout": 0, "idle": 0}
    assert losses(Success(0, 0.5, 1))["gates"] == pytest.approx(1, rel=0.01)
    hopeless = device("fake_lima", candidate(gates=0.0))
    assert "0 %" in Page(page(report(hopeless))).text("main").replace("\u202f", " ")


def test_bars_are_as_wide_as_the_shares() -> None:
    text = success_chart([("one", Success(0.5, 0.8, 1)), ("other", Success(0.9, 0.9, 0.9))])
    widths = np.array([float(width) for width in re.findall(r"width:([\d.]+)%", text)]).reshape(2, 4)
    np.testing.assert_allclose(widths.sum(1), 100, atol=0.01)
    np.testing.assert_allclose(widths[:, 0], [40, 72.9], atol=0.01)
    np.testing.assert_allclose(widths[1, 1:], 27.1 / 3, atol=0.01)


def test_points_of_the_strip_chart_lie_at_their_success(rng: np.random.Generator) -> None:
    chances = rng.uniform(0.1, 0.9, 12)
    tried = [candidate(level=k % 4, seed=k, gates=p, moved=k > 8) for k, p in enumerate(chances)]
    chart = strip_chart(device("fake_fez", *tried))
    points = re.findall(r"<circle cx=\"([\d.]+)%\".*?seed (\d+)", chart)
    assert len(points) == 12
    places = np.array([float(x) for x, _ in sorted(points, key=lambda one: int(one[1]))])
    assert (places >= 0).all()
    assert (places <= 100).all()
    slope, start = np.polyfit(chances, places, 1)
    np.testing.assert_allclose(places, start + slope * chances, atol=0.02)
    (dashed,) = re.findall(r"<line x1=\"([\d.]+)%\"[^>]*class=\"default\"", chart)
    assert float(dashed) == pytest.approx(start + slope * 0.3, abs=0.03)
    assert chart.count('class="replaced') == 3
    assert chart.count("best, level") == 1


@pytest.mark.parametrize("chances", [(0.5,), (0.5, 0.5), (0.0,), (1e-12, 2e-12)])
def test_a_strip_chart_of_few_or_equal_values_stays_within_its_frame(chances: tuple[float, ...]) -> None:
    tried = [candidate(seed=seed, gates=p) for seed, p in enumerate(chances)]
    alike = DeviceReport("fake_lima", 156, None, None, tuple(tried), tried[0])
    places = [float(x) for x in re.findall(r"cx=\"([\d.]+)%\"", strip_chart(alike))]
    assert len(places) == len(chances)
    assert all(0 <= place <= 100 for place in places)


def test_the_schedule_is_qiskits(routed: Callable[[int], QuantumCircuit]) -> None:
    target = open_device("fake_fez").target
    circuit = routed(3)
    scheduled = generate_preset_pass_manager(0, target=target, scheduling_method="alap").run(circuit)
    steps = zip(scheduled.op_start_times, scheduled.data, strict=True)
    apart = {"delay", "rz"}
    expected = sorted(
        (start * target.dt * 1e6, one.operation.name, tuple(scheduled.find_bit(qubit).index for qubit in one.qubits))
        for start, one in steps
        if one.operation.name not in apart
    )
    gates = sorted((gate.start, gate.name, gate.qubits) for gate in timed_gates(circuit, target))
    assert [gate[1:] for gate in gates] == [gate[1:] for gate in expected]
    np.testing.assert_allclose([gate[0] for gate in gates], [gate[0] for gate in expected], atol=1e-6)


def test_the_timeline_has_a_box_for_each_gate_and_qubit(routed: Callable[[int], QuantumCircuit]) -> None:
    gates = timed_gates(routed(3), open_device("fake_fez").target)
    text = timeline(gates)
    assert text.count("<rect ") == sum(len(gate.qubits) for gate in gates)
    ends = [float(x) + float(width) for x, width in re.findall(r'<rect x="([\d.]+)%".*?width="([\d.]+)%"', text)]
    assert max(ends) == pytest.approx(100, abs=0.02)


def test_the_map_is_of_the_device() -> None:
    picture = device_map("fake_fez", [3, 4, 5], {(3, 4)})
    read = Page(picture)
    assert read.text("svg").count("fake_fez") == 1
    assert {str(qubit) for qubit in range(156)} <= set(read.text("svg").split())
    assert not read.all("metadata")
    assert device_map("fake_fez", [3, 4, 5], {(3, 4)}) == picture


def test_large_circuits_are_not_drawn(routed: Callable[[int], QuantumCircuit]) -> None:
    assert "up to 300 are drawn" in circuit_drawing(routed(40))
    assert "<svg" in circuit_drawing(routed(2))


def test_the_file_is_written_or_its_name_is_in_the_error(tmp_path: Path) -> None:
    whole = report(device("fake_lima", candidate()))
    write_page(whole, tmp_path / "page.html")
    assert (tmp_path / "page.html").read_text(encoding="utf-8") == page(whole)
    with pytest.raises(QgenError, match=r"Cannot write .*missing.*No such file"):
        write_page(whole, tmp_path / "missing" / "page.html")


@pytest.mark.parametrize(
    ("share", "text"),
    [(0, "0 %"), (1, "100 %"), (0.4824, "48.2 %"), (0.04824, "4.82 %"), (0.00012345, "0.0123 %"), (1e-9, "< 0.0001 %")],
)
def test_shares_have_three_digits(share: float, text: str) -> None:
    assert percent(share).replace("\u202f", " ") == text


def test_differences_and_ratios_have_their_signs() -> None:
    assert [signed(n) for n in (3, 0, -3)] == ["+3", "±0", "\N{MINUS SIGN}3"]
    assert times(3, 2).endswith("1.50")
    assert times(3, 0) == "\N{EN DASH}"


def test_text_is_escaped_and_markup_is_not() -> None:
    inner = element("b", "a<b & c")
    assert inner == "<b>a&lt;b &amp; c</b>"
    assert element("p", inner, 1.5, class_="x", hidden=True, title='"', lang=None) == (
        f'<p class="x" hidden title="&quot;">{inner}1.5</p>'
    )
    assert "<td>a&lt;b</td>" in part("table", "caption", ("one", "two"), [("x", "a<b")])
