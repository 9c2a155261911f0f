"""What is neither CSR nor CSC: the other formats of SciPy's save_npz, and Matrix Market, good and bad."""

import numpy as np
import scipy.io
import scipy.sparse as sp

from manifest import DTYPES, FILES, NAMES, bad, cells, entries, little, npy_bytes
from sparse import archive

CLAIMED = 1 << 40


def expect(path, dense, layout, stored, why):
    entries.append({
        "file": path, "kind": "foreign", "why": why, "dtype": NAMES[dense.dtype.name],
        "shape": list(dense.shape), "layout": layout, "stored": int(stored), "values": little(dense),
    })


def placed(shape, dtype, rows, cols, values):
    """Every cell, entries stated twice summed in turn. SciPy's toarray() loses -0.0."""
    dense, seen = np.zeros(shape, dtype), set()
    for row, col, value in zip(rows, cols, values):
        with np.errstate(over="ignore"):
            dense[row, col] = dense[row, col] + value if (row, col) in seen else value
        seen.add((row, col))
    return dense


def good_npz():
    for dtype in DTYPES:
        if dtype == "float16":
            continue  # SciPy's sparse matrices cannot hold it
        values = cells(dtype, (7,))
        rows, cols = [3, 0, 2, 0, 1, 3, 2], [4, 0, 1, 3, 2, 0, 4]
        coo = sp.coo_array((values, (rows, cols)), shape=(4, 5))
        save(f"coo-{NAMES[dtype]}", coo, placed((4, 5), dtype, rows, cols, values), 7, "dtype", False)
        blocks = np.concatenate([values, values[:5]]).reshape(3, 2, 2)
        bsr = sp.bsr_array((blocks, [1, 0, 1], [0, 1, 3]), shape=(4, 4))
        dense = np.zeros((4, 4), dtype)
        for block, (row, col) in zip(blocks, [(0, 2), (2, 0), (2, 2)]):
            dense[row : row + 2, col : col + 2] = block
        save(f"bsr-{NAMES[dtype]}", bsr, dense, 12, "dtype", False)
        dia = sp.dia_array((np.resize(values, (2, 4)), [-1, 2]), shape=(3, 4))
        dense = np.zeros((3, 4), dtype)
        for row, col in np.ndindex(3, 4):
            if col - row in (-1, 2):
                dense[row, col] = dia.data[0 if col - row == -1 else 1, col]
        save(f"dia-{NAMES[dtype]}", dia, dense, 8, "dtype", False)
    # Duplicates side by side and not, in no order.
    rows, cols = [2, 0, 2, 1, 2, 0], [1, 3, 1, 0, 1, 0]
    values = np.array([0.1, 5, 0.2, -0.0, 0.3, np.nan], np.float32)
    coo = sp.coo_array((values, (rows, cols)), shape=(3, 4))
    for compressed in [False, True]:
        suffix = "compressed" if compressed else "stored"
        save(f"coo-duplicates-{suffix}", coo, placed((3, 4), "float32", rows, cols, values), 6,
             "entries stated thrice", compressed)
        save(f"coo-matrix-{suffix}", sp.coo_matrix(coo), placed((3, 4), "float32", rows, cols, values), 6,
             "a matrix, not an array", compressed)
    for name, shape in [("0x0", (0, 0)), ("0xN", (0, 4)), ("Nx0", (4, 0)), ("all-zero", (3, 4))]:
        save(f"coo-{name}", sp.coo_array(shape, dtype="f4"), np.zeros(shape, "f4"), 0, "no entry", False)
    wide = sp.bsr_array((np.arange(1.0, 7).reshape(1, 1, 6), [1], [0, 0, 1]), shape=(2, 12))
    save("bsr-1x6-compressed", wide, wide.toarray(), 6, "blocks that are wide", True)
    tall = sp.bsr_array((np.arange(1.0, 13).reshape(2, 6, 1), [1, 1], [0, 2]), shape=(6, 2))
    save("bsr-duplicates", tall, tall.toarray(), 12, "a block stated twice", False)
    far = sp.dia_array((np.arange(1.0, 16).reshape(3, 5), [-2, 0, 7]), shape=(6, 4))
    save("dia-outside", far, far.toarray(), 15, "a diagonal outside; more values than columns", False)
    for index in ["int8", "uint8", "int16", "uint16", "uint32", "uint64"]:
        these = lambda *values: np.array(values, index)
        raw(f"coo-indices-{index}", "coo", np.diag([1.0, 2, 3]), 3, row=these(2, 0, 1), col=these(2, 0, 1),
            data=np.array([3.0, 1, 2]))
        raw(f"bsr-indices-{index}", "bsr", np.kron([[0, 1], [1, 0]], np.ones((2, 2))), 8, indptr=these(0, 1, 2),
            indices=these(1, 0), data=np.ones((2, 2, 2)))
        raw(f"dia-indices-{index}", "dia", np.diag([1.0, 2], 1), 3, offsets=these(1), data=np.array([[9.0, 1, 2]]))
    raw("bsr-longer", "bsr", np.kron([[0, 1], [1, 0]], np.ones((2, 2))), 12, indptr=np.array([0, 1, 2]),
        indices=np.array([1, 0, 7]), data=np.ones((3, 2, 2)))
    eye = sp.coo_matrix(np.eye(2))
    np.savez(FILES / "npz" / "coo-format-as-text.npz", format=np.array("coo"), shape=np.array([2, 2]),
             row=eye.row, col=eye.col, data=eye.data)
    expect("npz/coo-format-as-text.npz", np.eye(2), "csr", 2, "SciPy before 1.0 wrote the format as text")


