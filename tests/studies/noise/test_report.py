"""The report: words that claim what is resolved, a page that stands for itself, figures, and what is missing."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from qgen.errors import RunError
from qgen.figures import ENDINGS
from qgen.studies import make_report, write_report, write_study
from qgen.studies.noise import analyse, text
from qgen.studies.noise.cells import NoiseCell
from qgen.studies.noise.conditions import KINDS
from qgen.studies.noise.figures import draw_figures
from qgen.studies.noise.page import page
from qgen.studies.noise.tables import markdown
from qgen.studies.noise.tasks import cell_file

VOID = {"img", "meta", "link"}


class Structure(HTMLParser):
    """Collects text, and checks that elements are closed in order and nothing would be fetched."""

    def __init__(self, content: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.text = ""
        self.images = 0
        self.feed(content)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name in ("src", "href"):
                assert str(value).startswith(("data:", "#"))
        self.images += tag == "img"
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def plain(words: str) -> str:
    return words.replace("\u202f", " ").replace("\u00a0", " ").replace("\N{MINUS SIGN}", "-")


def worse(cell: NoiseCell) -> dict[str, Any]:
    """Distances grow by half for each unit of the noise of one device, and not at all on the other."""
    seed, condition = cell.generation.seed, cell.condition
    grows = 0.0 if condition.ideal or "torino" in condition.backend else 0.5 * condition.scale * (1 + 0.001 * seed)
    real = {"frechet": 0.375, "coverage": 0.75}
    return {
        "frechet": (2.0 + seed) * (1 + grows),
        "coverage": 0.5,
        "real": real,
        "pixels": grows,
        "layers": {"<b>": grows / 9},
    }


def test_the_words_say_what_is_resolved(make_noise: Callable[..., Any], analysed: Callable[..., Any]) -> None:
    study = make_noise(("<one>",), ("noisy:fake_fez", "noisy:fake_torino"), (0.0, 1.0, 3.0), 4)
    results = analysed(study, worse)
    lines = [plain(line) for line in text.conclusions(results)]
    (line,) = (line for line in lines if line.startswith("<one>: "))
    worse_words, unresolved = line.removeprefix("<one>: ").split("; ")
    lost = 100 * np.mean([1 - 1 / (1 + 1.5 * (1 + 0.001 * seed)) for seed in range(4)])
    assert worse_words.startswith(f"the Fréchet distance is worse from scale 1 on ({lost:.1f} ± ")
    assert worse_words.endswith("on fake_fez")
    assert unresolved == "no steady worsening of the Fréchet distance is resolved on fake_torino."
    assert any(re.search(r"lost half of its quality .* on fake_fez at scale 2\.00 ± 0\.00", line) for line in lines)
    assert any("each step resolved: fake_torino, fake_fez" in line for line in lines)
    assert plain(text.answer(results)).startswith("In 2 of 4 conditions noise makes the images worse")


def test_without_differences_nothing_is_claimed(make_noise: Callable[..., Any], analysed: Callable[..., Any]) -> None:
    study = make_noise(("one", "two"), ("noisy:fake_fez", "noisy:fake_torino"), kinds=(KINDS, *((k,) for k in KINDS)))
    results = analysed(study, lambda cell: {"frechet": 1.0 + cell.generation.seed})
    for line in (text.answer(results), *text.conclusions(results)):
        assert not re.search(r"\bworse from|resolved: |each step|has lost half", line)
    assert "not resolved" not in text.answer(results)  # in words: "no change is resolved"
    assert "does not show that there is none" in text.answer(results)


def test_one_seed_says_nothing(make_noise: Callable[..., Any], analysed: Callable[..., Any]) -> None:
    results = analysed(make_noise(seeds=1), worse)
    assert text.answer(results).startswith("One seed")
    assert list(text.conclusions(results)) == []


def test_the_page_and_the_files(
    make_noise: Callable[..., Any],
    analysed: Callable[..., Any],
    tmp_path: Path,
    rng: np.random.Generator,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pytest.importorskip("matplotlib")
    study = make_noise(
        ("<one>", "two"), ("noisy:fake_fez",), (0.0, 1.0), 2, shots=(10, None), mitigations=(None, "zne:1,3")
    )
    analysed(study, worse)
    folder = tmp_path / "study"
    count = int(rng.integers(2, len(ENDINGS) + 1))  # without PDFs every other time: they take as long as both others
    monkeypatch.setattr("qgen.studies.noise.figures.ENDINGS", ENDINGS[:count])
    report = make_report(folder)
    written = write_report(folder, report)
    found = Structure(written.read_text())
    assert "&lt;one&gt;" not in found.text
    assert "<one>" in found.text
    assert "it is 2.50 ± 6.35 for ideal samples, and 0.375 for real images instead" in found.text
    assert "| real images instead | 0.375 |" in (folder / "noise.md").read_text()
    assert found.images >= 2 * 3  # ideal and scale 1, exact and with shots
    for line in report.conclusions:
        assert line in found.text
        assert line in (folder / "noise.md").read_text()
    content = json.loads((folder / "noise.json").read_text())
    assert len(content["cells"]) == len(list(study.cells()))
    assert {"quality.png", "quality.svg", "images.png", "mitigation.svg", "shots.png"} <= set(report.figures)
    assert report.figures["quality.png"].startswith(b"\x89PNG")
    endings = ENDINGS[: rng.integers(1, count + 1)]  # the layout of one depends on those before it
    monkeypatch.setattr("qgen.studies.noise.figures.ENDINGS", endings)
    again = draw_figures(analyse(folder, study))
    own = {name: content for name, content in report.figures.items() if name.endswith(endings)}
    assert again == own  # to the last byte


def test_unfinished_cells_are_named_and_left_out(
    make_noise: Callable[..., Any], analysed: Callable[..., Any], tmp_path: Path
) -> None:
    study = make_noise(seeds=3)
    analysed(study, worse)
    cell_file(tmp_path / "study", "one-seed1-fake_fez-scale1", "json").unlink()
    results = analyse(tmp_path / "study", study)
    assert results.cells.missing == ("one-seed1-fake_fez-scale1",)
    curve = results.curves_of("one", "frechet")[0]
    assert curve.points[1].estimate.values[1] is None
    assert curve.half.values[1] is None
    assert any("1 of 9 cells" in line for line in text.warnings(results))
    assert "1 of 9 cells" in page(results)
    assert "1 of 9 cells" in markdown(results)


@pytest.mark.parametrize("errors", [9, 11])
@pytest.mark.parametrize("levels", [0.0, 0.99, 1.01])
def test_images_that_noise_hardly_changes_are_warned_of(
    levels: float, errors: int, make_noise: Callable[..., Any], analysed: Callable[..., Any], rng: np.random.Generator
) -> None:
    """By one of 256 grey levels, in the worst of all cells of that source.

    If the circuits' values change by over ten times as much, images hardly depend on them; else the noise is weak.
    """
    study = make_noise(("still", "moved"), seeds=2)
    worst = int(rng.integers(2))

    def values(cell: NoiseCell) -> dict[str, Any]:
        noisy, seed = cell.condition.scale > 0, cell.generation.seed
        own = levels if seed == worst else levels / 2
        pixels = noisy * 2 / 255 * (own if cell.generation.source.name == "still" else 3)
        return worse(cell) | {"pixels": pixels, "layers": {"circuit": errors * pixels + 1e-3 * noisy * (not own)}}

    results = analysed(study, values)
    warned = [line for line in text.warnings(results) if "grey levels" in line]
    assert [line.split(":")[0] for line in warned] == (["still"] if levels < 1 else [])
    assert all(line.replace("`qgen evaluate`", "<code>qgen evaluate</code>") in page(results) for line in warned)
    assert all(("hardly depend" in line) == (errors > 10 or not levels) for line in warned)


def test_nothing_finished_is_a_page_too(make_noise: Callable[..., Any], tmp_path: Path) -> None:
    write_study(tmp_path / "study", make_noise())
    report = make_report(tmp_path / "study")
    Structure(report.page)
    assert report.figures == {}


def test_damaged_and_mixed_cells_are_refused(
    make_noise: Callable[..., Any], analysed: Callable[..., Any], tmp_path: Path
) -> None:
    study = make_noise()
    with pytest.raises(RunError, match="compared with different images"):
        analysed(study, lambda cell: {"frechet": 1.0, "data": cell.name})
    cell_file(tmp_path / "study", "one-seed0-ideal", "json").write_text("{")
    with pytest.raises(RunError, match=r"one-seed0-ideal\.json"):
        analyse(tmp_path / "study", study)
