"""Names of files of samples: they contain what the images depend on."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from qgen.backends import BackendSettings, Capabilities
from qgen.sampling.sample import _conditions


@pytest.mark.parametrize(
    ("options", "shots", "wanted"),
    [
        ({}, None, []),
        ({"mitigation": "none"}, None, []),
        ({"mitigation": "readout"}, None, ["readout"]),
        ({"noise_scale": 1.0000001}, None, ["noise1.0000001"]),
        (
            {"noise_scale": 0.5, "idle_noise": True, "mitigation": "zne:1,3,5+readout"},
            100,
            ["shots100", "noise0.5", "idle", "readout+zne1-3-5"],
        ),
    ],
)
def test_conditions_of_a_noisy_backend(options: dict[str, Any], shots: int | None, wanted: list[str]) -> None:
    settings = BackendSettings.read({"name": "noisy:fake_fez", "shots": shots} | options)
    backend = SimpleNamespace(capabilities=Capabilities(exact=shots is None, shots=shots))
    trained: Any = SimpleNamespace(config=SimpleNamespace(backend=settings), backend=backend, generator=None)
    found = list(_conditions(trained))
    assert found == wanted
    assert not set(":,/") & set("".join(found))  # of no use in names of files everywhere