def save(name, matrix, dense, stored, why, compressed):
    path = FILES / "npz" / f"{name}.npz"
    sp.save_npz(path, matrix, compressed=compressed)
    assert np.array_equal(sp.load_npz(path).toarray(), dense, equal_nan=True), name
    expect(f"npz/{name}.npz", dense, "csr", stored, why)


def raw(name, layout, dense, stored, **arrays):
    """A file of just these arrays, as its user may have made it."""
    path = FILES / "npz" / f"{name}.npz"
    np.savez(path, format=np.array(layout.encode()), shape=np.array(dense.shape), **arrays)
    assert np.array_equal(sp.load_npz(path).toarray(), dense), name
    expect(f"npz/{name}.npz", dense, "csr", stored, "what SciPy reads and does not write")


def bad_npz():
    int32 = lambda *values: np.array(values, np.int32)
    coo = {"row": int32(0, 2, 1), "col": int32(1, 0, 3), "data": np.ones(3, "f4")}
    bsr = {"indices": int32(1, 0), "indptr": int32(0, 1, 2), "data": np.ones((2, 2, 2), "f4")}
    dia = {"offsets": int32(-1, 2), "data": np.ones((2, 4), "f4")}
    for layout, arrays, replaced, why in [
        ("coo", coo, {"row": int32(0, 3, 1)}, "a row beyond the last"),
        ("coo", coo, {"row": int32(0, -1, 1)}, "a negative row"),
        ("coo", coo, {"col": int32(1, 0, 4)}, "a column beyond the last"),
        ("coo", coo, {"col": int32(1, -9, 4)}, "a negative column"),
        ("coo", coo, {"row": int32(0, 1)}, "two rows for three values"),
        ("coo", coo, {"data": np.ones(4, "f4")}, "four values for three rows"),
        ("coo", coo, {"col": None}, "a member is missing"),
        ("coo", coo, {"row": np.ones(3, "f4")}, "rows that are no integers"),
        ("bsr", bsr, {"indices": int32(1, 2)}, "a block beyond the last column"),
        ("bsr", bsr, {"indices": int32(1, -1)}, "a negative index"),
        ("bsr", bsr, {"indptr": int32(0, 2, 1)}, "indptr falls"),
        ("bsr", bsr, {"indptr": int32(0, 1, 9)}, "indptr ends beyond the blocks"),
        ("bsr", bsr, {"indptr": int32(0, 1, 2, 2)}, "indptr for three rows of blocks where there are two"),
        ("bsr", bsr, {"data": np.ones((2, 3, 2), "f4")}, "blocks of three rows in a matrix of four"),
        ("bsr", bsr, {"data": np.ones((2, 0, 2), "f4")}, "blocks without a row"),
        ("bsr", bsr, {"data": np.ones(8, "f4")}, "values that are in no blocks"),
        ("dia", dia, {"offsets": int32(-1, 2, 3)}, "three offsets for two diagonals"),
        ("dia", dia, {"offsets": int32(2, 2)}, "a diagonal stated twice"),
        ("dia", dia, {"offsets": None}, "a member is missing"),
        ("dia", dia, {"data": np.ones(8, "f4")}, "diagonals on one axis"),
    ]:
        members = {"format": np.array(layout.encode()), "shape": np.array([4, 4] if layout != "coo" else [3, 4])}
        name = f"{layout}-{why.replace(' ', '-').replace(';', '')}"
        content = archive(npys(members | arrays | replaced))
        bad(f"npz-bad/{name}.npz", content, why, "Malformed", *["Unsupported"] * ("integers" in why))


