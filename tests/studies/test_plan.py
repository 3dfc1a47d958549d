"""The same budget for all, or a refusal that says how; a study's folder is of one study."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from qgen.errors import ConfigError, RunError
from qgen.runs import Run, build_generator, read_config
from qgen.studies import read_study, write_study
from qgen.studies.comparison import ComparisonStudy, make_comparison
from qgen.studies.folder import FILE
from qgen.studies.tasks import cell_run

PAIR = ("gan-classical", "gan-quantum-g")


def test_every_run_sees_as_many_images(tmp_path: Path) -> None:
    busy = tmp_path / "busy.yaml"
    busy.write_text("preset: gan-classical\nadversarial: {discriminator_steps: 3}\ntraining: {batch: 32}\n")
    study = make_comparison(["gan-classical", str(busy)], 2, images=10_000, changes=["training.batch=16"])
    assert [each.images_per_step for each in study.arms] == [16, 48]
    assert study.images == 9984  # the multiple of 48 that is nearest to 10,000
    assert [each.steps * each.images_per_step for each in study.arms] == [9984, 9984]
    assert [each.name for each in study.arms] == ["gan-classical", "busy"]


def test_budgets_that_differ_are_refused_and_the_way_out_works(tmp_path: Path) -> None:
    longer = tmp_path / "longer.yaml"
    longer.write_text("preset: gan-classical\ntraining: {steps: 4000}\n")
    with pytest.raises(ConfigError, match=r"gan-classical: 192,000, longer: 256,000 .* --images 192000"):
        make_comparison(["gan-classical", str(longer)], 2)
    assert make_comparison(["gan-classical", str(longer)], 2, images=192_000).images == 192_000


def test_epochs_are_no_budget() -> None:
    with pytest.raises(ConfigError, match=r"20 epochs.* --images"):
        make_comparison(["unet"], 2)
    assert make_comparison(["unet"], 2, images=12_800).arms[0].steps == 100


def test_different_images_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"unet and gan-classical learn from different images \(data.name"):
        make_comparison(["unet", "gan-classical"], 2, images=12_800)


@pytest.mark.parametrize("key", ["training.seed=3", "data.fraction=0.5", "training.epochs=2"])
def test_what_a_study_varies_is_its_own(key: str) -> None:
    with pytest.raises(ConfigError, match="study's own"):
        make_comparison(PAIR, 2, changes=[key])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"fractions": (0.0,)}, "above 0"),
        ({"fractions": (1.5,)}, "at most 1"),
        ({"fractions": (0.1, 0.1)}, "given twice"),
        ({"baseline": "unet"}, "baseline `unet` is none"),
        ({"changes": ["training.judged=0"]}, "at least 1"),
        ({"changes": ["data.limit=100"], "fractions": (0.5,)}, "both say how many"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_runs(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        make_comparison(PAIR, 2, **arguments)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="twice"):
        make_comparison(["gan-classical", "gan-classical"], 2)


def test_runs_differ_in_seed_and_images_alone() -> None:
    study = make_comparison(PAIR, 2, (1.0, 0.1), changes=["training.steps=30"])
    cells = list(study.cells())
    assert [cell.name for cell in cells[:5]] == [
        "gan-classical-1-seed0",
        "gan-quantum-g-1-seed0",
        "gan-classical-0.1-seed0",
        "gan-quantum-g-0.1-seed0",
        "gan-classical-1-seed1",
    ]
    own = [f"training.{key}" for key in ("steps=30", "judged=1000", "sample_every=3", "seed=1")]
    assert cells[-1].config == read_config("gan-quantum-g", [*own, "data.fraction=0.1"])
    assert cells[4].config == read_config("gan-classical", own)


def test_samples_are_looked_at_as_often_as_the_user_says() -> None:
    study = make_comparison(PAIR, 1, changes=["training.steps=30", "training.sample_every=10"])
    assert study.arms[0].settings.training.sample_every == 10


def test_models_are_described() -> None:
    study = make_comparison(PAIR, 1)
    generator = build_generator(read_config("gan-quantum-g"), (1, 8, 8))
    assert study.arms[1].parameters == sum(parameter.numel() for parameter in generator.network.parameters())
    assert study.arms[1].quantum_parameters == generator.describe().quantum_parameters > 0
    assert study.arms[0].quantum_parameters == 0


def test_a_folder_is_of_one_plan(tmp_path: Path, make_study_of: Callable[..., ComparisonStudy]) -> None:
    study = make_study_of(("a", "b"))
    write_study(tmp_path / "study", study)
    write_study(tmp_path / "study", study)
    assert read_study(tmp_path / "study") == study
    with pytest.raises(RunError, match=r"another study \(seeds: 0, 1, 2 against 0, 1\)"):
        write_study(tmp_path / "study", make_study_of(("a", "b"), 2))
    with pytest.raises(RunError, match=r"contenders: a, b against a, c, b"):
        write_study(tmp_path / "study", make_study_of(("a", "c", "b")))
    with pytest.raises(RunError, match=r"contenders\.b\.name: b against c"):
        write_study(tmp_path / "study", make_study_of(("a", "c")))


def test_other_folders_are_left_alone(tmp_path: Path, make_study_of: Callable[..., ComparisonStudy]) -> None:
    tmp_path.joinpath("thesis.txt").touch()
    with pytest.raises(RunError, match="is no study"):
        write_study(tmp_path, make_study_of(("a", "b")))
    with pytest.raises(RunError, match="not the folder of a study"):
        read_study(tmp_path)


@pytest.mark.parametrize(
    ("text", "message"), [("{", "not JSON"), ("{}", "another version"), ("[1]", "another version")]
)
def test_damaged_plans_are_refused(text: str, message: str, tmp_path: Path) -> None:
    tmp_path.joinpath(FILE).write_text(text)
    with pytest.raises(RunError, match=message):
        read_study(tmp_path)


def test_a_plan_is_json(tmp_path: Path) -> None:
    study = make_comparison(PAIR, 2, (1.0, 0.1))
    assert ComparisonStudy.read(json.loads(json.dumps(study.plain()))) == study
    assert cell_run(tmp_path, next(study.cells())) == Run(tmp_path / "runs" / "gan-classical-1-seed0")


def test_a_study_of_an_older_version_is_read(tmp_path: Path) -> None:
    """`study_before.json` was written before studies had kinds, cells and tasks."""
    old = json.loads((Path(__file__).parent / "study_before.json").read_text(encoding="utf-8"))
    (tmp_path / FILE).write_text(json.dumps(old), encoding="utf-8")
    study = read_study(tmp_path)
    assert isinstance(study, ComparisonStudy)
    assert [task.name for task in study.tasks()] == [
        f"{name}-{part}-seed{seed}" for seed in (0, 1) for part in ("1", "0.1") for name in PAIR
    ]
    assert within(old, study.plain())
    write_study(tmp_path, make_comparison(PAIR, 2, (1.0, 0.1), images=6400))  # the same command goes on with it


def within(old: object, new: object) -> bool:
    """Whether all that was written is still there; settings that are newer may be beside it."""
    if isinstance(old, dict) and isinstance(new, dict):
        return all(key in new and within(value, new[key]) for key, value in old.items() if value is not None)
    if isinstance(old, list) and isinstance(new, list):
        return len(old) == len(new) and all(within(a, b) for a, b in zip(old, new, strict=True))
    return old == new
