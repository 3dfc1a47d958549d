"""A comparison is what the runs' folders say, computed once more by scipy; and it claims no more than that."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from qgen.errors import RunError
from qgen.studies import comparison, make_report, read_study, write_report, write_study
from qgen.studies.comparison import Comparison, ComparisonStudy
from qgen.studies.comparison.page import page
from qgen.studies.comparison.tables import markdown
from qgen.studies.comparison.text import answer, method, verdict_lines
from qgen.studies.tasks import cell_run

NAMES = ("one", "two", "three")
SHARES = ("coverage", "confident", "entropy")
KEYS = ("frechet", "kernel", *SHARES)
Filled = Callable[..., Path]
MakeStudy = Callable[..., ComparisonStudy]


def compare(folder: Path) -> Comparison:
    """The comparison of the study in this folder."""
    study = read_study(folder)
    assert isinstance(study, ComparisonStudy)
    return comparison.compare(folder, study)


def plain(text: str) -> str:
    return text.replace("\u202f", " ").replace("\u00a0", " ").replace("\N{MINUS SIGN}", "-")


def drawn(rng: np.random.Generator, study: ComparisonStudy) -> dict[tuple[str, float, int], dict[str, float]]:
    return {
        (cell.arm.name, cell.fraction, cell.seed): {key: float(rng.uniform(0.1, 0.9)) for key in KEYS}
        for cell in study.cells()
    }


def test_means_intervals_and_chances_are_scipys(
    make_study_of: MakeStudy, filled: Filled, rng: np.random.Generator
) -> None:
    study = make_study_of(NAMES, 4, (1.0, 0.1), "two")
    values = drawn(rng, study)
    found = compare(filled(study, lambda *which: values[which]))
    assert found.missing == ()
    for group in found.results:
        for key in KEYS:
            own = [values[group.name, group.fraction, seed][key] for seed in study.seeds]
            known = group.estimates[key]
            assert known.values == tuple(own)
            expected = stats.t.interval(0.95, 3, np.mean(own), stats.sem(own))
            if key in SHARES:
                expected = np.clip(expected, 0, 1)
            np.testing.assert_allclose((known.low, known.high), expected, rtol=1e-9)
    assert {(one.name, one.fraction, one.metric) for one in found.differences} == {
        (name, fraction, key) for name in ("one", "three") for fraction in (1.0, 0.1) for key in KEYS
    }
    for one in found.differences:
        ours, base = (
            [values[name, one.fraction, seed][one.metric] for seed in study.seeds] for name in (one.name, "two")
        )
        assert one.p_value == pytest.approx(stats.ttest_rel(ours, base).pvalue, rel=1e-6)
        assert one.estimate.mean == pytest.approx(np.mean(ours) - np.mean(base))
    raw = np.array([one.p_value for one in found.differences])
    adjusted = np.array([one.adjusted for one in found.differences])
    order = raw.argsort()
    expected = np.minimum(1, np.maximum.accumulate(raw[order] * np.arange(20, 0, -1)))
    np.testing.assert_allclose(adjusted[order], expected, rtol=1e-9)


def test_clear_differences_are_resolved_in_the_right_direction(
    make_study_of: MakeStudy, filled: Filled, rng: np.random.Generator
) -> None:
    """Five seeds and a difference of a thousand standard deviations; all else is the seed's alone."""
    study = make_study_of(NAMES, 5)
    seeds, noise = rng.uniform(0.3, 0.6, 5), rng.normal(0, 1e-4, (3, 5))

    def values(name: str, fraction: float, seed: int) -> dict[str, float]:
        shift = {"one": 0.0, "two": 0.1, "three": -0.1}[name]
        base = seeds[seed] + noise[NAMES.index(name), seed]
        return {"frechet": base + shift, "coverage": base + shift}

    found = compare(filled(study, values))
    said = {(one.name, one.metric): one.verdict for one in found.differences}
    assert said == {
        ("two", "frechet"): "worse",
        ("two", "coverage"): "better",
        ("three", "frechet"): "better",
        ("three", "coverage"): "worse",
    }
    assert answer(found) == "4 of 4 differences from one are resolved: 2 for the better, 2 for the worse."
    lines = [plain(line) for line in verdict_lines(found)]
    line = re.match(r"two is worse than one in Fréchet distance, on all images: (\+0\.\d+) \[.*\], adj", lines[0])
    assert line is not None
    assert float(line[1]) == pytest.approx(0.1, abs=1e-3)  # the mean of five differences of about 1.4e-4 each
    assert "points" in lines[1]
    assert "all 4 differences" in method(found)


