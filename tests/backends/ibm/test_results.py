"""What a job brought is compared with what was asked for before it counts as done."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cloud import cloud, hardware, measure
from hypothesis import given
from hypothesis import strategies as st

from qgen.backends.ibm.results import ArraySpec, ExpectedResult, ResultMismatchError, pack, unpack
from qgen.backends.ibm.runner import JobRunner
from qgen.devserver import DevServer, Fault
from qgen.errors import HardwareError

SPOILT = ["rows", "shots", "names", "missing", "empty"]


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    with cloud(tmp_path, monkeypatch) as running:
        yield running


def records(folder: Path) -> list[Any]:
    base = sqlite3.connect(folder / "jobs.sqlite")
    rows = base.execute("select state, reason, seconds from jobs").fetchall()
    base.close()
    return rows


@pytest.mark.parametrize(
    ("how", "resilience"),
    [
        pytest.param(how, level, marks=pytest.mark.slow if level or how != "shots" else ())
        for how in SPOILT
        for level in (0, 1)
    ],
)
def test_what_does_not_fit_stays_submitted_and_is_fetched_again(
    how: Any, resilience: int, server: DevServer, tmp_path: Path
) -> None:
    server.faults.add(Fault(spoil=how, times=None))
    for _ in range(2):
        with pytest.raises(HardwareError, match=r"result|read"):
            measure(tmp_path, resilience=resilience)
        ((state, reason, seconds),) = records(tmp_path)
        assert (state, bool(reason)) == ("submitted", True)
        assert seconds == pytest.approx(server.ledger.seconds)
    server.faults.clear()
    values = measure(tmp_path, resilience=resilience)
    assert np.abs(values).max() <= 1.5
    assert len(server.ledger.jobs) == 1
    assert [row[0] for row in records(tmp_path)] == ["done"]


@pytest.mark.slow
@pytest.mark.parametrize("how", SPOILT)
def test_fetching_goes_on_past_a_spoilt_result(how: Any, server: DevServer, tmp_path: Path) -> None:
    server.faults.add(Fault(spoil=how, times=None))
    for seed in (1, 2):
        with pytest.raises(HardwareError):
            measure(tmp_path, seed)
    with hardware(tmp_path) as backend:
        assert {record.state for record in backend.runner.fetch_results(wait=False)} == {"submitted"}
        server.faults.clear()
        assert {record.state for record in backend.runner.fetch_results(wait=False)} == {"done"}
    assert len(server.ledger.jobs) == 2


def test_a_result_of_an_older_version_that_does_not_fit_is_fetched_anew(server: DevServer, tmp_path: Path) -> None:
    right = measure(tmp_path)
    base = sqlite3.connect(tmp_path / "jobs.sqlite")
    for wrong in (b"", b"no zip file", None):
        base.execute("update jobs set result = ?, expected = null", (wrong,))
        base.commit()
        assert np.array_equal(measure(tmp_path), right)
    base.close()
    assert len(server.ledger.jobs) == 1


class Data(dict[str, Any]):
    """Stands for a `DataBin`."""


class Result:
    def __init__(self, **data: Any) -> None:
        self.data = Data(data)


@given(
    rows=st.lists(st.integers(1, 4), max_size=1).map(tuple),
    shots=st.integers(1, 9),
    bits=st.integers(1, 20),
    change=st.sampled_from(["rows", "shots", "bytes", "type", "high bit", "name", "fewer", "more"]),
    seed=st.integers(0, 2**32 - 1),
)
def test_whatever_differs_is_seen(rows: tuple[int, ...], shots: int, bits: int, change: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    shape = (*rows, shots, -(-bits // 8))
    array = rng.integers(0, 256, shape, dtype=np.uint8)
    if bits % 8:
        array[..., 0] &= (1 << bits % 8) - 1
    expected = ExpectedResult(({"a": ArraySpec(shape, bits)},), 1)
    expected.check(pack([Result(a=array)]))
    assert ExpectedResult.from_json(expected.to_json()) == expected
    results: list[Any] = [Result(a=array)]
    if change == "rows":
        results = [Result(a=array[None])]
    elif change == "shots":
        results = [Result(a=np.concatenate([array, array], axis=-2))]
    elif change == "bytes":
        results = [Result(a=np.concatenate([array, array], axis=-1))]
    elif change == "type":
        results = [Result(a=array.astype(float))]
    elif change == "high bit":
        if not bits % 8:
            return
        array[..., 0] |= 1 << bits % 8
    elif change == "name":
        results = [Result(b=array)]
    else:
        results = results * 2 if change == "more" else []
    with pytest.raises(ResultMismatchError):
        expected.check(pack(results))


@pytest.mark.parametrize("values", [[np.nan], [np.inf], [1, 2], [None], [["a"]]])
def test_values_are_finite_numbers(values: Any) -> None:
    with pytest.raises(ResultMismatchError):
        ExpectedResult.values((1,), 1).check(pack([Result(evs=np.array(values))]))


@given(st.binary(max_size=200))
def test_bytes_that_are_no_result_are_one_line(packed: bytes) -> None:
    with pytest.raises(ResultMismatchError, match=r"^[^\n]*$"):
        unpack(packed)


@pytest.mark.slow
@pytest.mark.parametrize("state", ["Paused", "", "Zombie", "Completed?"])
def test_a_state_that_nobody_knows_is_said_and_nothing_is_lost(state: str, server: DevServer, tmp_path: Path) -> None:
    server.faults.add(Fault(state=state, times=None))
    with pytest.raises(HardwareError, match="a state that this version of qgen does not"):
        measure(tmp_path)
    assert [row[0] for row in records(tmp_path)] == ["submitted"]
    server.faults.clear()
    measure(tmp_path)
    assert len(server.ledger.jobs) == 1


def test_a_strange_state_that_passes_is_waited_for(server: DevServer, tmp_path: Path) -> None:
    server.faults.add(Fault(state="Paused", times=3))
    measure(tmp_path)
    assert len(server.ledger.jobs) == 1


def test_other_instances_do_not_see_the_jobs_and_pay_for_none(
    server: DevServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from qgen.devserver.server import OTHER_INSTANCE

    with hardware(tmp_path, shots=50) as backend:
        monkeypatch.setattr(JobRunner, "_wait", _stop)
        with pytest.raises(KeyboardInterrupt):
            measure(tmp_path, backend=backend)
    monkeypatch.undo()
    with pytest.MonkeyPatch.context() as patch:
        for name, value in server.environment(OTHER_INSTANCE).items():
            patch.setenv(name, value)
        with pytest.raises(HardwareError, match="another instance"):
            measure(tmp_path, seed=2)
        assert len(server.ledger.jobs) == 1
    for name, value in server.environment().items():
        monkeypatch.setenv(name, value)
    measure(tmp_path)
    assert len(server.ledger.jobs) == 1


def _stop(*_: Any) -> None:
    raise KeyboardInterrupt


def test_what_is_expected_is_in_the_journal(server: DevServer, tmp_path: Path) -> None:
    measure(tmp_path)
    base = sqlite3.connect(tmp_path / "jobs.sqlite")
    ((text,),) = base.execute("select expected from jobs").fetchall()
    base.close()
    assert json.loads(text) == {"parts": [{"tile00": [[3, 50, 1], 2]}], "executions": 150}
