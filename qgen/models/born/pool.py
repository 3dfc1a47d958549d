"""PriorPool: bit strings that were drawn once, kept in a file with where they came from, as the noise of a GAN."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np
import torch
from torch import Tensor

from qgen.tensor_files import TensorFile

#: What a pool is of: as it differs, bits are of another distribution.
IDENTITY = ("circuit", "weights")
_FILE = TensorFile("prior pool", 1, "Draw it anew: `qgen pool draw`.")


@dataclass(frozen=True)
class PriorPool:
    """Bit strings of one distribution.

    Attributes:
        bits: (N, n), uint8, 0 or 1.
        facts: where they came from, in plain values; `circuit` and `weights` are digests.
    """

    bits: Tensor
    facts: Mapping[str, Any]

    @property
    def identity(self) -> int:
        """A checksum of the circuit and its weights."""
        return crc32(json.dumps([self.facts.get(name) for name in IDENTITY]).encode())

    def write(self, path: Path) -> None:
        """Write it atomically, eight bits a byte.

        Raises:
            OSError: the disk is full, or the folder cannot be written.
        """
        packed = torch.from_numpy(np.packbits(self.bits.numpy(), axis=1, bitorder="little"))
        _FILE.write(path, {"bits": packed}, {**self.facts, "bits": self.bits.shape[1]})

    @classmethod
    def read(cls, path: Path) -> PriorPool:
        """Read one.

        Raises:
            RunError: it is missing, damaged, or another kind of file.
        """
        tensors, facts = _FILE.read(path)
        try:
            packed, count = tensors["bits"].numpy(), int(facts.pop("bits"))
        except KeyError as error:
            raise _FILE.damaged(path, f"it has no {error}") from error
        return cls(torch.from_numpy(np.unpackbits(packed, axis=1, count=count, bitorder="little")), facts)
