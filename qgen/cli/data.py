"""`qgen data`: list and inspect training images."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias

import typer

from qgen.cli.output import check_outputs, make_console, print_json, print_rows
from qgen.cli.tables import print_pairs
from qgen.errors import DataError, QgenError, counted
from qgen.figures import ENDINGS
from qgen.progress import progress_bar

if TYPE_CHECKING:
    from qgen.data import DataSettings, ImageSet, SetStatus
    from qgen.data.distributions import Distribution
    from qgen.data.inspect import FolderReport, Moments
    from qgen.data.sets import CaptionedSet, KnownSet

EXAMPLES = """\b
Examples:
  qgen data
  qgen data digits --figure digits.png
  qgen data digits --captions attributes
  qgen data gaussian-3d
  qgen data fashion-mnist --json
  qgen data emoji"""

#: As in `data.captions`.
Kind: TypeAlias = Literal["own", "class", "attributes"]
_MAX_NAMED = 10
_FIGURE_IMAGES = 100
#: Size of the images in a figure, in pixels, for a folder of different sizes.
_FIGURE_SIZE = 64


def data(
    name: Annotated[
        str | None,
        typer.Argument(metavar="[NAME]", help="A data set, or a folder of images; without it, all sets are listed."),
    ] = None,
    data_dir: Annotated[
        Path | None,
        typer.Option(envvar="QGEN_DATA", metavar="FOLDER", help="Where data sets lie, and are downloaded to."),
    ] = None,
    download: Annotated[bool, typer.Option("--download", help="Fetch what is missing of the set.")] = False,
    figure: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.png", help="Also draw some of the images into a file; a distribution's may be .svg or .pdf."
        ),
    ] = None,
    captions: Annotated[
        Kind | None,
        typer.Option(help="Also show captions: made of classes or what is measured, or as they lie beside images."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show which images there are, and where they lie or would come from.

    Files of MNIST and Fashion-MNIST are looked for in --data-dir, the user's data folder and /usr/share/datasets, and
    are checked by SHA-256. Nothing is fetched without --download.
    """
    if name is None and (download or figure or captions):
        raise typer.BadParameter(
            "--download, --figure and --captions go with the name of a data set, as in qgen data digits."
        )
    if figure:
        _check_ending(figure, name)
    check_outputs(figure)
    if name is None:
        _print_list(data_dir, as_json)
        return
    from qgen.data.distributions import DISTRIBUTIONS
    from qgen.data.load import find_folder
    from qgen.data.sets import CAPTIONED_SETS, KNOWN_SETS

    if name in KNOWN_SETS:
        _show_set(KNOWN_SETS[name], data_dir, download, figure, captions, as_json)
        return
    if name in DISTRIBUTIONS:
        if captions:
            raise typer.BadParameter(f"{name} is a distribution, whose samples have no captions.")
        _show_distribution(DISTRIBUTIONS[name], figure, as_json)
        return
    if name in CAPTIONED_SETS:
        if download:
            raise typer.BadParameter(f"{name} come with a package of the system or of npm: see `qgen data {name}`.")
        _show_captioned(CAPTIONED_SETS[name], data_dir, figure, captions, as_json)
        return
    folder = find_folder(name)
    if download:
        raise typer.BadParameter(f"{name} is a folder of images; only {', '.join(KNOWN_SETS)} can be downloaded.")
    _show_folder(folder, figure, captions, as_json)


def _check_ending(figure: Path, name: str | None) -> None:
    from qgen.data.distributions import DISTRIBUTIONS

    allowed = ENDINGS if name in DISTRIBUTIONS else (".png",)
    if figure.suffix.lower() not in allowed:
        raise typer.BadParameter(f"{str(figure)!r} does not end in {' or '.join(allowed)}.", param_hint="--figure")


def _print_list(data_dir: Path | None, as_json: bool) -> None:
    from rich.text import Text

    from qgen.data import list_sets

    sets = list_sets(data_dir)
    if as_json:
        print_json([dataclasses.asdict(status) for status in sets])
        return
    rows: list[tuple[str, str | Text]] = []
    for status in sets:
        text = Text(f"{status.about}; {_extent(status)}\n")
        text.append(f"{status.reference}. {status.licence}\n", style="dim").append(f"{_whereabouts(status)}\n")
        rows.append((status.name, text))
    print_pairs(make_console(), [*rows, ("FOLDER", "any folder of images")])


