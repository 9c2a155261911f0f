"""npz files as scipy.sparse.save_npz lays them out, good and bad."""

import io
import struct
import zipfile

import numpy as np
import scipy.sparse as sp

from manifest import DTYPES, FILES, NAMES, bad, cells, entries, header, little, npy_bytes

# Entries that a bomb claims to hold.
CLAIMED = 1 << 29


def sparse(layout, dtype, shape, entries_of_lines, index="int32", kind="array"):
    """A compressed matrix of exactly these entries: for each line a list of (index, value)."""
    flat = [entry for line in entries_of_lines for entry in line]
    indptr = np.cumsum([0] + [len(line) for line in entries_of_lines])
    data = np.array([value for _, value in flat], dtype=dtype)
    indices = np.array([position for position, _ in flat], dtype=index)
    constructor = getattr(sp, f"{layout}_{kind}")
    matrix = constructor((data, indices, indptr.astype(index)), shape=shape)
    # SciPy narrows what it can.
    matrix.indices, matrix.indptr = matrix.indices.astype(index), matrix.indptr.astype(index)
    return matrix


def good_sparse(name, matrix, why, compressed=False):
    path = FILES / "npz" / f"{name}.npz"
    sp.save_npz(path, matrix, compressed=compressed)
    expect_sparse(name, matrix, why)


def expect_sparse(name, matrix, why):
    loaded = sp.load_npz(FILES / "npz" / f"{name}.npz")
    assert type(loaded) is type(matrix) and loaded.data.tobytes() == matrix.data.tobytes(), name
    assert (loaded.indices == matrix.indices).all() and loaded.shape == matrix.shape, name
    entries.append({
        "file": f"npz/{name}.npz", "kind": "sparse", "why": why,
        "dtype": NAMES[matrix.dtype.name], "shape": list(matrix.shape), "layout": matrix.format,
        "index_bits": matrix.indices.dtype.itemsize * 8, "stored": int(matrix.nnz),
        "values": little(summed(matrix)),
    })


def summed(matrix):
    """Every cell, entries stored twice summed in turn. toarray() adds to 0, so that it loses -0.0."""
    dense = np.zeros(matrix.shape, matrix.dtype)
    seen = set()
    lines = np.repeat(np.arange(len(matrix.indptr) - 1), np.diff(matrix.indptr.astype(np.int64)))
    for line, position, value in zip(lines, matrix.indices, matrix.data):
        cell = (line, position) if matrix.format == "csr" else (position, line)
        with np.errstate(over="ignore"):
            dense[cell] = dense[cell] + value if cell in seen else value
        seen.add(cell)
    return dense


