"""The circuits that reach the engine, counted there."""

from __future__ import annotations

from typing import Any

import pytest

from qgen.backends.api import Batch, Executable
from qgen.backends.statevector.backend import StatevectorExecutable


def rows_of_calls(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The number of circuits of each call that reaches a backend from now on."""
    batches: list[int] = []

    def count(name: str) -> None:
        plain = getattr(StatevectorExecutable, name)

        def counted(self: Executable, batch: Batch, *others: Any) -> Any:
            batches.append(len(batch.weight_rows))
            return plain(self, batch, *others)

        monkeypatch.setattr(StatevectorExecutable, name, counted)

    for name in ("evaluate", "evaluate_with_vjp", "evaluate_autograd"):
        count(name)
    return batches
