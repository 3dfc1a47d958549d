"""What is said of mitigation, and the numbers that follow: coefficients, shares of shots."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qgen.backends import BackendSettings, open_backend
from qgen.backends.mitigation.method import Mitigation, richardson
from qgen.backends.registry import check_settings
from qgen.errors import BackendError, ConfigError

factors = st.lists(st.integers(1, 12), min_size=1, max_size=5, unique=True).map(
    lambda halves: (1, *(2 * half + 1 for half in sorted(halves)))
)


@given(st.booleans(), st.one_of(st.just((1,)), factors))
def test_text_and_value_are_the_same(readout: bool, noise_factors: tuple[int, ...]) -> None:
    mitigation = Mitigation(readout, noise_factors)
    assert Mitigation.parse(str(mitigation)) == mitigation
    assert Mitigation.parse("+".join(reversed(str(mitigation).upper().split("+")))) == mitigation
    settings = BackendSettings.read({"name": "noisy:fake_fez", "mitigation": str(mitigation)})
    assert (settings.mitigated() or Mitigation()) == mitigation
    assert BackendSettings.read(settings.plain()) == settings
    assert ("mitigation" in settings.plain()) == (mitigation != Mitigation())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("zen", "`mitigation`: mitigation is one of `readout`, `zne:1,3`, .* .given: 'zen'"),
        ("readout+readout", "one of"),
        ("readout:3", "one of"),
        ("", "one of"),
        ("zne", "noise factors of `zne` are odd numbers, two at least, ascending from 1, as in `zne:1,3,5`"),
        ("zne:1", "two at least"),
        ("zne:3,5", "ascending from 1"),
        ("zne:1,5,3", "ascending"),
        ("zne:1,2", "odd"),
        ("zne:1,1.5", "odd"),
        ("zne:1,-1", "odd"),
        ("zne:1,101", "99 at most, given: 101"),
        ("zne:1," + "9" * 5000, "odd"),
    ],
)
def test_other_texts_are_refused(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        BackendSettings.read({"mitigation": text})


def test_coefficients_by_hand() -> None:
    assert richardson((1, 3)) == (Fraction(3, 2), Fraction(-1, 2))
    assert richardson((1, 3, 5)) == (Fraction(15, 8), Fraction(-5, 4), Fraction(3, 8))
    assert richardson((1,)) == (1,)


@given(factors, st.lists(st.integers(-9, 9), min_size=1, max_size=6))
def test_polynomials_are_extrapolated_exactly(noise_factors: tuple[int, ...], polynomial: list[int]) -> None:
    polynomial = polynomial[: len(noise_factors)]
    values = [sum(Fraction(c) * factor**power for power, c in enumerate(polynomial)) for factor in noise_factors]
    found = sum(c * value for c, value in zip(richardson(noise_factors), values, strict=True))
    assert found == polynomial[0]


@given(factors, st.integers(0, 5000))
def test_shots_are_divided_as_the_coefficients(noise_factors: tuple[int, ...], more: int) -> None:
    mitigation = Mitigation(False, noise_factors)
    shots = len(noise_factors) + more
    shares, sizes = np.array(mitigation.shares(shots)), np.abs(mitigation.coefficients)
    assert shares.sum() == shots
    assert shares.min() >= 1
    assert np.abs(shares - 1 - more * sizes / sizes.sum()).max() < 1


def test_too_few_shots_are_refused() -> None:
    with pytest.raises(BackendError, match="divides the shots of a value among 3 circuits: give more than 2"):
        Mitigation.parse("zne:1,3,5").shares(2)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("statevector", "has no noise of its own to change: mitigation = 'readout' would change nothing"),
        ("aer", "has no noise of its own"),
        ("fake_fez", "returns bits as hardware does: .* `aer:fake_brisbane` and `noisy:fake_brisbane`, say, mitigate"),
    ],
)
def test_other_backends_say_what_they_have(name: str, message: str) -> None:
    with pytest.raises(BackendError, match=message):
        open_backend(name, mitigation="readout")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mitigation": "zne:1,3"}, r"`ibm_fez` extrapolates by an option of hardware, .* 'zne:1,3': .* is 2 for it"),
        ({"mitigation": "readout+zne:1,3"}, "or mitigation `readout` alone"),
        ({"mitigation": "readout", "hardware": {"resilience": 2}}, r"hardware\.resilience = 2 .* leave out one of the"),
    ],
)
def test_hardware_says_what_it_has_before_it_is_asked(options: dict[str, Any], message: str) -> None:
    settings = BackendSettings.read({"name": "ibm_fez", **options})
    with pytest.raises(BackendError, match=message):
        check_settings(settings)
    check_settings(BackendSettings.read({"name": "least_busy", "mitigation": "readout"}))
