"""How many examples hypothesis tries: a test's own number, in proportion to the profile that is loaded."""

from __future__ import annotations

from typing import Any

from hypothesis import settings


def examples(count: int, **others: Any) -> settings:
    """`count` examples in the default profile, and as many times more as another profile tries more."""
    factor = settings().max_examples / settings.get_profile("default").max_examples
    return settings(max_examples=max(1, round(count * factor)), **others)