def _extent(status: SetStatus) -> str:
    if status.kind == "distribution":
        numbers = "a number" if status.channels == 1 else f"{status.channels} numbers"
        return f"{status.train:,} samples and {status.test:,} for testing, of {numbers} in [-1, 1]"
    if status.kind == "captioned":
        count = counted(status.train, "image") if status.train else "images"
        return f"{count} with captions, RGB, {status.size}x{status.size} unless data.size is set"
    form = f"{status.size}x{status.size}, grey, in {len(status.class_names)} classes"
    return f"{counted(status.train, 'image')} and {status.test:,} for testing, {form}"


def _whereabouts(status: SetStatus) -> str:
    if status.kind == "distribution":
        return status.origin
    if status.present:
        return f"here: {status.present}"
    if status.problem:
        return f"not usable: {status.problem}"
    if status.kind == "captioned":
        return f"not here: it comes with {status.origin}"
    megabytes = f"{status.download_bytes / 1e6:.0f} MB"
    return f"not here: qgen data {status.name} --download fetches {megabytes} from {status.origin}"


def _show_set(
    known: KnownSet, data_dir: Path | None, download: bool, figure: Path | None, captions: Kind | None, as_json: bool
) -> None:
    from qgen.data import DataSettings, open_images
    from qgen.data.sources import download_set
    from qgen.data.status import describe_set

    if download:
        with progress_bar(make_console(stderr=True), f"fetching {known.name}") as bar:
            download_set(known, data_dir, bar)
    status = describe_set(known, data_dir)
    if status.problem:
        raise DataError(status.problem)
    parts: dict[str, ImageSet] = {}
    if status.present:
        for split in ("train", "test"):
            parts[split] = open_images(DataSettings(name=known.name, split=split), data_dir, download=False)
    rows = {f"classes, {split}": _format_counts(part.count_labels()) for split, part in parts.items()}
    if status.present and known.idx:
        rows = {"files": "each has the published SHA-256", **rows}

    def facts() -> dict[str, Any]:
        counts = {split: {"counts": part.count_labels(), "sha256": part.sha256} for split, part in parts.items()}
        return {"parts": counts}

    _show_images(status, rows, facts, data_dir, figure, captions, as_json)


def _show_captioned(
    known: CaptionedSet, data_dir: Path | None, figure: Path | None, captions: Kind | None, as_json: bool
) -> None:
    from qgen.data import DataSettings, open_images
    from qgen.data.status import describe_captioned

    status = describe_captioned(known, data_dir)
    if status.problem:
        raise DataError(status.problem)

    def facts() -> dict[str, Any]:
        digest = open_images(DataSettings(name=known.name), data_dir).sha256 if status.present else None
        return {"sha256": digest}

    _show_images(status, {}, facts, data_dir, figure, captions, as_json)


def _show_images(
    status: SetStatus,
    rows: dict[str, str],
    facts: Callable[[], dict[str, Any]],
    data_dir: Path | None,
    figure: Path | None,
    captions: Kind | None,
    as_json: bool,
) -> None:
    """Print what a set is, with these rows, or as JSON with these facts; draw its first images."""
    from qgen.data import DataSettings

    if figure:
        _draw(DataSettings(name=status.name, limit=min(_FIGURE_IMAGES, status.train) or None), data_dir, figure)
    texts = _captions(DataSettings(name=status.name, captions=captions), data_dir) if captions else {}
    if as_json:
        print_json(dataclasses.asdict(status) | facts() | {"figure": figure and str(figure), **texts})
        return
    rows = {
        "data set": f"{status.name}: {status.about}",
        "images": _extent(status),
        "where": _whereabouts(status),
        **rows,
        **_captions_row(texts),
        "reference": status.reference,
        "licence": status.licence,
    }
    print_rows(make_console(), rows | ({"drawn into": str(figure)} if figure else {}))


def _show_distribution(distribution: Distribution, figure: Path | None, as_json: bool) -> None:

    from qgen.data import DataSettings, open_images
    from qgen.data.inspect import measure_moments
    from qgen.data.status import describe_distribution

    status = describe_distribution(distribution)
    parts = {split: open_images(DataSettings(name=status.name, split=split)) for split in ("train", "test")}
    moments = {split: measure_moments(part) for split, part in parts.items()}
    if figure:
        _draw(DataSettings(name=status.name), None, figure)
    if as_json:
        facts = {split: dataclasses.asdict(moments[split]) | {"sha256": parts[split].sha256} for split in parts}
        print_json(dataclasses.asdict(status) | {"parts": facts, "figure": figure and str(figure)})
        return
    rows = {
        "data set": f"{status.name}: {status.about}",
        "samples": _extent(status),
        "where": _whereabouts(status),
        **{split: _format_moments(part) for split, part in moments.items()},
        "reference": status.reference,
        "licence": status.licence,
    }
    print_rows(make_console(), rows | ({"drawn into": str(figure)} if figure else {}))