def good_npz():
    for dtype in DTYPES:
        if dtype == "float16":
            continue  # SciPy's sparse matrices cannot hold it
        values = cells(dtype, (7,))
        for layout, shape in [("csr", (4, 5)), ("csc", (5, 4))]:
            lines = [[(0, values[0]), (3, values[1])], [],
                     [(1, values[2]), (2, values[3]), (4, values[4])], [(0, values[5]), (4, values[6])]]
            matrix = sparse(layout, dtype, shape, lines)
            for compressed in [False, True]:
                name = f"{NAMES[dtype]}-{layout}-{'compressed' if compressed else 'stored'}"
                good_sparse(name, matrix, "dtype, layout, compression", compressed)
    for layout in ["csr", "csc"]:
        turn = (lambda *shape: shape) if layout == "csr" else (lambda rows, cols: (cols, rows))
        plain = [[(1, 1.5), (2, -2.5)], [], [(0, 3.5)]]
        for name, shape, lines, why in [
            ("0x0", turn(0, 0), [], "0x0"),
            ("0xN", turn(0, 4), [], "no line"),
            ("Nx0", turn(4, 0), [[], [], [], []], "empty lines"),
            ("all-zero", turn(3, 4), [[], [], []], "no entry"),
            ("1xN", turn(1, 6), [[(0, 1.0), (5, 2.0)]], "one line"),
            ("Nx1", turn(6, 1), [[], [(0, 1.0)], [], [], [(0, 2.0)], []], "lines of one"),
            ("unsorted", turn(2, 5), [[(4, 1.0), (0, 2.0), (2, 3.0)], [(3, 4.0), (1, 5.0)]],
             "indices in no order"),
            ("duplicates", turn(2, 4), [[(1, 0.1), (3, 1.0), (1, 0.2), (1, 0.3)], [(0, 7.0), (0, -7.0)]],
             "entries stored twice, not side by side; a sum that is 0"),
            ("zeros", turn(2, 4), [[(0, -0.0), (1, 0.0), (2, np.nan)], [(0, np.inf), (3, -0.0)]],
             "-0.0, a stored 0 and NaN"),
            ("negative-zeros-twice", turn(1, 3), [[(0, -0.0), (0, -0.0), (1, -0.0), (1, 0.0)]],
             "-0.0 stored twice is -0.0, with 0.0 it is 0.0"),
        ]:
            good_sparse(f"{name}-{layout}", sparse(layout, "float32", shape, lines), why)
        wrapping = [[(1, 100), (1, 100)], [(0, -128), (0, -1)]]
        good_sparse(f"wrapping-{layout}", sparse(layout, "int8", (2, 2), wrapping), "a sum that wraps")
        twice = [[(1, True), (1, True)], [(0, False), (0, True)]]
        good_sparse(f"bool-twice-{layout}", sparse(layout, "bool", (2, 2), twice), "a sum of booleans")
        for compressed in [False, True]:
            suffix = f"{layout}-{'compressed' if compressed else 'stored'}"
            good_sparse(f"i64-indices-{suffix}", sparse(layout, "float64", (3, 3), plain, "int64"),
                        "indices of 64 bits", compressed)
            good_sparse(f"matrix-{suffix}", sparse(layout, "float64", (3, 3), plain, kind="matrix"),
                        "a matrix, not an array: no member _is_array", compressed)
        for index in ["int8", "uint8", "int16", "uint16", "uint32", "uint64"]:
            good_sparse(f"{index}-indices-{layout}-compressed", sparse(layout, "float32", (3, 3), plain, index),
                        "indices of a type that SciPy reads and does not write", True)
            good_sparse(f"{index}-indices-{layout}", sparse(layout, "float32", (3, 3), plain, index),
                        "indices of a type that SciPy reads and does not write")
        matrix, longer = [sparse(layout, "float64", (3, 3), plain) for _ in range(2)]
        longer.indices = np.append(longer.indices, np.array([1, 99], np.int32))
        longer.data = np.append(longer.data, [7.0, 8.0])
        sp.save_npz(FILES / "npz" / f"longer-{layout}-compressed.npz", longer)
        expect_sparse(f"longer-{layout}-compressed", matrix, "entries behind the last line's")
        entries[-1]["stored"] = len(longer.data)
    matrix = sparse("csr", "float64", (3, 3), plain, kind="matrix")
    np.savez(FILES / "npz" / "format-as-text.npz", format=np.array("csr"), shape=np.array([3, 3]),
             data=matrix.data, indices=matrix.indices, indptr=matrix.indptr)
    expect_sparse("format-as-text", matrix, "SciPy before 1.0 wrote the format as text")


def archive(members, method=zipfile.ZIP_STORED):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as file:
        for name, content in members.items():
            info = zipfile.ZipInfo(name)
            info.compress_type = method
            file.writestr(info, content)
    return buffer.getvalue()


def members(**replaced):
    """The members of a good 3x4 csr file, some replaced by other arrays, or left out by None."""
    arrays = {
        "indices": np.array([0, 2, 1, 3], np.int32), "indptr": np.array([0, 2, 2, 4], np.int32),
        "format": np.array(b"csr"), "shape": np.array([3, 4]),
        "data": np.array([1, 2, 3, 4], np.float32), "_is_array": np.array(True),
    } | replaced
    return {
        f"{name}.npy": array if isinstance(array, bytes) else npy_bytes(array)
        for name, array in arrays.items()
        if array is not None
    }


def patched(content, name, change):
    """The archive, each of the two records of its member `name` changed in place."""
    content = bytearray(content)
    at = -1
    while (at := content.find(name.encode(), at + 1)) >= 0:
        for magic, length in [(b"PK\1\2", 46), (b"PK\3\4", 30)]:
            if content[at - length : at - length + 4] == magic:
                change(content, at - length, magic == b"PK\1\2")
    return bytes(content)


def encrypt(content, record, central):
    content[record + (8 if central else 6)] |= 1


def claim(size):
    def change(content, record, central):
        struct.pack_into("<I", content, record + (24 if central else 22), size)

    return change


def corrupt(content, record, central):
    if not central:
        name_length, extra_length = struct.unpack_from("<2H", content, record + 26)
        start = record + 30 + name_length + extra_length
        content[start : start + 8] = b"\xff" * 8


