"""Which physical machines still run: knowledge with a date, because no snapshot can tell."""

from __future__ import annotations

from datetime import date
from typing import Literal, NamedTuple

Status = Literal["live", "retired", "unknown"]

#: The day on which all of the below was true.
#: Sources: IBM Quantum documentation, pages "Retired QPUs" and "IBM Quantum Compute Service changelogs" (to August
#: 2026), and "Compute resources" as it was shown on that day.
AS_OF = date(2026, 9, 25)

_OPEN_PLAN = "in IBM's free Open Plan"
_ON_PREMISES = "stands at a customer's; nothing is published about it"
_SYNTHETIC = "no such machine: a model, for tests"

_LIVE = {
    "aachen": "",
    "berlin": "",
    "boston": "",
    "fez": _OPEN_PLAN,
    "kingston": _OPEN_PLAN,
    "marrakesh": f"{_OPEN_PLAN}; paused",
    "miami": "",
    "pittsburgh": "",
}

#: None: retired, and the day was not published.
_RETIRED: dict[str, date | None] = {
    "brussels": date(2026, 4, 27),
    "strasbourg": date(2026, 4, 27),
    "torino": date(2026, 4, 1),
    "brisbane": date(2025, 11, 3),
    "sherbrooke": date(2025, 7, 31),
    "kyiv": date(2025, 4, 18),
    "kyoto": date(2024, 9, 5),
    "osaka": date(2024, 8, 13),
    "cusco": date(2024, 8, 13),
    "algiers": date(2024, 4, 30),
    "cairo": date(2024, 4, 30),
    "hanoi": date(2024, 4, 30),
    "kolkata": date(2024, 4, 1),
    "mumbai": date(2024, 4, 1),
    "nairobi": date(2023, 11, 28),
    "lagos": date(2023, 11, 28),
    "perth": date(2023, 11, 28),
    "auckland": date(2023, 11, 9),
    "guadalupe": date(2023, 10, 27),
    "lima": date(2023, 9, 26),
    "belem": date(2023, 9, 26),
    "quito": date(2023, 9, 26),
    "manila": date(2023, 9, 26),
    "jakarta": date(2023, 9, 26),
    "washington": date(2023, 6, 3),
    "oslo": date(2023, 5, 4),
    "geneva": date(2023, 5, 4),
    "montreal": date(2023, 4, 11),
    "toronto": date(2023, 4, 11),
    "armonk": date(2022, 7, 7),
    "brooklyn": date(2022, 6, 28),
    "bogota": date(2022, 6, 17),
    "santiago": date(2022, 6, 17),
    "casablanca": date(2022, 3, 2),
    "sydney": date(2022, 1, 11),
    "manhattan": date(2021, 9, 22),
    "yorktown": date(2021, 8, 9),
    "melbourne": date(2021, 8, 9),
    "paris": date(2021, 6, 30),
    "rome": date(2021, 6, 30),
    "athens": date(2021, 6, 30),
    "boeblingen": date(2021, 1, 31),
    "ourense": date(2021, 1, 15),
    "vigo": date(2021, 1, 15),
    "valencia": date(2021, 1, 15),
    "rochester": date(2020, 10, 31),
    "cambridge": date(2020, 10, 31),
    "almaden": date(2020, 8, 31),
    "singapore": date(2020, 8, 31),
    "johannesburg": date(2020, 8, 31),
    "essex": date(2020, 8, 31),
    "burlington": date(2020, 8, 31),
    "london": date(2020, 8, 31),
    "peekskill": None,
    "poughkeepsie": None,
}

_UNKNOWN = {
    "kawasaki": _ON_PREMISES,
    "quebec": _ON_PREMISES,
    "fractional": _SYNTHETIC,
    "nighthawk": _SYNTHETIC,
}


class Standing(NamedTuple):
    """Whether a machine still runs.

    Attributes:
        status: of the physical machine, on the day `AS_OF`.
        retired: when it was switched off for users; None where it was not, or where the day is not known.
        note: a remark, or "".
    """

    status: Status
    retired: date | None = None
    note: str = ""


def standing(city: str) -> Standing:
    """What is known of the machine that IBM calls `ibm_` and then this; "unknown" for any other word."""
    if city in _LIVE:
        return Standing("live", note=_LIVE[city])
    if city in _RETIRED:
        return Standing("retired", _RETIRED[city])
    return Standing("unknown", note=_UNKNOWN.get(city, ""))
