"""Digest v1 and generated data v1 from the formulas in docs/, in plain Python, compared with docs/vectors/.

    python3 tests/python/vectors.py [FOLDER]

An implementation of its own: nothing here comes from the crate, and nothing but the standard library is needed.
Prints one line for each vector that disagrees, then how many were checked; exits with 1 if one disagreed.
"""

import json
import struct
import sys
from pathlib import Path

MASK = (1 << 64) - 1
GOLDEN = 0x9E3779B97F4A7C15
LANE = 0xD6E8FEB86659FD93

# Name, bytes of an element, and how struct reads it: the place in this list is the dtype's code.
DTYPES = [
    ("bool", 1, "<B"), ("i8", 1, "<b"), ("i16", 2, "<h"), ("i32", 4, "<i"), ("i64", 8, "<q"), ("u8", 1, "<B"),
    ("u16", 2, "<H"), ("u32", 4, "<I"), ("u64", 8, "<Q"), ("f16", 2, "<e"), ("f32", 4, "<f"), ("f64", 8, "<d"),
    ("complex64", 8, "<ff"), ("complex128", 16, "<dd"),
]
CODE = {name: code for code, (name, _, _) in enumerate(DTYPES)}
SIZE = {name: size for name, size, _ in DTYPES}
FORM = {name: form for name, _, form in DTYPES}


def mix(z):
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
    return z ^ (z >> 31)


# ---------------------------------------------------------------- docs/digest-v1.md