def bad_npz():
    int32 = lambda *values: np.array(values, np.int32)
    for name, replaced, why in [
        ("indptr-not-monotone", {"indptr": int32(0, 3, 2, 4)}, "indptr falls"),
        ("indptr-not-from-zero", {"indptr": int32(1, 2, 2, 4)}, "indptr begins at 1"),
        ("indptr-negative", {"indptr": int32(0, -1, 2, 4)}, "indptr falls below 0"),
        ("indptr-beyond-data", {"indptr": int32(0, 2, 2, 5)}, "indptr ends beyond the entries"),
        ("indptr-too-short", {"indptr": int32(0, 2, 4)}, "indptr for two rows of three"),
        ("indptr-too-long", {"indptr": int32(0, 2, 2, 4, 4)}, "indptr for four rows of three"),
        ("indptr-empty", {"indptr": int32()}, "indptr without an entry"),
        ("indices-too-large", {"indices": int32(0, 2, 1, 4)}, "an index beyond the last column"),
        ("indices-negative", {"indices": int32(0, -1, 1, 3)}, "a negative index"),
        ("lengths-disagree", {"data": np.ones(3, np.float32)}, "3 values for 4 indices"),
        ("data-two-axes", {"data": np.ones((2, 2), np.float32)}, "data of two axes"),
        ("shape-negative", {"shape": np.array([-3, 4])}, "a negative number of rows"),
        ("shape-three-axes", {"shape": np.array([3, 4, 1])}, "a shape of three"),
        ("no-data", {"data": None}, "a member is missing"),
        ("no-format", {"format": None}, "a member is missing"),
        ("member-over-long", {"data": npy_bytes(np.ones(4, np.float32)) + b"\0"}, "a byte after the data"),
    ]:
        bad(f"npz-bad/{name}.npz", archive(members(**replaced)), why, "Malformed")
    short = archive(members(data=npy_bytes(np.ones(4, np.float32))[:-1]))
    bad("npz-bad/member-truncated.npz", short, "a member's last byte is missing", "Truncated", "Malformed")
    objects = archive(members(data=np.array([1, 2, 3, 4], dtype=object)))
    bad("npz-bad/dtype-object.npz", objects, "data are Python objects", "Unsupported")
    unknown = archive(members(format=np.array(b"lil")))
    bad("npz-bad/format-lil.npz", unknown, "a format that save_npz does not write", "Unsupported")
    good = archive(members())
    deflated = archive(members(), zipfile.ZIP_DEFLATED)
    bad("npz-bad/truncated.npz", good[: len(good) // 2], "cut in half", "Truncated", "Malformed")
    bad("npz-bad/no-archive.npz", npy_bytes(np.ones(3)), "an npy file by another name", "Malformed")
    bad("npz-bad/encrypted.npz", patched(good, "data.npy", encrypt), "an encrypted member", "Unsupported")
    bad("npz-bad/bzip2.npz", archive(members(), zipfile.ZIP_BZIP2), "an unusual compression", "Unsupported")
    damaged = patched(deflated, "data.npy", corrupt)
    bad("npz-bad/corrupt.npz", damaged, "deflated data are damaged", "Malformed")
    for name, member in [("parent", "../data.npy"), ("absolute", "/data.npy"), ("windows", "..\\data.npy")]:
        content = archive(members() | {member: b"outside"})
        bad(f"npz-bad/traversal-{name}.npz", content, "a member outside the archive", "Malformed")
    # Four values by the header, four million bytes in the member: who reads it whole pays for them.
    long = npy_bytes(np.ones(4, np.float32)) + bytes(4_000_000)
    inflating = archive(members(data=long), zipfile.ZIP_DEFLATED)
    bad("npz-bad/bomb-member.npz", inflating, "a member that is a bomb", "Malformed")
    # All agree on 2^29 values, none is there: who believes it allocates 4 GiB.
    claims = [header(f"{{'descr': '{descr}', 'fortran_order': False, 'shape': ({CLAIMED},), }}\n")
              for descr in ["<f4", "<i4"]]
    indptr = np.array([0, 2, 2, CLAIMED], np.int32)
    content = archive(members(data=claims[0], indices=claims[1], indptr=indptr), zipfile.ZIP_DEFLATED)
    for member, start in [("data.npy", claims[0]), ("indices.npy", claims[1])]:
        content = patched(content, member, claim(len(start) + 4 * CLAIMED))
    bad("npz-bad/bomb-claims.npz", content, "4 GiB claimed, none there", "Malformed", "Truncated", "Budget")