def test_an_interval_that_leaves_out_zero_is_not_enough(make_study_of: MakeStudy, filled: Filled) -> None:
    """Noise alone, so often that some differences seem to be there; nothing on the page says that they are."""
    rng = np.random.default_rng(1)
    study = make_study_of(NAMES, 3)
    values = drawn(rng, study)
    found = compare(filled(study, lambda *which: values[which]))
    assert min(one.p_value for one in found.differences if one.p_value is not None) < 0.05
    assert {one.verdict for one in found.differences} == {"not resolved"}
    assert "None of the 10 differences from one is resolved" in answer(found)
    for text in (markdown(found), page(found)):
        words = re.sub(r"<style>.*?</style>", "", text, flags=re.DOTALL)
        assert not re.search(r"\b(better|worse|outperform|advantage|superior)\b", words)


def test_one_seed_says_nothing_of_differences(make_study_of: MakeStudy, filled: Filled) -> None:
    found = compare(filled(make_study_of(NAMES, 1), lambda name, *_: {"frechet": float(len(name))}))
    assert all(one.verdict is None and one.p_value is None for one in found.differences)
    assert "Nothing can be said" in answer(found)
    assert "One seed a model" in method(found)
    assert "±" not in page(found).partition("<h2>How")[0].replace("± 95 % intervals", "")


def test_curves_count_images_and_stand_on_all_seeds(make_study_of: MakeStudy, filled: Filled) -> None:
    folder = filled(make_study_of(NAMES, 2), lambda name, _, seed: {"frechet": 1.0 + seed})
    group = compare(folder).result("one", 1.0)
    assert [(point.images, point.estimate.mean) for point in group.curves["frechet"]] == [(100, 3.0), (200, 1.5)]
    accuracy = group.curves["discriminator_accuracy"]
    assert [point.images for point in accuracy] == [10 * step for step in range(1, 21)]
    assert accuracy[-1].estimate.mean == pytest.approx(0.52)
    assert group.seconds is not None
    assert group.seconds.mean == pytest.approx(1.0)  # 200 images at 200 a second
    assert group.images == 1438


def test_unfinished_runs_are_left_out_and_named(make_study_of: MakeStudy, filled: Filled) -> None:
    study = make_study_of(NAMES, 3)
    folder = filled(study, lambda name, _, seed: {"frechet": float(seed)})
    cells = {cell.name: cell for cell in study.cells()}
    cell_run(folder, cells["two-1-seed1"]).grid(20).unlink()
    found = compare(folder)
    assert found.missing == ("two-1-seed1",)
    assert found.result("two", 1.0).estimates["frechet"].values == (0.0, None, 2.0)
    (difference,) = (one for one in found.differences if one.name == "two")
    assert difference.estimate.values == (0.0, None, 0.0)
    assert "1 of 9 runs are not finished" in plain(page(found))


def test_an_empty_study_can_be_written(make_study_of: MakeStudy, tmp_path: Path) -> None:
    write_study(tmp_path / "study", make_study_of(NAMES))
    found = compare(tmp_path / "study")
    assert len(found.missing) == 9
    assert found.differences == ()
    assert "Nothing can be said" in page(found)