def digest(shape, dtype, cells):
    """The digest of a matrix whose cells are (row, column, bytes of the element); others are zero."""
    first = second = 0
    for row, col, element in cells:
        for word in range((SIZE[dtype] + 7) // 8):
            bits = int.from_bytes(element[8 * word : 8 * word + 8], "little")
            if bits == 0:
                continue
            row_key = mix((row + 1) * GOLDEN & MASK)
            col_key = mix(~((2 * col + word + 1) * GOLDEN) & MASK) | 1
            keyed = bits ^ row_key
            product = keyed * col_key
            folded = (product & MASK) ^ (product >> 64)
            other = (folded ^ keyed) * LANE & MASK
            first = (first + folded) & MASK
            second = (second + (other ^ (other >> 32))) & MASK
    frame = mix(mix(mix(shape[0] ^ GOLDEN) ^ shape[1]) ^ CODE[dtype])
    turned = (frame << 32 | frame >> 32) & MASK
    return f"{mix(first ^ frame):016x}{mix(second ^ turned):016x}"


# ---------------------------------------------------------------- docs/generated-v1.md


def output(seed, index):
    """Output number `index`, from 0, of the SplitMix64 generator with this seed."""
    return mix((seed + (index + 1) * GOLDEN) & MASK)


def value(word, dtype):
    """The bytes of a non-zero cell with this word."""
    high, more = word >> 32, mix(word)
    if dtype == "bool":
        return b"\x01"
    if dtype[0] in "iu":
        bits = 8 * SIZE[dtype]
        whole = more if bits == 64 else high >> (32 - bits)
        return (whole or 1).to_bytes(bits // 8, "little")
    if dtype == "f16":
        return struct.pack("<e", ((high >> 21) + 1) / 2**11)
    if dtype == "f32":
        return struct.pack("<f", ((high >> 8) + 1) / 2**24)
    if dtype == "f64":
        return struct.pack("<d", (high + 1) / 2**32)
    other = more >> 32
    if dtype == "complex64":
        return struct.pack("<ff", ((high >> 8) + 1) / 2**24, ((other >> 8) + 1) / 2**24)
    return struct.pack("<dd", (high + 1) / 2**32, (other + 1) / 2**32)


def cell(seed, row, col, density, dtype):
    """The bytes of a cell."""
    word = output(output(output(seed, 0), col), row)
    if word % 2**32 >= int(density * 2**32):
        return bytes(SIZE[dtype])
    return value(word, dtype)


def matrix(seed, shape, density, dtype):
    """Every cell: (row, column, bytes)."""
    return [(i, j, cell(seed, i, j, density, dtype)) for i in range(shape[0]) for j in range(shape[1])]


def column_sums(cells, shape, dtype):
    """Each column's sum; of complex numbers both parts. Exact where docs/generated-v1.md says so."""
    sums = [0.0] * shape[1]
    for _, col, element in cells:
        sums[col] += sum(map(float, struct.unpack(FORM[dtype], element)))
    return sums


def choose_rows(seed, rows):
    """The rows of extract-rows: the first steps of the shuffle of Fisher and Yates, written plainly."""
    stream, order = output(seed, 1), list(range(rows))
    count = min(2000, rows)
    for place in range(count):
        other = place + (output(stream, place) * (rows - place) >> 64)
        order[place], order[other] = order[other], order[place]
    return order[:count]


def middle(length):
    """The middle quarter of extract-block."""
    count = (length + 3) // 4
    return [(length - count) // 2, (length - count) // 2 + count]


# ---------------------------------------------------------------- the vectors


def check_digests(vectors):
    for name, code in vectors["codes"].items():
        yield f"code of {name}", CODE[name], code
    for entry in vectors["matrices"]:
        cells = [(row, col, bytes.fromhex(element)) for row, col, element in entry["cells"]]
        yield entry["name"], digest(entry["shape"], entry["dtype"], cells), entry["digest"]


def check_generated(vectors):
    for entry in vectors["splitmix64"]:
        found = [str(output(int(entry["seed"]), index)) for index in range(len(entry["outputs"]))]
        yield f"splitmix64 {entry['seed']}", found, entry["outputs"]
    for entry in vectors["cells"]:
        seed, row, col = int(entry["seed"]), int(entry["row"]), int(entry["column"])
        found = cell(seed, row, col, entry["density"], entry["dtype"]).hex()
        yield f"cell {entry}", found, entry["bytes"]
    for entry in vectors["matrices"]:
        shape, dtype = entry["shape"], entry["dtype"]
        cells = matrix(int(entry["seed"]), shape, entry["density"], dtype)
        name = f"matrix {shape} {dtype} {entry['density']}"
        yield f"{name}: digest", digest(shape, dtype, cells), entry["digest"]
        yield f"{name}: sums", list(map(repr, column_sums(cells, shape, dtype))), entry["sums"]
    for entry in vectors["rows"]:
        found = choose_rows(int(entry["seed"]), entry["rows"])
        name = f"rows {entry['seed']} of {entry['rows']}"
        yield f"{name}: count", len(found), entry["count"]
        yield f"{name}: first", found[: len(entry["first"])], entry["first"]
        yield f"{name}: sum", sum(found), entry["sum"]
    for entry in vectors["middles"]:
        yield f"middle {entry['length']}", middle(entry["length"]), entry["quarter"]


def chosen(axis, length):
    """The indices that an axis of the trial protocol picks."""
    if axis is None:
        return list(range(length))
    if isinstance(axis, dict):
        return list(range(axis["start"], axis["stop"], axis["step"]))
    return axis


def check_dialogue(lines):
    """The answers that the example dialogues must give."""
    trial = None
    for number, line in enumerate(lines, 1):
        if "trial" in line.get("send", {}):
            trial = line["send"]["trial"]
        if "check" not in line:
            continue
        check, data = line["check"], trial["data"]
        dtype, shape = data["dtype"], data["shape"]
        cells = matrix(trial["seed"], shape, data["density"], dtype)
        if check["what"] == "sums":
            cells = [(0, col, struct.pack("<d", s)) for col, s in enumerate(column_sums(cells, shape, dtype))]
            yield f"line {number}", digest([1, shape[1]], "f64", cells), check["digest"]
            continue
        rows, cols = chosen(trial["rows"], shape[0]), chosen(trial["columns"], shape[1])
        if check["what"] == "last column":
            cols = [shape[1] - 1]
        elements = {(row, col): element for row, col, element in cells}
        picked = [
            (i, j, elements[row, col]) for i, row in enumerate(rows) for j, col in enumerate(cols)
        ]
        yield f"line {number}", digest([len(rows), len(cols)], dtype, picked), check["digest"]


def main():
    default = Path(__file__).resolve().parents[2] / "docs" / "vectors"
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else default
    checks = list(check_digests(json.loads((folder / "digest-v1.json").read_text())))
    checks += check_generated(json.loads((folder / "generated-v1.json").read_text()))
    lines = (folder / "trial-v1.jsonl").read_text().splitlines()
    checks += check_dialogue([json.loads(line) for line in lines])
    wrong = 0
    for name, found, expected in checks:
        if found != expected:
            wrong += 1
            print(f"{name}: {found} where the vector says {expected}")
    print(f"{len(checks)} vectors checked, {wrong} disagree")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
