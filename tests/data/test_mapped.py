"""Files of images that are mapped into memory."""

import os
from pathlib import Path

import numpy as np
import psutil
import torch

from qgen.data import mapped


def test_files_larger_than_memory_are_mapped(tmp_path: Path) -> None:
    count = 2 * psutil.virtual_memory().total // (3 * 64 * 64) + 1
    shape = count, 3, 64, 64
    path = tmp_path / "large.npy"
    with open(path, "wb") as file:
        file.write(mapped.npy_header(shape))
        file.truncate(len(mapped.npy_header(shape)) + 3 * 64 * 64 * count)  # zeros take no room on the disk
        file.seek(-1, os.SEEK_END)
        file.write(b"\7")
    large = mapped.MappedImages(path, shape)
    large.prefetch(torch.tensor([0, count - 1]))
    assert large.images[torch.tensor([count - 1, 5])].sum(dim=(1, 2, 3)).tolist() == [7, 0]
    assert np.load(path, mmap_mode="r").shape == shape  # a plain .npy file
