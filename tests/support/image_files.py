"""Image files written by hand, byte for byte: what they hold is known without any decoder."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.integer]


def packed(rows: Samples, bits: int, order: str = ">") -> bytes:
    """Samples (H, N) as rows of so many bits each, most significant first, each row padded to whole bytes."""
    if bits in (8, 16, 32, 64):
        kind = "i" if np.issubdtype(rows.dtype, np.signedinteger) else "u"
        return rows.astype(f"{order}{kind}{bits // 8}").tobytes()
    places = np.arange(bits - 1, -1, -1)
    each = (rows[..., None].astype(np.int64) >> places & 1).astype(np.uint8)
    return np.packbits(each.reshape(len(rows), -1), axis=1).tobytes()


def png(
    samples: Samples,
    bits: int,
    palette: Samples | None = None,
    transparent: bytes | None = None,
    interlaced: bool = False,
    extra: Sequence[tuple[bytes, bytes]] = (),
) -> bytes:
    """A PNG file (ISO/IEC 15948) of samples (H, W, S): grey, grey with alpha, RGB or RGBA; (H, W, 1) with a palette."""
    height, width, count = samples.shape
    colour = 3 if palette is not None else {1: 0, 2: 4, 3: 2, 4: 6}[count]
    passes = [samples]
    if interlaced:  # Adam7
        starts = [(0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1)]
        passes = [samples[top::down, left::right] for top, left, down, right in starts]
    raw = b""
    for part in passes:
        if part.size:
            rows = packed(part.reshape(len(part), -1), bits)
            size = len(rows) // len(part)
            raw += b"".join(b"\0" + rows[k * size : (k + 1) * size] for k in range(len(part)))
    chunks = [(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, int(interlaced)))]
    chunks += [*extra]
    chunks += [(b"PLTE", palette.astype(np.uint8).tobytes())] if palette is not None else []
    chunks += [(b"tRNS", transparent)] if transparent is not None else []
    chunks += [(b"IDAT", zlib.compress(raw)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)) for name, data in chunks
    )


def tiff(
    samples: NDArray[np.generic],
    bits: int,
    photometric: int,
    order: str = "<",
    sample_format: int | None = None,
    extra: Sequence[int] = (),
    palette: Samples | None = None,
    reversed_bits: bool = False,
    planes: bool = False,
    tags: Sequence[tuple[int, int, Sequence[int]]] = (),
) -> bytes:
    """A TIFF 6.0 file of one strip (a plane a strip with `planes`), uncompressed, of samples (H, W, S).

    Args:
        samples: whole numbers, or floating-point ones of `bits`.
        bits: of each sample.
        photometric: 0 white is zero, 1 black is zero, 2 RGB, 3 palette, 5 CMYK, 6 YCbCr, 8 Lab.
        order: "<" Intel's, ">" Motorola's.
        sample_format: 1 unsigned, 2 signed, 3 floating-point; None: not said.
        extra: what samples beyond the colours are: 0 nothing known, 1 premultiplied alpha, 2 alpha.
        palette: (2^bits, 3), 8 bits each.
        reversed_bits: least significant bit first.
        planes: one plane after the other.
        tags: further ones, as (tag, type, values).
    """
    height, width, count = samples.shape
    parts = [samples[..., k] for k in range(count)] if planes else [samples.reshape(height, -1)]
    if np.issubdtype(samples.dtype, np.floating):
        strips = [part.astype(f"{order}f{bits // 8}").tobytes() for part in parts]
    else:
        strips = [packed(part, bits, order) for part in parts]
    if reversed_bits:
        table = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))
        strips = [strip.translate(table) for strip in strips]
    start = 8
    offsets = [start + sum(map(len, strips[:k])) for k in range(len(strips))]
    fields: list[tuple[int, int, Sequence[int]]] = [
        (256, 4, [width]),
        (257, 4, [height]),
        (258, 3, [bits] * count),
        (259, 3, [1]),
        (262, 3, [photometric]),
        (273, 4, offsets),
        (277, 3, [count]),
        (278, 4, [height]),
        (279, 4, [len(strip) for strip in strips]),
        (284, 3, [2 if planes else 1]),
        *([(266, 3, [2])] if reversed_bits else []),
        *([(338, 3, list(extra))] if extra else []),
        *([(339, 3, [sample_format] * count)] if sample_format else []),
        *([(320, 3, (palette.T.astype(int) * 257).ravel().tolist())] if palette is not None else []),
        *tags,
    ]
    data = b"".join(strips) + b"\0" * (sum(map(len, strips)) % 2)
    directory = start + len(data)
    behind = directory + 2 + 12 * len(fields) + 4
    entries, values = b"", b""
    for tag, kind, numbers in sorted(fields):
        letter = {3: "H", 4: "I"}[kind]
        body = struct.pack(f"{order}{len(numbers)}{letter}", *numbers)
        entries += struct.pack(f"{order}HHI", tag, kind, len(numbers))
        if len(body) <= 4:
            entries += body.ljust(4, b"\0")
        else:
            entries += struct.pack(f"{order}I", behind + len(values))
            values += body + b"\0" * (len(body) % 2)
    mark = b"II*\0" if order == "<" else b"MM\0*"
    head = mark + struct.pack(f"{order}I", directory)
    return head + data + struct.pack(f"{order}H", len(fields)) + entries + b"\0\0\0\0" + values


def bmp(pixels: Samples, bits: int, palette: Samples | None = None, top_down: bool = False) -> bytes:
    """A BMP file: indices (H, W, 1) with a palette of 8-bit RGB, or RGB (H, W, 3) with 16 (5 each), 24 or 32 bits."""
    height, width, _ = pixels.shape
    if palette is not None:
        rows = packed(pixels[..., 0], bits)
    elif bits == 16:
        red, green, blue = (pixels[..., k].astype(int) for k in range(3))
        rows = (red << 10 | green << 5 | blue).astype("<u2").tobytes()
    else:
        spare = np.zeros((height, width, bits // 8 - 3), np.uint8)
        rows = np.concatenate([pixels[..., ::-1].astype(np.uint8), spare], axis=-1).tobytes()
    size = len(rows) // height
    lines = [rows[k * size : (k + 1) * size] + b"\0" * (-size % 4) for k in range(height)]
    body = b"".join(lines if top_down else lines[::-1])
    table = b"" if palette is None else np.pad(palette[:, ::-1], ((0, 0), (0, 1))).astype(np.uint8).tobytes()
    used = 0 if palette is None else len(palette)
    about = struct.pack(
        "<IiiHHIIiiII", 40, width, -height if top_down else height, 1, bits, 0, len(body), 0, 0, used, 0
    )
    offset = 14 + len(about) + len(table)
    return b"BM" + struct.pack("<IHHI", offset + len(body), 0, 0, offset) + about + table + body


def pnm(samples: Samples, most: int, plain: bool = False) -> bytes:
    """A PGM or PPM file of samples (H, W, 1 or 3) from 0 to `most`, binary or in plain figures."""
    height, width, count = samples.shape
    kind = {1: 2, 3: 3}[count] + (0 if plain else 3)
    head = f"P{kind}\n{width} {height}\n{most}\n".encode()
    if plain:
        return head + " ".join(map(str, samples.ravel().tolist())).encode() + b"\n"
    return head + samples.astype(">u2" if most > 255 else "u1").tobytes()
