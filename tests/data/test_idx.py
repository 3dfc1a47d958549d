"""IDX files: what is written is read, and nothing that is damaged or wrong is."""

import gzip
import hashlib
import struct
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from qgen.data.idx import DamagedError, IdxFile, parse_idx, read_idx

Pack = Callable[[np.ndarray], bytes]
NUMBERS = np.arange(2 * 3 * 4, dtype=np.uint8).reshape(2, 3, 4)


def expected_of(content: bytes, shape: tuple[int, ...] = NUMBERS.shape) -> IdxFile:
    return IdxFile("numbers", shape, hashlib.sha256(content).hexdigest(), len(content))


@given(arrays(np.uint8, array_shapes(min_dims=1, max_dims=4, max_side=6)))
def test_what_is_written_is_read(numbers: np.ndarray) -> None:
    content = struct.pack(f">HBB{numbers.ndim}I", 0, 8, numbers.ndim, *numbers.shape) + numbers.tobytes()
    np.testing.assert_array_equal(parse_idx(content), numbers)


@pytest.mark.parametrize("name", ["numbers", "numbers.gz"])
@pytest.mark.parametrize("packing", [bytes, gzip.compress, lambda content: gzip.compress(content, 1)])
def test_packed_and_plain_files_are_told_apart_by_their_content(
    name: str, packing: Callable[[bytes], bytes], tmp_path: Path, pack: Pack
) -> None:
    content = pack(NUMBERS)
    (tmp_path / name).write_bytes(packing(content))
    np.testing.assert_array_equal(read_idx(tmp_path / name, expected_of(content)), NUMBERS)


@given(st.data())
def test_a_file_cut_anywhere_is_refused(data: st.DataObject) -> None:
    content = struct.pack(">HBBII", 0, 8, 2, 5, 7) + bytes(35)
    with pytest.raises(DamagedError):
        parse_idx(content[: data.draw(st.integers(0, len(content) - 1))])


@pytest.mark.parametrize("share", [0.0, 0.05, 0.3, 0.999])
def test_a_packed_file_cut_anywhere_is_refused(
    share: float, tmp_path: Path, pack: Pack, rng: np.random.Generator
) -> None:
    numbers = rng.integers(256, size=(40, 9, 9), dtype=np.uint8)
    packed = gzip.compress(pack(numbers))
    (tmp_path / "cut.gz").write_bytes(packed[: int(share * len(packed))])
    with pytest.raises(DamagedError):
        read_idx(tmp_path / "cut.gz", expected_of(pack(numbers), numbers.shape))


def test_every_flipped_byte_is_noticed(tmp_path: Path, pack: Pack) -> None:
    content = pack(NUMBERS)
    for place in range(len(content)):
        damaged = bytearray(content)
        damaged[place] ^= 0x10
        (tmp_path / "damaged").write_bytes(damaged)
        with pytest.raises(DamagedError):
            read_idx(tmp_path / "damaged", expected_of(content))


def test_a_damaged_packing_is_noticed(tmp_path: Path, pack: Pack) -> None:
    packed = bytearray(gzip.compress(pack(NUMBERS)))
    packed[-6] ^= 0x01  # of the checksum
    (tmp_path / "damaged.gz").write_bytes(packed)
    with pytest.raises(DamagedError, match="cannot be unpacked"):
        read_idx(tmp_path / "damaged.gz", expected_of(pack(NUMBERS)))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "begins with nothing"),
        (b"<!DOCTYPE html>", "begins with 3c21444f"),
        (b"\0\0\x0d\x01\0\0\0\x01\0\0\0\0", "begins with 00000d01"),  # of floats
        (b"\0\0\x08\x02\0\0\0\x01", "ends within its head"),
        (b"\0\0\x08\x01\0\0\0\x05abc", "11 bytes long, not the 13"),
        (b"\0\0\x08\x01\0\0\0\x02abc", "11 bytes long, not the 10"),
    ],
)
def test_the_reason_is_said(content: bytes, reason: str) -> None:
    with pytest.raises(DamagedError, match=reason):
        parse_idx(content)


def test_a_whole_file_of_another_shape_or_content_is_refused(tmp_path: Path, pack: Pack) -> None:
    path = tmp_path / "numbers"
    path.write_bytes(pack(NUMBERS.reshape(4, 3, 2)))
    with pytest.raises(DamagedError, match=r"\(4, 3, 2\), not \(2, 3, 4\)"):
        read_idx(path, expected_of(pack(NUMBERS)))
    path.write_bytes(pack(255 - NUMBERS))
    with pytest.raises(DamagedError, match="SHA-256"):
        read_idx(path, expected_of(pack(NUMBERS)))


def test_a_file_that_unpacks_to_much_more_is_not_unpacked(tmp_path: Path, pack: Pack) -> None:
    (tmp_path / "bomb.gz").write_bytes(gzip.compress(bytes(50_000_000)))
    tracemalloc.start()
    with pytest.raises(DamagedError, match="holds more than 40 bytes"):
        read_idx(tmp_path / "bomb.gz", expected_of(pack(NUMBERS)))
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 5_000_000