def _format_moments(moments: Moments) -> str:
    text = f"mean {_format_numbers(moments.mean)}; standard deviation {_format_numbers(moments.deviation)}"
    correlations = "; ".join(f"{pair}: {value:.3f}" for pair, value in moments.correlations.items())
    return text + (f"; correlation of {correlations}" if correlations else "")


def _format_numbers(values: tuple[float, ...]) -> str:
    return ", ".join(f"{value:.3f}" for value in values)


def _show_folder(folder: Path, figure: Path | None, captions: Kind | None, as_json: bool) -> None:
    from qgen.data import DataSettings
    from qgen.data.cache_files import find_caches, format_size
    from qgen.data.inspect import inspect_folder

    with progress_bar(make_console(stderr=True), "reading images") as bar:
        report = inspect_folder(folder, bar)
    if figure:
        limit, size = min(_FIGURE_IMAGES, report.images) or None, report.size or _FIGURE_SIZE
        name = str(folder.absolute())  # no known set is called like that
        _draw(DataSettings(name=name, limit=limit, size=size, skip_unreadable=True), None, figure)
    texts = {}
    if captions:
        size = report.size or _FIGURE_SIZE
        settings = DataSettings(name=str(folder.absolute()), size=size, skip_unreadable=True, captions=captions)
        texts = _captions(settings, None)
    caches = find_caches(folder)
    if as_json:
        print_json(dataclasses.asdict(report) | {"caches": caches, "figure": figure and str(figure), **texts})
        return
    rows = _folder_rows(report) | _captions_row(texts)
    if caches:
        rows["cache"] = ", ".join(f"{path} ({format_size(size)})" for path, size in caches.items())
    print_rows(make_console(), rows | ({"drawn into": str(figure)} if figure else {}))


def _folder_rows(report: FolderReport) -> dict[str, str]:
    alike = "all alike" if report.size else "set data.size to train on them"
    rows = {"folder": report.path, "images": f"{report.images or 'none'} that can be read"}
    if report.images:
        rows |= {
            "sizes": f"{_format_counts(report.sizes)} ({alike})",
            "kinds": f"{_format_counts(report.modes)} (read as {'grey' if report.channels == 1 else 'RGB'})",
            "classes": _format_counts(report.counts) if report.counts else "none: not all images lie in sub-folders",
        }
    if report.unreadable:
        named = [f"{file} ({reason})" for file, reason in report.unreadable.items()]
        rows[f"{len(named):,} unreadable"] = _format_list(named)
    return rows


def _format_counts(counts: dict[str, int]) -> str:
    return _format_list([f"{name}: {count:,}" for name, count in counts.items()])


def _format_list(items: list[str]) -> str:
    more = len(items) - _MAX_NAMED
    return ", ".join([*items[:_MAX_NAMED], *([f"and {more:,} more"] if more > 0 else [])])


def _captions(settings: DataSettings, data_dir: Path | None) -> dict[str, Any]:
    """Return how many different captions the training images have, and some of them."""
    from qgen.data import open_images

    captions = open_images(settings, data_dir, download=False).captions
    assert captions is not None  # which were asked for
    shown = list(captions.facts.examples[:_MAX_NAMED])
    return {"captions": {"different": len(captions.texts), "words": len(captions.words), "examples": shown}}


def _captions_row(texts: dict[str, Any]) -> dict[str, str]:
    if not texts:
        return {}
    found = texts["captions"]
    counts = f"{found['different']:,} different ones of {found['words']:,} words"
    return {"captions": f"{counts}, such as {', '.join(found['examples'])}"}


def _draw(settings: DataSettings, data_dir: Path | None, figure: Path) -> None:
    """Draw images, sorted by class if they have labels, or histograms of samples."""
    from qgen.data import open_images, save_samples

    loaded = open_images(settings, data_dir, download=False)
    images = loaded.images if loaded.labels is None else loaded.images[loaded.labels.argsort(stable=True)]
    try:
        save_samples(images, figure)
    except OSError as error:
        raise QgenError(f"Cannot write {figure}: {error.strerror or error}.") from error
