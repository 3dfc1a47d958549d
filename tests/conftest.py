"""What every test shares: hypothesis' profiles, a budget of minutes, random numbers whose seed a failure prints."""

import gc
import logging
import os
import secrets
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING
from unittest.mock import patch

if "PYTEST_XDIST_WORKER" in os.environ:  # there is a worker for each core: more threads would only wait for one another
    os.environ.update(dict.fromkeys(["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"], "1"))

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from threadpoolctl import threadpool_limits

# Importing all tests makes millions of objects that stay: to look through them for garbage is a quarter of the time.
gc.disable()  # until the first test

if TYPE_CHECKING:
    from qgen.metrics.reference import Reference

if "PYTEST_XDIST_WORKER" in os.environ:
    # pytest-randomly imports NumPy before this file is read: its BLAS has made its threads, and does not look again.
    threadpool_limits(1, user_api="blas")

# Which test compiles kernels, and says so on the standard error, is chance.
logging.getLogger("qgen").addFilter(lambda record: record.module != "compilation")

# A first call may compile; that says nothing about the test.
settings.register_profile(
    "default", deadline=None, max_examples=25, print_blob=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("thorough", settings.get_profile("default"), max_examples=500)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))


OVER_BUDGET = "over budget"
_START = pytest.StashKey[float]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--minutes",
        type=float,
        metavar="N",
        help="start no further test after N minutes; those left, which differ from run to run, are skipped",
    )


def pytest_sessionstart(session: pytest.Session) -> None:
    session.config.stash[_START] = time.monotonic()  # each process of xdist counts its own session


@pytest.hookimpl(tryfirst=True)  # before -m chooses
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if not config.option.keyword and any(item.get_closest_marker("rows") for item in items):
        from few_rows import choose_rows

        choose_rows(items, config.getoption("randomly_seed", None), some="not slow" in config.option.markexpr)


MANY = 1000  # tests of a run that will need all kernels


@pytest.fixture(scope="session", autouse=True)
def _kernels(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> None:
    if "PYTEST_XDIST_WORKER" in os.environ and len(request.session.items) > MANY:
        from compiled_kernels import compile_together

        compile_together(tmp_path_factory.getbasetemp().parent)
    gc.collect()
    gc.freeze()  # what was imported stays until the end
    gc.set_threshold(50_000, 20, 20)  # what tests leave behind is small: a search takes longer than it is worth
    gc.enable()


@pytest.fixture(scope="session", autouse=True)
def _commands_once() -> Iterator[None]:
    """Make the commands of an application once: typer's runner makes them for each that it invokes, in 20 ms."""
    runner = sys.modules.get("typer.testing")
    with nullcontext() if runner is None else patch.object(runner, "_get_command", cache(runner._get_command)):
        yield


@pytest.hookimpl(tryfirst=True)  # before any fixture is set up
def pytest_runtest_setup(item: pytest.Item) -> None:
    minutes = item.config.getoption("minutes")
    if minutes is not None and time.monotonic() - item.config.stash[_START] >= 60 * minutes:
        pytest.skip(f"{OVER_BUDGET}: --minutes {minutes:g}")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    skipped = terminalreporter.getreports("skipped")
    if over := sum(OVER_BUDGET in str(report.longrepr) for report in skipped):
        terminalreporter.write_line(f"{over} tests were {OVER_BUDGET} and did not run")


@pytest.fixture(autouse=True)
def _environment_as_before() -> Iterator[None]:
    """Give the environment back as it was: libraries change it, and processes of later tests would inherit that."""
    with patch.dict(os.environ):
        yield


@pytest.fixture
def rng(request: pytest.FixtureRequest) -> np.random.Generator:
    """Random numbers that differ from run to run; a failure prints the seed that repeats them."""
    seed = int(os.environ.get("QGEN_TEST_SEED") or secrets.randbits(64))
    request.node.add_report_section("call", "random seed", f"repeat with QGEN_TEST_SEED={seed}")
    return np.random.default_rng(seed)


@pytest.fixture(scope="session")
def digits_reference() -> "Reference":
    from qgen.data import DataSettings
    from qgen.metrics.reference import open_reference

    return open_reference(DataSettings(name="digits"))


@pytest.fixture
def folder_of_noise(tmp_path, rng: np.random.Generator) -> Callable[[int], str]:
    """Makes a folder of images of 5x5 noise."""
    import torch

    from qgen.data import save_single

    def make(count: int) -> str:
        images = torch.from_numpy(rng.uniform(-1, 1, size=(count, 1, 5, 5)))
        save_single(images, tmp_path / "noise", [str(k) for k in range(count)])
        return str(tmp_path / "noise")

    return make


@pytest.fixture(scope="session")
def trained_once(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """`trained_once(*changes)`: the folder of a small run, trained at the first call; who changes it makes a copy."""
    from small_runs import train_small

    @cache
    def train(*changes: str) -> Path:
        return train_small(tmp_path_factory.mktemp("trained") / "run", *changes)[0].path

    return train


@pytest.fixture
def example_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trained_once: Callable[..., Path]
) -> Iterator[Path]:
    """A folder in which the commands of help and README can be tried; `qgen train` stops before it trains.

    Hardware is a server on this machine.
    """
    from cloud import cloud
    from example_folders import prepare

    with cloud(tmp_path, monkeypatch, "fake_fez"):
        yield prepare(tmp_path, monkeypatch, trained_once("training.steps=2"))


@pytest.fixture(autouse=True)
def _seed_torch(rng: np.random.Generator) -> None:
    """Torch's global generator starts from the same printed seed."""
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(int(rng.integers(2**62)))