def npys(arrays):
    return {f"{name}.npy": npy_bytes(array) for name, array in arrays.items() if array is not None}


def market(name, text, why, layout="csr"):
    path = FILES / "mtx" / f"{name}.mtx"
    path.write_bytes(text.encode())
    read = scipy.io.mmread(path)
    dense = read if isinstance(read, np.ndarray) else placed(read.shape, read.dtype, *read.coords, read.data)
    lines = [line for line in text.splitlines()[1:] if line.strip() and not line.lstrip().startswith("%")]
    stated = int(lines[0].split()[2]) if "coordinate" in text.lower() else len(lines) - 1
    expect(f"mtx/{name}.mtx", dense, layout, stated, why)


def good_mtx():
    values = {
        "real": ["1.5", "-2e-3", "7", ".25"], "integer": ["3", "-4", "9223372036854775807", "0"],
        "complex": ["1.5 -2", "4 1e5", "-3 0.5", "1 1"], "pattern": ["", "", "", ""],
        "unsigned-integer": ["3", "4", "18446744073709551615", "0"], "double": ["1", "2", "3", "4"],
    }
    below = [(1, 1), (3, 1), (3, 2), (2, 2)]
    for field, numbers in values.items():
        for symmetry in ["general", "symmetric", "skew-symmetric", "hermitian"]:
            if symmetry == "skew-symmetric" and field == "unsigned-integer":
                continue
            stated = [at for at in below if symmetry != "skew-symmetric" or at[0] != at[1]]
            body = "".join(f"{row} {col} {value}".rstrip() + "\n" for (row, col), value in zip(stated, numbers))
            banner = f"%%MatrixMarket matrix coordinate {field} {symmetry}\n"
            market(f"coordinate-{field}-{symmetry}", f"{banner}%\n3 3 {len(stated)}\n{body}", "field, symmetry")
            if field == "pattern":
                continue
            count = {"general": 9, "skew-symmetric": 3}.get(symmetry, 6)
            body = "\n".join((numbers * 3)[:count]) + "\n"
            banner = f"%%MatrixMarket matrix array {field} {symmetry}\n"
            market(f"array-{field}-{symmetry}", f"{banner}3 3\n{body}", "field, symmetry", "csc")
    general = "%%MatrixMarket matrix coordinate real general\n"
    market("duplicates", f"{general}2 3 4\n2 3 0.1\n1 1 4\n2 3 0.2\n2 3 0.3\n", "an entry stated thrice")
    market("empty", f"{general}3 4 0\n", "no entry")
    market("no-rows", f"{general}0 4 0\n", "no row")
    market("blank-lines", f"{general}% one\n\n% two\n3 4 2\n\n1 1 1\n \t\n3 4 2\n\n\n", "blank lines between")
    market("windows", f"{general}3 4 2\n1 1 1\n3 4 2\n".replace("\n", "\r\n"), "lines that end in \\r\\n")
    market("no-last-end", f"{general}3 4 2\n1 1 1\n3 4 2", "the last line does not end")
    market("case", general.upper().replace("%%MATRIXMARKET", "%%MatrixMarket") + "1 1 1\n1 1 1\n",
           "words in capitals")
    market("banner", "  %MatrixMarket\tMatrix Coordinate  REAL General and more\n  % one\n1 1 1\n1 1 1\n",
           "blanks, one percent sign and words that do not count")
    market("comments-behind", f"{general}2 2 2\n1 1 1 % one\n2 2 2% two\n", "comments behind entries")
    market("integer-points", f"{general.replace('real', 'integer')}2 2 3\n1 1 3.\n2 2 -4.0\n2 1 5.000 \n",
           "integers with a fraction of zeros")
    market("long-blanks", f"{general}%{'x' * 9000}\n{' ' * 9000}\n{' ' * 9000}2 2 2\n{' ' * 9000}1 1 1\n"
           f"{' ' * 9000}\n2 2 7\n", "blanks and comments longer than any line of numbers")
    market("spaces", f"{general}  3\t4   1 \n   3 \t 2    5.5   \n", "spaces and tabs")
    for symmetry in ["symmetric", "skew-symmetric"]:
        market(f"above-diagonal-{symmetry}", f"{general.replace('general', symmetry)}3 3 2\n1 3 5\n2 1 4\n",
               "an entry above the diagonal, which should not be stated")
    market("diagonal-skew-symmetric", f"{general.replace('general', 'skew-symmetric')}2 2 1\n1 1 1\n",
           "an entry on a diagonal that should be zero")
    market("extremes", f"{general}9 1 9\n1 1 inf\n2 1 -inf\n3 1 nan\n4 1 1e400\n5 1 1e-400\n"
           "6 1 4.9e-324\n7 1 1.7976931348623157e308\n8 1 -0.0\n9 1 0.1000000000000000055511151231257827\n",
           "numbers at the limits")
    market("nans", f"{general}5 1 5\n1 1 nan\n2 1 NaN\n3 1 -nan\n4 1 nan(snan)\n5 1 -nan(ind)\n",
           "every way in which a NaN is written")


