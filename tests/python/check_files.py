"""Checks files written by arraystore with NumPy and SciPy.

Reads a JSON list of expectations from standard input:

    path    the file
    kind    "npy" (np.load, with mmap_mode='r' and without), "npz" (scipy.sparse.load_npz) or "raw" (np.memmap)
    dtype   NumPy's name, such as "float32"
    shape   the shape that NumPy must see
    order   "c" or "f" (npy, raw)
    layout  "csr" or "csc" (npz)
    values  the elements as little-endian bytes in C order, in hexadecimal; duplicates summed
    offset  where data begin (raw)
    index_bits  how wide the indices are in the file (npz); SciPy must see as wide ones, of 32 bits or 64
    canonical  true: each line's indices must rise, none be there twice (npz)
    aligned true: data must begin at a multiple of 64 bytes, in an npz every member's
    numpy   true: the header must be byte for byte what NumPy writes (npy)

Prints one line for each file that is not as expected; exits 1 if there is one.
"""

import io
import json
import struct
import sys
import zipfile

import numpy as np


def main():
    expectations = json.load(sys.stdin)
    failures = 0
    for expected in expectations:
        try:
            problems = CHECKS[expected["kind"]](expected)
        except Exception as error:  # any failure to load is a finding, whatever its type
            problems = [f"{type(error).__name__}: {error}"]
        for problem in problems:
            print(f"{expected['path']}: {problem}")
        failures += bool(problems)
    print(f"{len(expectations)} files checked, {failures} not as expected")
    return 1 if failures else 0


def check_npy(expected):
    array = np.load(expected["path"], mmap_mode="r")
    yield from compare(array, expected)
    yield from compare_order(array, expected)
    if np.load(expected["path"]).tobytes() != array.tobytes():
        yield "loads otherwise than it maps"
    with open(expected["path"], "rb") as file:
        version = np.lib.format.read_magic(file)
        read_header = {
            (1, 0): np.lib.format.read_array_header_1_0,
            (2, 0): np.lib.format.read_array_header_2_0,
        }[version]
        shape, fortran, dtype = read_header(file)
        offset = file.tell()
        file.seek(0)
        header = file.read(offset)
    if expected.get("aligned") and offset % 64:
        yield f"data begin at byte {offset}, which is not a multiple of 64"
    if expected.get("numpy"):
        own = io.BytesIO()
        fields = {"descr": dtype.str, "fortran_order": fortran, "shape": shape}
        np.lib.format.write_array_header_1_0(own, fields)
        if own.getvalue() != header:
            yield f"header {header!r} where NumPy writes {own.getvalue()!r}"


def check_raw(expected):
    array = np.memmap(
        expected["path"],
        dtype=expected["dtype"],
        mode="r",
        offset=expected.get("offset", 0),
        shape=tuple(expected["shape"]),
        order=expected["order"].upper(),
    )
    yield from compare(array, expected)


def compare_indices(matrix, expected):
    with np.load(expected["path"]) as archive:
        stored = {archive[name].dtype for name in ("indptr", "indices")}
    if {8 * dtype.itemsize for dtype in stored} != {expected["index_bits"]}:
        yield f"indices of {stored} where {expected['index_bits']} bits were expected"
    seen = {matrix.indptr.dtype, matrix.indices.dtype}
    if stored & {np.dtype("int32"), np.dtype("int64")} and seen != stored:
        yield f"SciPy sees indices of {seen} where the file has {stored}"


def check_npz(expected):
    import scipy.sparse

    matrix = scipy.sparse.load_npz(expected["path"])
    if matrix.format != expected["layout"]:
        yield f"layout {matrix.format} where {expected['layout']} was expected"
    matrix.check_format(full_check=True)
    if "index_bits" in expected:
        yield from compare_indices(matrix, expected)
    if expected.get("canonical") and not matrix.has_canonical_format:
        yield "indices are not sorted, or some are there twice"
    yield from compare(matrix_values(matrix), expected)
    with zipfile.ZipFile(expected["path"]) as archive:
        broken = archive.testzip()
        if broken:
            yield f"member {broken} has a wrong checksum"
    if expected.get("aligned"):
        yield from check_members_aligned(expected["path"])


def matrix_values(matrix):
    """The cells of a compressed matrix, duplicates summed. toarray() would turn -0.0 into 0.0."""
    coordinates = matrix.tocoo()
    dense = np.zeros(matrix.shape, dtype=matrix.dtype)
    seen = set()
    with np.errstate(all="ignore"):
        for row, col, value in zip(coordinates.row, coordinates.col, coordinates.data):
            cell = (int(row), int(col))
            dense[cell] = dense[cell] + value if cell in seen else value
            seen.add(cell)
    return dense


def check_members_aligned(path):
    with zipfile.ZipFile(path) as archive, open(path, "rb") as file:
        for member in archive.infolist():
            if member.compress_type != zipfile.ZIP_STORED:
                yield f"member {member.filename} is compressed"
                continue
            file.seek(member.header_offset)
            local = struct.unpack("<4s5H3L2H", file.read(30))
            start = member.header_offset + 30 + local[9] + local[10]
            file.seek(start)
            np.lib.format.read_magic(file)
            np.lib.format.read_array_header_1_0(file)
            if file.tell() % 64:
                yield f"member {member.filename} has its data at byte {file.tell()}"


def compare(array, expected):
    if str(array.dtype) != expected["dtype"]:
        yield f"dtype {array.dtype} where {expected['dtype']} was expected"
    if list(array.shape) != expected["shape"]:
        yield f"shape {array.shape} where {tuple(expected['shape'])} was expected"
    found = array.tobytes("C").hex()
    if found != expected["values"]:
        yield f"values {found[:80]} where {expected['values'][:80]} was expected"


def compare_order(array, expected):
    flag = {"c": "C_CONTIGUOUS", "f": "F_CONTIGUOUS"}[expected["order"]]
    if not array.flags[flag]:
        yield f"elements do not lie in order {expected['order']}"


def listed(check):
    return lambda expected: list(check(expected))


CHECKS = {"npy": listed(check_npy), "raw": listed(check_raw), "npz": listed(check_npz)}

if __name__ == "__main__":
    sys.exit(main())
