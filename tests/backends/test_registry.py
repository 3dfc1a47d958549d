"""Backends by name, and their options: declared once, for Python, for YAML and for the command line."""

from __future__ import annotations

from importlib import import_module
from typing import Any, get_args

import pytest

from qgen.backends import FORMS, backend_names, open_backend, open_settings
from qgen.backends.registry import _ROWS, is_billed
from qgen.backends.settings import BackendSettings
from qgen.cli.options import BackendArgs, Layout, Method, NoiseScale, Paths, Shots, Tolerance
from qgen.errors import BackendError, ConfigError


def test_each_row_opens_something() -> None:
    for row in _ROWS:
        module, _, function = row.opener.partition(":")
        assert callable(getattr(import_module(module), function))
        assert set(row.options) <= BackendSettings.model_fields.keys()
    assert len({row.prefix for row in _ROWS}) == len(_ROWS)
    assert {form for row in _ROWS for form in row.forms} == set(FORMS)


def test_hardware_alone_is_billed() -> None:
    """Its name says so, before anything is opened."""
    assert all(map(is_billed, ("ibm_fez", "ibm_anything", "least_busy")))
    assert not any(map(is_billed, (*backend_names(), "fake_fez", "aer:fake_fez", "provider:a:b", "least_busy_one")))
    for name in (*backend_names(), "fake_manila", "aer:fake_manila"):
        assert not open_backend(name).capabilities.billed


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("aer", {"shots": 7}),
        ("aer:fake_manila", {"noise_scale": 0.5, "noise": ["readout", "gates"]}),
        ("noisy:fake_manila", {"method": "propagate", "tolerance": 0.1, "paths": 3}),
        ("noisy:fake_manila", {"shots": 12, "mitigation": "readout+zne:1,3"}),
        ("aer:fake_manila", {"mitigation": "zne:1,3,5"}),
        ("fake_manila", {"shots": 33}),
        ("statevector", {}),
    ],
)
def test_options_mean_the_same_everywhere(name: str, options: dict[str, Any]) -> None:
    by_hand, of_settings = open_backend(name, **options), open_settings(BackendSettings.read({"name": name} | options))
    flags = {key: value for key, value in options.items() if key != "noise"}
    typed = open_settings(BackendSettings.read(BackendArgs(backend=name, **flags).settings() | options))
    assert by_hand.name == of_settings.name == typed.name == name
    assert by_hand.capabilities == of_settings.capabilities == typed.capabilities
    assert by_hand.facts() == of_settings.facts() == typed.facts()


@pytest.mark.parametrize(
    ("field", "option"),
    [
        ("shots", Shots),
        ("noise_scale", NoiseScale),
        ("layout", Layout),
        ("method", Method),
        ("paths", Paths),
        ("tolerance", Tolerance),
    ],
)
def test_the_command_line_takes_what_the_settings_take(field: str, option: Any) -> None:
    kind, about = get_args(option)
    known = BackendSettings.model_fields[field]
    assert get_args(kind) == get_args(known.annotation)
    for value in (None, -1, 0, 1):
        if value is None or about.min is None:
            continue
        refused = value < about.min
        try:
            BackendSettings.read({field: value})
        except ConfigError:
            assert refused
        else:
            assert not refused


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"noise_scal": 1.0}, "backend `aer:fake_manila`: unknown key `noise_scal`. Did you mean `noise_scale`"),
        ({"hardware": {"tile": 3}}, "unknown key `hardware.tile`. Did you mean `hardware.tiles`"),
        ({"noise": "readout"}, "`noise`"),
    ],
)
def test_options_that_nobody_knows_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(BackendError, match=message):
        open_backend("aer:fake_manila", **options)
