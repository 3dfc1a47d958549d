"""Writes what a study came to into its folder."""

from __future__ import annotations

import json
from pathlib import Path

from qgen.runs import writing
from qgen.storage import write_text
from qgen.studies.comparison import Comparison
from qgen.studies.page import page
from qgen.studies.tables import markdown


def write_comparison(study: Path, found: Comparison) -> Path:
    """Replaces `compare.json`, `compare.md` and `compare.html`; the page.

    Raises:
        RunError: they cannot be written.
    """
    plain = json.dumps(found.to_dict(), indent=2, ensure_ascii=False, allow_nan=False)
    texts = {"json": f"{plain}\n", "md": markdown(found), "html": page(found)}
    with writing(study):
        for ending, text in texts.items():
            write_text(study / f"compare.{ending}", text)
    return study / "compare.html"
