"""Less work where a test looks at what surrounds it: commands, pages and files, not how good a result is."""

from __future__ import annotations

import sys

import pytest


def quick_search(patch: pytest.MonkeyPatch) -> None:
    """Let a search for transpilations try less of everything; how good it is, tests/transpilation looks at."""
    import qgen.transpilation

    names = {
        "search": {"MAX_MOVED": 2, "MAX_REROUTED": 1},
        "block_search": {
            "_CHANGES": 50,
            "_CHANGES_NEAR": 50,
            "_LAST_WIDTHS": (4,),
            "_PATIENCE": 30,
            "_PATIENCE_NEAR": 30,
        },
    }
    assert qgen.transpilation.search  # its module is behind the function of that name
    for module, values in names.items():
        for name, value in values.items():
            patch.setattr(sys.modules[f"qgen.transpilation.{module}"], name, value)


def quick_evaluation(patch: pytest.MonkeyPatch, resamples: int = 10) -> None:
    """Let the intervals of an evaluation come from few sets; what they are, tests/evaluation looks at."""
    from qgen.metrics.bootstrap import Resampling

    patch.setattr("qgen.evaluation.evaluate.Resampling", lambda repeats: Resampling(min(repeats, resamples)))
    patch.setattr("qgen.evaluation.controls.RESAMPLES", resamples)
