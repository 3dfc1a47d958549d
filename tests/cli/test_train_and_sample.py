"""`qgen train` and `qgen sample`: what they leave behind, and one clear line for every mistake."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cloud import no_account
from PIL import Image
from small_runs import SMALL
from typer.testing import CliRunner

from qgen.cli.main import app
from qgen.runs import Run, find_run, preset_names
from qgen.runs.pretrained import pretrained_names
from qgen.runs.shipped import preset_text

SETS = [word for change in SMALL for word in ("--set", change)]


def invoke(*arguments: str) -> Any:
    return CliRunner().invoke(app, list(arguments))


def train(*arguments: str) -> Any:
    return invoke("train", "--device", "cpu", *SETS, "--set", "training.steps=3", *arguments)


def failure(result: Any, code: int = 1) -> str:
    assert result.exit_code == code, result.output
    assert result.stderr
    if code == 1:
        assert result.stderr.count("\n") == 1
    return str(result.stderr)


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image).astype(int)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("cli") / "run"
    result = train("--out", str(folder), "--backend", "aer")
    assert result.exit_code == 0, result.output
    assert "circuits on aer" in result.stdout
    return Run(folder)


def test_train_reports_as_json(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = train("--name", "first", "--json")
    assert result.exit_code == 0, result.output
    facts = json.loads(result.stdout)
    assert (facts["run"], facts["steps"], facts["stopped"]) == (str(Path("runs/first")), 3, False)
    assert facts["metrics"]["step"] == 3
    assert Path(facts["grid"]).is_file()
    assert find_run().name == "first"


def test_a_seed_and_nothing_printed(tmp_path: Path, rng: np.random.Generator) -> None:
    seed = int(rng.integers(1, 2**63 - 1))
    result = train("--out", str(tmp_path / "run"), "--seed", str(seed), "--quiet")
    assert (result.exit_code, result.output) == (0, "")
    assert Run(tmp_path / "run").config().training.seed == seed
    assert "--seed" in failure(invoke("train", str(tmp_path / "run"), "--resume", "--seed", str(seed)), 2)


def test_train_goes_on(tmp_path: Path) -> None:
    out = str(tmp_path / "run")
    assert train("--out", out).exit_code == 0
    result = invoke("train", out, "--resume", "--device", "cpu", "--set", "training.steps=5", "--json")
    assert json.loads(result.stdout)["steps"] == 5


def test_tensorboard(tmp_path: Path) -> None:
    assert train("--out", str(tmp_path / "run"), "--tensorboard").exit_code == 0
    assert list((tmp_path / "run" / "tensorboard").glob("events*"))


def test_samples_and_their_provenance(trained: Run, tmp_path: Path) -> None:
    grid = tmp_path / "grid.png"
    result = invoke(
        "sample", str(trained.path), "--count", "5", "--steps", "2", "--out", str(grid), "--single", "--json"
    )
    assert result.exit_code == 0, result.output
    facts = json.loads(result.stdout)
    assert facts == json.loads(grid.with_suffix(".json").read_text()) | {
        key: facts[key] for key in ("grid", "provenance", "singles")
    }
    assert (facts["images"], facts["step"], facts["backend"]["name"]) == (5, 3, "aer")
    assert facts["circuits"] == 5 * facts["circuits_per_image"] == 5 * 2 * 4
    assert [pixels(Path(path)).shape for path in facts["singles"]] == [(8, 8)] * 5
    assert pixels(grid).shape[0] >= 100


def test_a_grid_has_the_columns_that_are_asked_for(trained: Run, tmp_path: Path, rng: np.random.Generator) -> None:
    columns, rows = (int(number) for number in rng.integers(1, 5, 2))
    count, out = columns * rows, tmp_path / "grid.png"
    words = ("--count", str(count), "--steps", "1", "--columns", str(columns), "--single", "--out", str(out), "--quiet")
    result = invoke("sample", str(trained.path), *words)
    assert (result.exit_code, result.output) == (0, "")
    height, width = pixels(out).shape
    assert abs(width / columns - height / rows) <= width / columns / 7  # images are square, a gap is a pixel at most
    across, down = (np.arange(number) + 0.5 for number in (columns, rows))
    centres = pixels(out)[np.ix_((down * height / rows).astype(int), (across * width / columns).astype(int))]
    singles = [pixels(tmp_path / "grid" / f"{number:05d}.png") for number in range(count)]
    for centre, image in zip(centres.ravel(), singles, strict=True):
        assert image[3:5, 3:5].min() <= centre <= image[3:5, 3:5].max()
    assert "columns of its own" in failure(invoke("sample", str(trained.path), "--nearest", "--columns", "2"), 2)


def test_image_number_k_is_the_same_whatever_is_sampled_beside_it(trained: Run, tmp_path: Path) -> None:
    def single(count: int, backend: str) -> np.ndarray:
        out = tmp_path / f"{backend}-{count}.png"
        words = ("--count", str(count), "--backend", backend, "--single", "--out", str(out))
        assert invoke("sample", str(trained.path), *words).exit_code == 0
        return pixels(tmp_path / f"{backend}-{count}" / "00001.png")

    two, seven, aer = single(2, "statevector"), single(7, "statevector"), single(2, "aer")
    assert np.abs(two - seven).max() <= 1  # the last bit of a float may round a grey level the other way
    assert np.abs(two - aer).max() <= 1


def test_samplers(trained: Run, tmp_path: Path) -> None:
    for words in (["--sampler", "ancestral"], ["--sampler", "ddim", "--steps", "3", "--eta", "0.5"]):
        result = invoke("sample", str(trained.path), "--count", "2", "--out", str(tmp_path / "x.png"), *words)
        assert result.exit_code == 0, result.output
    assert json.loads((tmp_path / "x.json").read_text())["sampling"]["eta"] == 0.5


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["train", "nowhere"], 1, "`nowhere` is neither a preset nor a readable file"),
        (["train", "--set", "training.stepz=3"], 1, "Did you mean `training.steps`?"),
        (["train", "--set", "training.steps"], 1, "KEY=VALUE"),
        (["train", "--backend", "arer"], 1, "did you mean `aer`?"),
        (["train", "--set", "data.name=digit"], 1, "did you mean `digits`?"),
        (["train", "--set", "model.vertex.groups=99"], 1, "fewer"),
        (["train", "--set", "model.vertex.ansatz=hqcnv"], 1, "hqconv"),
        (["train", "--from", "nowhere"], 1, "there is no folder nowhere; `qgen runs` lists the runs here"),
        (["train", "nowhere", "--resume"], 1, "there is no folder nowhere; `qgen runs` lists the runs here"),
        (["train", "--resume", "--name", "other"], 2, "--resume"),
        (["train", "--name", "a", "--out", "b"], 2, "not both"),
        (["train", "--name", "a/b"], 2, "--out"),
        (["train", "--devices", "3"], 1, "does not divide among 3 devices"),
        (["train", "--steps", "3"], 2, "No such option"),
        (["sample", "nowhere"], 1, "there is no folder nowhere; `qgen runs` lists the runs here"),
        (["sample"], 1, "no run with a checkpoint"),
        (["sample", "--out", "x.jpg"], 2, "does not end in .png"),
        (["sample", "--count", "0"], 2, "--count"),
        (["describe", "nowhere.yaml"], 1, "neither a preset nor a readable file"),
        (["describe", "unet", "--option", "a=b"], 2, "--set"),
        (["describe", "hqconv", "--set", "a=b"], 2, "--option"),
    ],
)
def test_mistakes_are_one_clear_line_and_leave_nothing(
    arguments: list[str], code: int, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = invoke(*arguments)
    assert said in " ".join(failure(result, code).split())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--sampler", "dim"], "'ddim'"),
        (["--steps", "999"], "more than diffusion.steps = 50"),
        (["--sampler", "unipc", "--eta", "0.5"], "eta = 0.5 means nothing"),
        (["--backend", "nowhere"], "there is no backend `nowhere`"),
        (["--backend", "aer:fake_nowhere"], "there is no device snapshot `fake_nowhere`"),
        (["--backend", "fake_nowhere"], "there is no device snapshot `fake_nowhere`"),
        (["--backend", "aer:none.yaml"], "none.yaml"),
    ],
)
def test_mistakes_in_sampling(arguments: list[str], said: str, trained: Run) -> None:
    before = sorted(trained.path.rglob("*"))
    assert said in failure(invoke("sample", str(trained.path), *arguments))
    assert sorted(trained.path.rglob("*")) == before


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--layout", "none.json"], "cannot read none.json"),
        (["--layout", "other.json"], "other.json holds no pinned circuits"),
        (["--backend", "nowhere"], "there is no backend `nowhere`"),
        (["--backend", "aer:fake_nowhere"], "there is no device snapshot `fake_nowhere`"),
        (["--backend", "fake_nowhere"], "there is no device snapshot `fake_nowhere`"),
        (["--backend", "aer:none.yaml"], "none.yaml"),
        (["--backend", "statevector", "--shots", "9"], "shots = 9 would change nothing"),
        (["--sampler", "quick"], "`sampling.sampler`"),
        (["--eta", "2"], "`sampling.eta`"),
        (["--hardware", "x=1"], "unknown key `backend.hardware.x`"),
        (["--single", "--out", "there.png"], "there exists already"),
        (["--device", "cuda"], "no CUDA GPU"),
    ],
)
def test_what_needs_no_model_is_refused_before_it_is_built(
    arguments: list[str], said: str, trained: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("other.json").write_text("{}")
    Path("there").mkdir()
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.setattr("qgen.sampling.open_trained", too_late, raising=False)
    assert said in failure(invoke("sample", str(trained.path), *arguments))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--layout", "other.json"], "other.json holds no pinned circuits"),
        (["--backend", "nowhere"], "there is no backend `nowhere`"),
        (["--backend", "aer:fake_nowhere"], "there is no device snapshot `fake_nowhere`"),
        (["--backend", "fake_nowhere"], "there is no device snapshot `fake_nowhere`"),
        (["--backend", "aer:none.yaml"], "none.yaml"),
        (["--shots", "9"], "shots = 9 would change nothing"),
        (["--gradient", "nothing"], "there is no gradient method `nothing`"),
        (["--gradient", "spsa:x=1"], "unknown key `x`"),
        (["--device", "cuda"], "no CUDA GPU"),
    ],
)
def test_what_needs_no_images_is_refused_before_they_are_opened(
    arguments: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("other.json").write_text("{}")
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.setattr("qgen.data.open_images", too_late, raising=False)
    assert said in failure(invoke("train", *arguments))


def too_late(*arguments: object, **options: object) -> None:
    raise AssertionError("it should have been refused before")


def test_a_run_is_not_a_preset(trained: Run) -> None:
    assert "go on with it by --resume" in failure(invoke("train", str(trained.path)))


def test_what_the_system_refuses_is_one_line(trained: Run) -> None:
    assert "File name too long" in failure(invoke("sample", str(trained.path), "--out", f"{'x' * 300}.png"))


def test_single_images_do_not_mix_with_older_ones(trained: Run, tmp_path: Path) -> None:
    words = ("sample", str(trained.path), "--count", "2", "--single", "--out", str(tmp_path / "x.png"))
    assert invoke(*words).exit_code == 0
    assert "exists already" in failure(invoke(*words))


def test_a_taken_folder_is_left_alone(trained: Run) -> None:
    before = {path: path.stat().st_mtime_ns for path in trained.path.rglob("*")}
    assert "exists already" in failure(train("--out", str(trained.path)))
    assert {path: path.stat().st_mtime_ns for path in trained.path.rglob("*")} == before


def test_the_presets_are_listed() -> None:
    listed = json.loads(invoke("train", "--list", "--json").stdout)
    assert set(listed) == set(preset_names())
    assert {name for name, facts in listed.items() if facts["weights"]} == set(pretrained_names())
    assert all(f"# {facts['summary']}\n" in preset_text(name) for name, facts in listed.items())
    shown = invoke("train", "--list").stdout
    assert all(name in shown for name in preset_names())


PUBLISHED = {
    "unet": 483_321,
    "qvunet-1hq": 475_329,
    "qvunet-1fq": 475_281,
    "qvunet-7hq": 440_985,
    "qvunet-7fq": 440_649,
    "qvunet-full-hq": 429_993,
    "qvunet-full-fq": 429_369,
    "quanvunet": 474_293,
    "quanvunet --set model.variant=published": 473_817,
}


def test_describe_counts_the_published_parameters(rng: np.random.Generator) -> None:
    words = str(rng.choice(list(PUBLISHED)))
    counted(words, PUBLISHED[words])


@pytest.mark.slow
@pytest.mark.parametrize(("words", "parameters"), PUBLISHED.items())
def test_describe_counts_all_published_parameters(words: str, parameters: int) -> None:
    counted(words, parameters)


def counted(words: str, parameters: int) -> None:
    result = invoke("describe", *words.split(), "--json")
    assert result.exit_code == 0, result.output
    facts = json.loads(result.stdout)
    assert facts["parameters"] == parameters == sum(row["parameters"] for row in facts["rows"])
    assert facts["circuits_per_image"] == 1000 * facts["circuits_per_call"]


def test_describe_says_what_a_run_is(trained: Run) -> None:
    facts = json.loads(invoke("describe", str(trained.path), "--json").stdout)
    assert (facts["steps_done"], facts["image"], facts["backend"]) == (3, [1, 8, 8], "aer")
    shown = invoke("describe", str(trained.path))
    assert shown.exit_code == 0
    assert "3 steps, circuits on aer" in shown.stdout


#: Options of `qgen train` -> what it says of the circuits.
IN_OUR_KERNELS = {
    "--backend noisy:fake_lagos --idle-noise": "(exact Pauli vector), differentiated by Adjoint,",
    "--backend noisy:fake_fez --method paths --paths 3": "(3 paths), differentiated by Adjoint,",
    "--backend noisy:fake_fez --mitigation zne:1,3": "(zne:1,3: exact Pauli vector), differentiated by Adjoint,",
}
PLACES = IN_OUR_KERNELS | {
    "--backend aer --shots 64": "aer (64 shots), differentiated by ParameterShift",
    "--backend aer:fake_manila --gradient spsa:directions=2": "by SPSA (5 runs for each)",
    "--backend aer:fake_lagos --shots 32 --noise-scale 0.5 --gradient spsa": "32 shots",
}


def test_a_hybrid_learns_digits_from_shots_and_on_noisy_devices(rng: np.random.Generator, tmp_path: Path) -> None:
    words = ("--backend aer --shots 64", str(rng.choice(list(IN_OUR_KERNELS))))
    for place, options in enumerate(words):
        learns(options, PLACES[options], tmp_path / str(place))


@pytest.mark.slow
@pytest.mark.parametrize(("options", "said"), PLACES.items())
def test_a_hybrid_learns_digits_wherever_circuits_run(options: str, said: str, tmp_path: Path) -> None:
    learns(options, said, tmp_path)


def learns(options: str, said: str, tmp_path: Path) -> None:
    words = options.split()
    small = ["--set", "model.vertex.group_channels=1", "--set", "model.vertex.layers=1", "--set", "training.steps=2"]
    result = train("--out", str(tmp_path / "run"), *words, *small)
    assert result.exit_code == 0, result.output
    assert said in result.stdout
    facts = json.loads((tmp_path / "run" / "provenance.json").read_text())["backend"]
    assert facts["name"] == words[1]
    assert facts["shots"] == (int(words[words.index("--shots") + 1]) if "--shots" in words else None)
    if "fake" in words[1]:
        assert facts["noise"]["calibrated"]
    assert ("--idle-noise" in words) == facts.get("noise", {}).get("idle", False)
    assert ("--mitigation" in words) == (facts.get("mitigation") == "zne:1,3")
    one = invoke("sample", str(tmp_path / "run"), "--count", "2", "--out", str(tmp_path / "a.png"))
    other = invoke("sample", str(tmp_path / "run"), "--count", "2", "--out", str(tmp_path / "b.png"))
    assert (one.exit_code, other.exit_code) == (0, 0), one.output + other.output
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()  # shots follow the seed


def test_a_run_is_sampled_elsewhere(trained: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    result = invoke(
        "sample",
        str(trained.path),
        "--backend",
        "aer",
        "--shots",
        "32",
        "--count",
        "2",
        "--out",
        str(tmp_path / "a.png"),
    )
    assert result.exit_code == 0, result.output
    facts = json.loads((tmp_path / "a.json").read_text())["backend"]
    assert (facts["name"], facts["shots"], facts["exact"]) == ("aer", 32, False)
    no_account(tmp_path, monkeypatch)
    assert "retired on 2025-11-03" in failure(invoke("sample", str(trained.path), "--backend", "ibm_brisbane"))
    assert "shots = 8 would change nothing" in failure(
        invoke("sample", str(trained.path), "--backend", "statevector", "--shots", "8")
    )
