"""A run that was paid for is answered from its journal, whatever became of the device since."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from cloud import CIRCUIT, INPUTS, SHOTS, WEIGHTS, break_couplers, cloud, couplers, hardware, measure

from qgen.backends.device.saved_layouts import read_layouts, write_layouts
from qgen.backends.gradients import SPSA, ParameterShift
from qgen.devserver import DevServer
from qgen.errors import BackendError, BudgetError

DEVICE = "ibm_guadalupe"
OPTIONS: dict[str, dict[str, Any]] = {
    "bits": {},
    "tiles": {"tiles": 3},
    "mitigated": {"resilience": 1},
    "readout": {"mitigation": "readout"},
}


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    with cloud(tmp_path, monkeypatch) as running:
        yield running


@pytest.mark.slow
@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_what_is_paid_is_answered_and_what_is_not_is_placed_anew(
    options: dict[str, Any], server: DevServer, tmp_path: Path
) -> None:
    paid = [measure(tmp_path, seed, **options) for seed in range(3)]
    break_couplers(server, tmp_path, **options)
    jobs = len(server.ledger.jobs)
    for seed in range(3):
        assert np.array_equal(measure(tmp_path, seed, allow=0.1, **options), paid[seed])
    assert len(server.ledger.jobs) == jobs
    with pytest.raises(BudgetError):
        measure(tmp_path, 4, allow=0.1, **options)
    new = measure(tmp_path, 4, allow=1000.0, **options)
    jobs += jobs // 3  # as many as for each of the others
    assert len(server.ledger.jobs) == jobs
    assert server.ledger.jobs[-1].state == "Completed"
    # Both are answered from then on, also after another change.
    break_couplers(server, tmp_path, **options)
    assert np.array_equal(measure(tmp_path, 4, **options), new)
    assert np.array_equal(measure(tmp_path, 0, **options), paid[0])
    assert len(server.ledger.jobs) == jobs


@pytest.mark.parametrize("method", [ParameterShift(), ParameterShift(fraction=0.5), SPSA()], ids=str)
def test_gradients_are_answered_too(method: Any, server: DevServer, tmp_path: Path) -> None:
    def gradients() -> tuple[Any, ...]:
        with hardware(tmp_path, shots=SHOTS) as backend:
            executable = backend.compile(CIRCUIT)
            inputs, weights = torch.tensor(INPUTS), torch.tensor(WEIGHTS)
            torch.manual_seed(5)
            recorded = method.value_and_vjp(executable, inputs, weights, (True, True))
            after = torch.rand(3)
            return recorded.values, *recorded.vjp(torch.ones_like(recorded.values)), after

    before = gradients()
    jobs = len(server.ledger.jobs)
    break_couplers(server, tmp_path)
    for one, other in zip(before, gradients(), strict=True):
        assert torch.equal(one, other)
    assert len(server.ledger.jobs) == jobs


def test_a_device_on_which_nothing_fits_any_more_still_answers(server: DevServer, tmp_path: Path) -> None:
    paid = measure(tmp_path)
    for first, second in server.device(DEVICE).configuration["coupling_map"]:
        server.device(DEVICE).break_coupler(first, second)
    assert np.array_equal(measure(tmp_path), paid)
    with pytest.raises(BackendError, match="cannot run on ibm_guadalupe today"):
        measure(tmp_path, 2)
    assert len(server.ledger.jobs) == 1


def test_pins_stay_where_they_are(server: DevServer, tmp_path: Path) -> None:
    from qgen.backends.ibm import HardwareOptions, open_hardware

    (tmp_path / "first").mkdir()
    with hardware(tmp_path / "first", shots=SHOTS) as backend:
        backend.compile(CIRCUIT)
        (pins,) = backend.layouts(CIRCUIT)
        pairs = couplers(backend)
        write_layouts(tmp_path / "pins.json", DEVICE, [(CIRCUIT, pins.route(CIRCUIT, backend.target))])

    def pinned(seed: int) -> np.ndarray:
        layouts = read_layouts(tmp_path / "pins.json")
        backend = open_hardware(DEVICE, SHOTS, HardwareOptions(), tmp_path / "jobs.sqlite", 1000.0, layouts, pace=0.02)
        try:
            return measure(tmp_path, seed, backend)
        finally:
            backend.close()

    paid = pinned(1)
    for first, second in pairs:
        server.device(DEVICE).break_coupler(first, second)
    assert np.array_equal(pinned(1), paid)
    with pytest.raises(BackendError, match="pin it anew"):
        pinned(2)
    assert len(server.ledger.jobs) == 1