def test_runs_of_other_images_are_refused(make_study_of: MakeStudy, filled: Filled) -> None:
    study = make_study_of(NAMES, 2)
    folder = filled(study, lambda *_: {"frechet": 1.0})
    file = folder / "runs/two-1-seed1/provenance.json"
    file.write_text(file.read_text().replace("of 1.0", "other"))
    with pytest.raises(RunError, match="one-1-seed0 and two-1-seed1 learned from different images"):
        compare(folder)


def test_json_holds_all_of_it_and_only_numbers(make_study_of: MakeStudy, filled: Filled) -> None:
    study = make_study_of(NAMES, 2, (1.0, 0.1))
    odd = {"frechet": 2.0, "kernel": math.nan, "coverage": math.inf, "confident": None}
    folder = filled(study, lambda name, _, seed: odd | ({"coverage": 0.5} if name == "one" else {}))
    write_report(folder, make_report(folder))

    def refuse(text: str) -> Any:
        raise AssertionError(f"{text} is no JSON")

    read = json.loads((folder / "compare.json").read_text(encoding="utf-8"), parse_constant=refuse)
    assert set(read["metrics"]) == {"frechet", "coverage"}
    assert read["results"][0]["runs"] == {"0": "one-1-seed0", "1": "one-1-seed1"}
    assert read["models"]["two"] == {
        "parameters": 1001,
        "quantum_parameters": 1,
        "steps": 20,
        "images_a_step": 10,
    }
    assert read["baseline"] == "one"
    assert read["differences"][0]["verdict"] == "not resolved"
    assert "nan" not in (folder / "compare.md").read_text(encoding="utf-8").lower()


class Elements(HTMLParser):
    """The elements of a page; a tag that is not closed as it was opened is an error."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert not self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        if tag not in {"meta", "link", "img"}:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.found if name == tag]


def test_the_page_shows_every_model_and_needs_nothing(
    make_study_of: MakeStudy, filled: Filled, rng: np.random.Generator
) -> None:
    names = ("one", "two & <b>half</b>", "three")
    study = make_study_of(names, 2, (1.0, 0.1))
    folder = filled(study, lambda *_: {key: float(rng.uniform(0.1, 0.9)) for key in KEYS} | {"collapse": "all alike"})
    found = compare(folder)
    text = page(found)
    read = Elements(text)
    for name in ("one", "two &amp; &lt;b&gt;half&lt;/b&gt;", "three"):
        assert text.count(f'<th scope="row">{name}</th>') >= 2 * 3  # means, values and pictures of each part
    pictures = read.all("img")
    assert len(pictures) == 3 * 2 * 2
    assert {picture["alt"] for picture in pictures} == {f"Samples of {cell.name}" for cell in study.cells()}
    assert all((picture["src"] or "").startswith("data:image/png;base64,") for picture in pictures)
    assert not read.all("script")
    assert all((link["href"] or "").startswith("data:") for link in read.all("link"))
    assert len([figure for figure in read.all("figure") if figure.get("class") == "lines"]) == 3 * 2
    assert text.count("all alike") == 12
    assert len(read.all("caption")) == len(read.all("table"))
    levels = [int(tag[1]) for tag, _ in read.found if re.fullmatch(r"h\d", tag)]
    assert levels[0] == 1
    assert max(np.diff(levels)) <= 1
    for part in (names[0], "200 training images", "10 % of the images"):
        assert part in plain(text)


def test_markdown_tables_are_whole(make_study_of: MakeStudy, filled: Filled, rng: np.random.Generator) -> None:
    study = make_study_of(("one", "two|half"), 3)
    text = markdown(compare(filled(study, lambda *_: {key: float(rng.uniform(0.1, 0.9)) for key in KEYS})))
    tables = re.findall(r"(?:^\|.*\|$\n?)+", text, flags=re.MULTILINE)
    assert len(tables) == 3
    for each in tables:
        rows = each.strip().splitlines()
        assert len({len(re.findall(r"(?<!\\)\|", row)) for row in rows}) == 1
