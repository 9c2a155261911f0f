"""What both kinds of golden files are made with: values, headers, and the list of what is expected."""

import io
import struct
from pathlib import Path

import numpy as np

FILES = Path(__file__).parent / "files"
SEED = 20240607

NAMES = {
    "bool": "bool", "int8": "i8", "int16": "i16", "int32": "i32", "int64": "i64",
    "uint8": "u8", "uint16": "u16", "uint32": "u32", "uint64": "u64",
    "float16": "f16", "float32": "f32", "float64": "f64",
    "complex64": "complex64", "complex128": "complex128",
}
DTYPES = list(NAMES)

# What expected.json will say of each file.
entries = []


def cells(dtype, shape):
    """Arbitrary values of any dtype, the awkward ones first."""
    generator = np.random.default_rng(SEED)
    dtype = np.dtype(dtype)
    count = int(np.prod(shape, dtype=np.int64))
    if dtype.kind == "b":
        values = generator.integers(0, 2, count).astype(dtype)
    elif dtype.kind in "iu":
        limits = np.iinfo(dtype)
        values = generator.integers(limits.min, limits.max, count, dtype=dtype, endpoint=True)
        awkward = [limits.min, limits.max, 0, 1]
        values[: len(awkward)] = awkward[:count]
    else:
        part = {2: np.uint16, 4: np.uint32, 8: np.uint64}[dtype.itemsize // (1 + (dtype.kind == "c"))]
        real = np.dtype(f"f{np.dtype(part).itemsize}")
        parts = generator.standard_normal(count * dtype.itemsize // real.itemsize).astype(real)
        tiny = np.finfo(real).smallest_subnormal
        awkward = np.array([-0.0, np.nan, np.inf, -np.inf, tiny, np.finfo(real).max], real)
        parts[: len(awkward)] = awkward[: len(parts)]
        if len(parts) > len(awkward):
            # A NaN with a payload, the sign set: bits that only an exact copy keeps.
            parts.view(part)[len(awkward)] = np.array([-np.nan], real).view(part)[0] | 0x55
        values = parts.view(dtype)
    return values.reshape(shape)


def little(array):
    return array.astype(array.dtype.newbyteorder("<")).tobytes("C").hex()


def header(text, version=(1, 0)):
    text = text.encode("latin1") if isinstance(text, str) else text
    length = struct.pack("<H" if version == (1, 0) else "<I", len(text))
    return b"\x93NUMPY" + bytes(version) + length + text


def bad(path, content, why, *kinds):
    (FILES / path).write_bytes(content)
    kind = "dense" if path.startswith("npy") else "sparse"
    if path.split("/")[1].startswith(("coo", "bsr", "dia")) or path.startswith("mtx"):
        kind = "foreign"
    entries.append({"file": path, "kind": kind, "why": why, "error": list(kinds)})


def npy_bytes(array, **options):
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, np.asarray(array), **options)
    return buffer.getvalue()
