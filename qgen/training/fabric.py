"""Lightning's Fabric, without torchmetrics: Fabric imports all of that to ask for its version, which takes a second."""

from __future__ import annotations

from collections.abc import Callable
from importlib import metadata
from typing import Any
from unittest.mock import patch

from lightning_utilities.core import imports
from packaging.version import Version

_compare_imported = imports.compare_version


def _compare(package: str, relation: Callable[[Any, Any], bool], version: str, use_base_version: bool = False) -> bool:
    """Answer as `compare_version` does; of torchmetrics by what is installed."""
    if package != "torchmetrics":
        return _compare_imported(package, relation, version, use_base_version)
    try:
        return relation(Version(metadata.version(package)), Version(version))
    except metadata.PackageNotFoundError:
        return False


with patch.object(imports, "compare_version", _compare):
    from lightning_fabric import Fabric as Fabric
    from lightning_fabric.plugins.environments.lightning import LightningEnvironment as LightningEnvironment
    from lightning_fabric.plugins.environments.torchelastic import TorchElasticEnvironment as TorchElasticEnvironment
    from lightning_fabric.strategies.ddp import DDPStrategy as DDPStrategy