def bad_mtx():
    general = "%%MatrixMarket matrix coordinate real general\n"
    malformed = {
        "too-many": "2 2 1\n1 1 1\n2 2 2\n",
        "row-zero": "2 2 1\n0 1 1\n",
        "column-zero": "2 2 1\n1 0 1\n",
        "row-beyond": "2 2 1\n3 1 1\n",
        "column-beyond": "2 2 1\n1 3 1\n",
        "row-negative": "2 2 1\n-1 1 1\n",
        "index-overflow": "2 2 1\n18446744073709551617 1 1\n",
        "garbage": "3 3 3\n1 1 1\n2 two 2\n3 3 3\n",
        "garbage-value": "3 3 3\n1 1 1\n2 2 x\n3 3 3\n",
        "binary": "3 3 3\n1 1 1\n\0\0\0\0\0\0\n3 3 3\n",
        "value-missing": "3 3 3\n1 1 1\n2 2\n3 3 3333\n",
        "value-too-many": "3 3 3\n1 1 1\n2 2 2 2\n3 3 3\n",
        "value-text": "2 2 2\n1 1 1 one\n2 2 2\n",
        "value-glued": "2 2 2\n1 1 1x\n2 2 2\n",
        "value-hexadecimal": "2 2 2\n1 1 0x10\n2 2 2\n",
        "sizes-negative": "-3 3 1\n1 1 1\n",
        "sizes-missing": "3 3\n1 1 1\n",
        "long-line": "1 1 1\n1 1 " + "x" * (1 << 17) + "\n",
    }
    for name, body in malformed.items():
        bad(f"mtx-bad/{name}.mtx", (general + body).encode(), name.replace("-", " "), "Malformed")
    for name, body in {
        "too-few": "2 2 2\n1 1 1.000\n",
        "claims": f"{CLAIMED} {CLAIMED} {CLAIMED}\n1 1 1\n",
        "no-sizes": "% nothing\n",
    }.items():
        bad(f"mtx-bad/{name}.mtx", (general + body).encode(), name.replace("-", " "), "Truncated")
    for name, text in {
        "integer-overflow": "%%MatrixMarket matrix coordinate integer general\n1 1 1\n1 1 9223372036854775808\n",
        "integer-real": "%%MatrixMarket matrix coordinate integer general\n1 1 1\n1 1 1.5\n",
        "integer-exponent": "%%MatrixMarket matrix coordinate integer general\n1 1 1\n1 1 1e5\n",
        "pattern-value": "%%MatrixMarket matrix coordinate pattern general\n2 2 2\n1 1 5\n2 2 7\n",
        "array-two-in-a-line": "%%MatrixMarket matrix array real general\n2 2\n1 9\n2 9\n3 9\n4\n",
        "array-not-square": "%%MatrixMarket matrix array real symmetric\n2 3\n1\n2\n3\n",
        "blank-before-banner": "\n%%MatrixMarket matrix coordinate real general\n1 1 1\n1 1 1\n",
        "no-symmetry": "%%MatrixMarket matrix coordinate real\n1 1 1\n1 1 1\n",
        "vector": "%%MatrixMarket vector array real general\n2\n1\n2\n",
        "array-too-many": "%%MatrixMarket matrix array real general\n1 2\n1\n2\n3\n",
        "not-square": "%%MatrixMarket matrix coordinate real symmetric\n2 3 1\n1 1 1\n",
        "no-banner": "3 3 1\n1 1 1\n",
        "no-field": "%%MatrixMarket matrix coordinate quaternion general\n1 1 1\n1 1 1\n",
    }.items():
        bad(f"mtx-bad/{name}.mtx", text.encode(), name.replace("-", " "), "Malformed")
    empty = "%%MatrixMarket matrix array real general\n2 2\n1\n2\n3    \n"
    bad("mtx-bad/array-too-few.mtx", empty.encode(), "array too few", "Truncated")
    bad("mtx-bad/empty.mtx", b"", "an empty file", "Malformed")
