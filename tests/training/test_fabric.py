"""Fabric is told the same of installed packages as ever, and nothing is imported for that."""

from __future__ import annotations

import operator
import sys
from collections.abc import Callable
from importlib import metadata
from typing import Any

import pytest
from lightning_utilities.core.imports import compare_version

from qgen.training import fabric

RELATIONS = (operator.ge, operator.gt, operator.le, operator.lt, operator.eq)


@pytest.mark.parametrize("package", ["torchmetrics", "torch", "not_there"])
@pytest.mark.parametrize("relation", RELATIONS)
def test_versions_are_compared_as_before(package: str, relation: Callable[[Any, Any], bool]) -> None:
    versions = ["0.1", "1.0.0", "99"] + ([] if package == "not_there" else [metadata.version(package)])
    for version in versions:
        assert fabric._compare(package, relation, version) == compare_version(package, relation, version)


def test_torchmetrics_need_not_be_importable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torchmetrics", None)
    assert not compare_version("torchmetrics", operator.ge, "1.0.0")
    assert fabric._compare("torchmetrics", operator.ge, "1.0.0")


def test_without_torchmetrics_no_version_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(package: str) -> str:
        raise metadata.PackageNotFoundError(package)

    monkeypatch.setattr(metadata, "version", missing)
    assert not fabric._compare("torchmetrics", operator.ge, "0.1")
