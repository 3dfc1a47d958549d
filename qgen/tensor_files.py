"""Tensors in safetensors files with a digest: written atomically, verified when read, never pickled."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from qgen import storage
from qgen.errors import RunError

Tensors = Mapping[str, torch.Tensor]


@dataclass(frozen=True)
class TensorFile:
    """A kind of tensor file.

    Attributes:
        what: name of the content, for errors; `qgen-` and this name mark the file.
        version: version of the format.
        remedy: sentence that says what to do about a damaged file.
    """

    what: str
    version: int
    remedy: str

    def write(self, path: Path, tensors: Tensors, content: Mapping[str, Any]) -> None:
        """Write tensors and plain values atomically.

        Raises:
            OSError: the disk is full, or the folder cannot be written.
        """
        flat = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
        text = json.dumps({**content, "sha256": _digest(flat, content)})
        with storage.atomic_write(path) as temporary:
            try:
                save_file(flat, temporary, {"format": self._mark, "version": str(self.version), "qgen": text})
            except SafetensorError as error:  # it wraps the error of the system
                raise OSError(f"the {self.what} could not be written ({error})") from error

    def read(self, path: Path) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
        """Read the tensors and plain values of a file.

        Raises:
            RunError: it is missing, damaged, of another version, or another kind of file.
        """
        tensors, meta = self._open(path)
        if meta.get("format") != self._mark:
            raise RunError(f"{path} is a safetensors file, but not a {self.what} of qgen")
        if meta.get("version") != str(self.version):
            raise RunError(
                f"{path} has version {meta.get('version')}; this qgen reads version {self.version}. Update qgen."
            )
        try:
            content = json.loads(meta.get("qgen", ""))
            digest = content.pop("sha256")
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise self.damaged(path, "its description cannot be read") from error
        if digest != _digest(tensors, content):
            raise self.damaged(path, "its content does not have the digest that was written with it")
        return tensors, content

    def damaged(self, path: Path, why: str) -> RunError:
        """Return the error for a damaged file."""
        return RunError(f"the {self.what} {path} is damaged ({why}). {self.remedy}")

    @property
    def _mark(self) -> str:
        return f"qgen-{self.what}"

    def _open(self, path: Path) -> tuple[dict[str, torch.Tensor], dict[str, str]]:
        if not os.path.isfile(path):
            raise RunError(f"there is no {self.what} {path}")
        try:
            with safe_open(path, framework="pt") as file:
                return {key: file.get_tensor(key) for key in file.keys()}, file.metadata() or {}  # noqa: SIM118
        except OSError as error:
            raise RunError(f"cannot read {path}: {error.strerror or error}") from error
        except (SafetensorError, ValueError) as error:
            raise self.damaged(path, str(error)) from error


def _digest(tensors: Tensors, content: Mapping[str, Any]) -> str:
    digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode())
    for name in sorted(tensors):
        value = tensors[name]
        digest.update(f"{name} {value.dtype} {tuple(value.shape)}".encode())
        digest.update(value.reshape(-1).view(torch.uint8).numpy().data if value.numel() else b"")
    return digest.hexdigest()
