"""Text of a noise study: conclusions, warnings and method, in words that claim what intervals support."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from qgen.data.distributions import DISTRIBUTIONS
from qgen.noise.model import KINDS
from qgen.studies.formatting import format_mean, thousands
from qgen.studies.noise.analysis import NoiseResults
from qgen.studies.noise.cell_results import EXPECTATIONS, PIXELS, known
from qgen.studies.noise.conditions import Condition, kinds_label
from qgen.studies.noise.curves import Curve, HalfScale
from qgen.studies.noise.effects import Mitigated
from qgen.studies.noise.ranking import LOSS, Ranking, base_conditions
from qgen.studies.results import Metric
from qgen.studies.statistics import ENOUGH, estimate

#: Of images in [-1, 1] with 8 bits: pixels that change by less look the same.
GREY_LEVEL = 2 / 255
#: Images whose pixels change by less than this share of what the values of circuits do hardly depend on them.
HARDLY = 0.1
_MEASURES = {
    LOSS: "loss of quality",
    PIXELS.key: PIXELS.name,
    EXPECTATIONS.key: EXPECTATIONS.name,
}
_KINDS = {"gates": "depolarisation by gates", "relaxation": "relaxation", "readout": "readout errors"}


def measure_name(key: str) -> str:
    """Return the name of what a ranking is by."""
    return _MEASURES[key]


def shots_label(shots: int | None) -> str:
    """Return a number of shots in words."""
    return "exact values" if shots is None else f"{thousands(shots)} shots"


def condition_label(condition: Condition) -> str:
    """Return a condition in words, without its scale: "fake_fez", "fake_fez, only readout, 128 shots"."""
    if condition.ideal:
        return "ideal"
    parts = [condition.device]
    if condition.kinds != KINDS:
        parts.append(f"only {kinds_label(condition.kinds)}")
    if condition.shots is not None:
        parts.append(shots_label(condition.shots))
    if condition.mitigation is not None:
        parts.append(f"with {condition.mitigation}")
    return ", ".join(parts)


def without_shots(condition: Condition) -> str:
    """Return a condition with its scale, but without its shots, in words."""
    scale = f" at scale {condition.scale:g}" if condition.scale else ""
    kept = Condition(condition.backend, condition.scale, condition.kinds, None, condition.mitigation)
    return f"{condition_label(kept)}{scale}"


def beside_real(results: NoiseResults, source: str, metric: Metric) -> str:
    """Return a metric of ideal samples and of real images in their place, in words that follow others; or nothing."""
    real = results.cells.real(source, metric.key)
    if real is None:
        return ""
    ideal = format_mean(estimate(results.cells.values(source, Condition(), metric.key)), metric.share)
    return (
        f"; it is {ideal} for ideal samples, and {format_mean(estimate([real]), metric.share)} for real images instead"
    )


def half_label(half: HalfScale | None) -> str:
    """Return the scale at which half of the quality is lost, in words."""
    if half is None:
        return "not known"
    if half.estimate is not None:
        return format_mean(half.estimate)
    if half.reached:
        return f"reached up to {half.largest:g} by {half.reached} of {half.known} seeds"
    return f"not reached up to {half.largest:g}"


def answer(results: NoiseResults) -> str:
    """Return the conclusion of the study in a sentence or two."""
    usual = base_conditions(results.cells)
    changes = [
        point.change
        for source in results.study.sources
        for curve in results.curves_of(source.name, results.cells.main(source.name).key)
        for point in curve.points
        if point.change.verdict is not None and point.condition in usual
    ]
    if len(results.study.seeds) < 2:
        return "One seed: there are no intervals, and nothing is said of differences."
    if not changes:
        return _shots_answer(results)
    worse = sum(change.verdict == "worse" for change in changes)
    better = sum(change.verdict == "better" for change in changes)
    rest = len(changes) - worse - better
    text = f"In {worse} of {len(changes)} conditions noise makes the images worse, as far as these seeds resolve it"
    more = f", and in {better} better" if better else ""
    others = f"; in {rest} no change is resolved, which does not show that there is none" if rest else ""
    return f"{text}{more}{others}."


def _shots_answer(results: NoiseResults) -> str:
    """Say in how many conditions shots change the quality."""
    main = {source.name: results.cells.main(source.name) for source in results.study.sources}
    said = [row.change.verdict for row in results.sampled if row.metric == main[row.source]]
    tested = [word for word in said if word is not None]
    if not tested:
        return "No cell is finished that could be compared with another one."
    resolved = sum(word != "not resolved" for word in tested)
    return (
        f"In {resolved} of {len(tested)} conditions shots change the quality of the images, as far as these seeds "
        "resolve it; where no change is resolved, that does not show that there is none."
    )


def against_noise(results: NoiseResults) -> str:
    """Explain the charts against the scale of the noise."""
    seeds = len(results.study.seeds)
    shown = f" Bands are 95 % intervals over {seeds} seeds." if seeds >= ENOUGH else " Dots are the seeds."
    return "Changes from the ideal images of the same seeds: what seeds differ by in any case drops out." + (
        shown if seeds > 1 else ""
    )


def conclusions(results: NoiseResults) -> Iterator[str]:
    """Yield a line for each thing that the study says."""
    if len(results.study.seeds) < 2:
        return
    for source in results.study.sources:
        yield from _source_lines(results, source.name)
    yield from filter(None, map(_ranking_line, results.rankings))
    yield from _mitigation_lines(results)
    yield from _shots_lines(results)
    yield from _aware_lines(results)


def _source_lines(results: NoiseResults, source: str) -> Iterator[str]:
    """From which scale on quality is worse, and where half of it is lost, on each device."""
    metric = results.cells.main(source)
    found = [curve for curve in results.curves_of(source, metric.key) if curve.like.mitigation is None]
    if not found:
        return
    plain = [curve for curve in found if curve.like.kinds == KINDS and curve.like.shots is None] or found
    said: dict[str, list[str]] = {}
    for curve in plain:
        if any(point.change.verdict is not None for point in curve.points):
            said.setdefault(_resolved_words(curve, metric), []).append(condition_label(curve.like))
    if said:
        yield f"{source}: {'; '.join(f'{words} on {_list(where)}' for words, where in said.items())}."
    halves = [(condition_label(curve.like), curve.half) for curve in plain if curve.half and curve.half.known > 1]
    words = [f"{where} at scale {half_label(half)}" for where, half in halves if half.estimate is not None]
    words += [f"{where} {half_label(half)}" for where, half in halves if half.estimate is None and half.reached]
    if words:
        yield f"{source} has lost half of its quality ({_half_meaning(metric)}) on {_list(words)}."
    elif halves:
        yield (
            f"{source} keeps more than half of its quality ({_half_meaning(metric)} would be half) up to scale "
            f"{halves[0][1].largest:g} with every seed."
        )


def _half_meaning(metric: Metric) -> str:
    return f"{metric.name} {'twice' if metric.lower_is_better else 'half'} the ideal one"


def _resolved_words(curve: Curve, metric: Metric) -> str:
    """Return in words from which scale on a change is resolved, and how much of the quality is lost at the largest."""
    noisy = [point for point in curve.points if point.condition.scale > 0]
    worse = [point.change.verdict == "worse" for point in noisy]
    if True not in worse or not all(worse[worse.index(True) :]):
        some = any(point.change.verdict == "better" for point in noisy)
        return f"no steady worsening of the {metric.name} is resolved{' (an improvement is)' if some else ''}"
    first, last = noisy[worse.index(True)], noisy[-1]
    lost = ""
    if last.lost is not None:
        share = format_mean(last.lost, share=True)
        lost = f" ({share} % of the quality is lost at scale {last.condition.scale:g})"
    return f"the {metric.name} is worse from scale {first.condition.scale:g} on{lost}"


def _ranking_line(ranking: Ranking) -> str | None:
    """Say what a ranking resolves; None for those of single sources and of pixels, which are in tables."""
    if ranking.source is not None or not ranking.pairs or ranking.measure not in (LOSS, EXPECTATIONS.key):
        return None
    by = f"By {measure_name(ranking.measure)}"
    subject = {"sources": "source", "devices": "device", "kinds": "kind of error"}[ranking.question]
    names = [_item(ranking, name) for name, _ in ranking.items]
    if ranking.complete:
        order = ", ".join(names)
        return f"{by} from the least to the most, each step resolved: {order}."
    said = [
        f"{_item(ranking, name)} less than {_list([_item(ranking, worse) for worse in below])}"
        for name, _ in ranking.items
        if (below := ranking.resolved_below(name))
    ]
    if not said:
        return f"{by} no {subject} is resolved from another: {_list(names)}."
    return f"{by} ({ranking.question}), resolved: {'; '.join(said)}. Other pairs are not resolved."


def _item(ranking: Ranking, name: str) -> str:
    return _KINDS[name] if ranking.question == "kinds" else name


def _mitigation_lines(results: NoiseResults) -> Iterator[str]:
    """Per mitigation and scale: how much of the error it removes, and at how many shots."""
    whole = None if len(results.study.sources) > 1 else results.study.sources[0].name
    rows = [row for row in results.mitigated if row.source == whole]
    for mitigation, scale in dict.fromkeys((row.mitigation, row.scale) for row in rows):
        own = [row for row in rows if (row.mitigation, row.scale) == (mitigation, scale)]
        parts = [_mitigated_words([row for row in own if row.measure == key]) for key in (EXPECTATIONS.key, LOSS)]
        yield f"{mitigation} at scale {scale:g}: {'; '.join(part for part in parts if part)}."


def _mitigated_words(rows: Sequence[Mitigated]) -> str:
    """What it does to one measure for each number of shots."""
    name = measure_name(rows[0].measure)
    words = {"better": "less", "worse": "more", "not resolved": "not resolved", None: "not known"}
    said: dict[str, list[str]] = {}
    for row in rows:
        part = words[row.change.verdict]
        if row.recovered is not None and row.change.verdict in ("better", "worse") and row.measure == EXPECTATIONS.key:
            part += f" by {format_mean(row.recovered, share=True).replace(chr(0x2212), '')} %"
        said.setdefault(part, []).append(shots_label(row.shots))
    return f"{name} {', '.join(f'{part} with {_list(shots)}' for part, shots in said.items())}"


def _shots_lines(results: NoiseResults) -> Iterator[str]:
    """Per source: at which numbers of shots quality differs from that of exact values."""
    usual = results.study.kinds[0]
    for source in results.study.sources:
        metric = results.cells.main(source.name)
        said: dict[str, list[str]] = {}
        for row in results.sampled:
            if (row.source, row.metric) != (source.name, metric) or row.condition.kinds not in (KINDS, usual):
                continue
            if row.change.verdict is not None:
                words = f"{row.change.verdict} with {shots_label(row.condition.shots)}"
                said.setdefault(words, []).append(without_shots(row.condition))
        if said:
            parts = "; ".join(f"{words} ({', '.join(where)})" for words, where in said.items())
            yield f"{source.name}, {metric.name} against that of exact values: {parts}."


def _aware_lines(results: NoiseResults) -> Iterator[str]:
    """Per source: in how many conditions training under noise makes a resolved difference."""
    for source in results.study.sources:
        metric = results.cells.main(source.name)
        rows = [row for row in results.aware if row.source == source.name and row.metric == metric]
        if not rows:
            continue
        counts = {word: sum(row.change.verdict == word for row in rows) for word in ("better", "worse")}
        rest = len(rows) - sum(counts.values())
        yield (
            f"{source.name}, trained under noise against trained as usual, by {metric.name}: better in "
            f"{counts['better']}, worse in {counts['worse']} and not resolved in {rest} of {len(rows)} comparisons."
        )


def warnings(results: NoiseResults) -> Iterator[str]:
    """Yield warnings: unfinished cells, generators that had collapsed before any noise, and those that ignore it."""
    if results.cells.missing:
        total = len(results.cells.missing) + len(results.cells.results)
        yield (
            f"{len(results.cells.missing)} of {total} cells are not finished, and nothing of them is in here. "
            "The same command with this --out goes on."
        )
    for source in results.study.sources:
        signs = [(cell.name, sign) for cell, sign in results.collapses if cell.generation.source == source]
        if signs:
            name, sign = signs[0]
            others = f", and so {len(signs) - 1} more of this generator's ideal cells" if len(signs) > 1 else ""
            yield f"{name}: {sign}{others}."
    for source in results.study.sources:
        change, error = (_largest(results, source.name, metric) for metric in (PIXELS, EXPECTATIONS))
        if source.judged_by.name not in DISTRIBUTIONS and change is not None and change < GREY_LEVEL:
            little = (
                f"{source.name}: noise changes the pixels of its images by less than one of 256 grey levels "
                f"(root mean square; {change:.2g} of a range of 2 at most)"
            )
            if error is None or change < HARDLY * error:
                yield (
                    f"{little}. Images that hardly depend on circuits lose nothing with them: this is no robustness of "
                    "the circuits. The controls of `qgen evaluate` tell how much the images depend on them."
                )
            else:
                yield (
                    f"{little}, as it changes the values of circuits by little, too ({error:.2g}): it is too weak to "
                    "tell how robust they are. Larger scales tell more."
                )
    if runs := [source.name for source in results.study.sources if source.run is not None]:
        intervals = "intervals are over seeds of images, and " if len(results.study.seeds) > 1 else "results "
        yield (
            f"{_list(runs)} {'is' if len(runs) == 1 else 'are'} sampled as trained: {intervals}say nothing of other "
            "trainings."
        )


def _largest(results: NoiseResults, source: str, metric: Metric) -> float | None:
    """Return the largest change of pixels, or of values, of a source in any cell with noise; None without one."""
    own = [cell for cell in results.cells.results.values() if cell.cell.generation.source.name == source]
    changes = [cell.value(metric.key) for cell in own if cell.cell.condition.scale > 0]
    return max(known(changes), default=None)


def method(results: NoiseResults) -> Iterator[str]:
    """Yield paragraphs that explain what was done."""
    study = results.study
    yield (
        f"Each cell is {thousands(study.count)} images of one generator in one condition. All cells of a generator "
        "have the same seeds of images, so that differences between them are paired: what the images have in common "
        "drops out. Noise is that of a device's published calibration, or of a file, multiplied by the scale; scale 0 "
        "is the ideal circuit."
    )
    seeds = len(study.seeds)
    yield (
        f"{f'Means over {seeds} seeds' if seeds > 1 else 'One seed'}, of training and images where the study trained a "
        "generator; \u00b1 and "
        f"bands are 95 % intervals of the mean by Student's t; of fewer than {ENOUGH} seeds charts show each one "
        "as a dot. Intervals of differences are each for itself. A verdict stands only where the p-value of the paired "
        "t-test, corrected for all tests of its family, stays below 0.05. "
        "Changes from the ideal images are tested from the largest scale downwards, each only where those above it are "
        "resolved, and corrected for the number of generators and devices (Bonferroni), in each metric. Other families "
        "are corrected by Holm's procedure, each measure for itself: pairs in rankings, mitigation against none, shots "
        "against exact values, training under noise against training as usual."
    )
    yield (
        "Quality is a metric where more is better, and its inverse where less is better: a Fr\u00e9chet distance twice "
        "as large is half of the quality. The scale at which half of it is lost is found for each seed by linear "
        "interpolation of the metric between scales. Sources, devices and kinds are ranked by the mean over all scales "
        "above 0, and all of what else was varied."
    )
    yield (
        "Expectation values of each quantum layer are compared at inputs that the layer had while the ideal images "
        "were sampled; errors are root mean squares over inputs and observables."
    )


def _list(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
