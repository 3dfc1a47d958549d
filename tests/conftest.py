"""What every test shares: how hard hypothesis tries, and random numbers whose seed a failure prints."""

import os
import secrets
import sys
from collections.abc import Iterator
from pathlib import Path

if "PYTEST_XDIST_WORKER" in os.environ:  # there is a worker for each core: more threads would only wait for one another
    os.environ.update(dict.fromkeys(["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"], "1"))

import numpy as np
import pytest
from hypothesis import HealthCheck, settings

# A first call may compile; that says nothing about the test.
settings.register_profile(
    "default", deadline=None, max_examples=50, print_blob=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("thorough", settings.get_profile("default"), max_examples=500)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))


@pytest.fixture
def rng(request: pytest.FixtureRequest) -> np.random.Generator:
    """Random numbers that differ from run to run; a failure prints the seed that repeats them."""
    seed = int(os.environ.get("QGEN_TEST_SEED") or secrets.randbits(64))
    request.node.add_report_section("call", "random seed", f"repeat with QGEN_TEST_SEED={seed}")
    return np.random.default_rng(seed)


@pytest.fixture
def example_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder in which the commands of help and README can be tried; `qgen train` stops before it trains.

    Hardware is a server on this machine.
    """
    from cloud import cloud
    from example_folders import prepare

    with cloud(tmp_path, monkeypatch, "fake_fez"):
        yield prepare(tmp_path, monkeypatch)


@pytest.fixture(autouse=True)
def _seed_torch(rng: np.random.Generator) -> None:
    """Torch's global generator starts from the same printed seed."""
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(int(rng.integers(2**62)))
