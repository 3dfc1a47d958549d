"""The grid of conditions: each once, none that would be the same as another, and names that tell them apart."""

from __future__ import annotations

from itertools import product

import pytest
from effort import examples
from hypothesis import given
from hypothesis import strategies as st

from qgen.backends.registry import check_settings
from qgen.backends.settings import BackendSettings
from qgen.errors import ConfigError, DataError
from qgen.studies.noise.conditions import (
    KINDS,
    Condition,
    conditions,
    read_backend,
    read_kinds,
    read_mitigations,
    read_scales,
    read_shots,
)

BACKENDS = ("noisy:fake_fez", "aer:fake_fez", "noisy:fake_torino", "aer")
KIND_SETS = tuple(tuple(kind for kind in KINDS if kind in on) for on in [KINDS, ("gates",), ("readout",), KINDS[:2]])


def some(values: tuple[object, ...]) -> st.SearchStrategy[list[object]]:
    return st.lists(st.sampled_from(values), min_size=1, max_size=3, unique=True)


@given(
    some(BACKENDS),
    some((0.0, 0.5, 1.0, 1.0000001, 1 / 3, 1e-7)),
    some(KIND_SETS),
    some((None, 10, 100)),
    some((None, "readout", "zne:1,3")),
)
@examples(60)
def test_the_product_of_the_axes_each_once(backends, scales, kinds, shots, mitigations) -> None:
    found = conditions(backends, scales, kinds, shots, mitigations)
    assert len(set(found)) == len(found)
    names = [each.name for each in found]
    assert len(set(names)) == len(names)
    assert found[0] == Condition()
    assert sum(each.ideal for each in found) == 1
    # A loop over the product, with what would be the same thing twice put together.
    expected = {("ideal",)}
    for backend, scale, on, number, mitigation in product(backends, scales, kinds, shots, mitigations):
        noisy = backend != "aer" and scale > 0
        useful = noisy and (
            ("readout" in str(mitigation) and "readout" in on) or ("zne" in str(mitigation) and on != ("readout",))
        )
        if mitigation is not None and not useful:
            continue
        if noisy:
            expected.add((backend, scale, on, number, mitigation))
        elif number is not None:
            expected.add((backend, number))
    assert len(found) == len(expected)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("kinds", KIND_SETS)
def test_backends_take_the_settings(backend: str, kinds: tuple[str, ...]) -> None:
    for condition in conditions([backend], [0.0, 1.5], [kinds], [None, 100], [None]):
        if backend.startswith("noisy:") and condition.shots is not None:
            continue
        settings = BackendSettings.read(condition.settings())
        check_settings(settings)
        if not condition.ideal and backend != "aer":
            assert settings.noise_scale == condition.scale
            assert settings.noise == (None if condition.kinds == KINDS else condition.kinds)


def test_what_the_command_line_says() -> None:
    assert read_scales(["2,0.5", "1"]) == (0.0, 0.5, 1.0, 2.0)
    assert read_shots(["exact,1024,128"]) == (128, 1024, None)
    assert read_kinds(["all,readout+gates", "readout"]) == (KINDS, ("gates", "readout"), ("readout",))
    assert read_mitigations(["zne:1,3", "none", "readout"]) == (None, "zne:1,3", "readout")
    assert read_backend("fake_fez") == "noisy:fake_fez"
    assert read_backend("aer:fake_fez") == "aer:fake_fez"


def test_a_file_of_noise_is_named_by_its_path(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    full = read_backend("sub/noise.yaml")
    assert full == f"noisy:{tmp_path}/sub/noise.yaml"
    assert read_backend("aer:~/noise.yaml").startswith("aer:/")
    assert Condition(full, 1.0).name == "noise-scale1"
    assert Condition("aer:/a/noise.yaml", 1.0).name == "aer-noise-scale1"


@pytest.mark.parametrize(
    ("read", "text", "words"),
    [
        (read_scales, "0,many", "number.*'many'"),
        (read_scales, "-1", r"lies in \[0, .*-1"),
        (read_scales, "nan", r"lies in \[0"),
        (read_scales, "0", "no noise"),
        (read_kinds, "gate", "no errors of kind `gate`.*gates"),
        (read_shots, "0", "from 1 to.*'0'"),
        (read_shots, "1.5", "from 1 to"),
        (read_shots, "9" * 5000, "from 1 to"),
        (read_shots, " , ", "at least one number of shots"),
        (read_scales, "0," + "9" * 5000, "lies in"),
        (read_kinds, "", "at least one kind"),
        (read_backend, "statevector", "no noise to vary"),
        (read_backend, "ibm_fez", "no noise to vary"),
    ],
)
def test_what_cannot_be_is_refused(read, text: str, words: str) -> None:
    with pytest.raises((ConfigError, DataError), match=words):
        read(text if read is read_backend else [text])
