"""The kinds of studies by name. A new kind is a file or folder beside `comparison`, and a row here."""

from __future__ import annotations

from types import MappingProxyType

from qgen.studies import comparison
from qgen.studies.study import StudyKind

KINDS = MappingProxyType({"compare": StudyKind(comparison.ComparisonStudy, comparison.report)})
