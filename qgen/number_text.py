"""Numbers as text for people: a true minus sign, and none before what rounds to zero."""

from __future__ import annotations


def fixed(value: float, decimals: int, signed: bool = False) -> str:
    """Return a number with so many decimals and commas between thousands.

    Args:
        value: any number.
        decimals: digits behind the point.
        signed: with a plus sign where it is positive as shown; what rounds to zero has no sign in any case.
    """
    text = f"{value:z,.{decimals}f}"
    if signed and float(text.replace(",", "")) > 0:
        text = f"+{text}"
    return text.replace("-", "\u2212")
