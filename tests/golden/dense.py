"""npy files, good and bad."""

import warnings

import numpy as np

from manifest import DTYPES, FILES, NAMES, bad, cells, entries, header, little, npy_bytes

ORDERS = {"c": "C", "f": "F"}


def good_npy():
    for dtype in DTYPES:
        for order in ORDERS:
            for version in [1, 2, 3]:
                good_dense(
                    f"{NAMES[dtype]}-{order}-v{version}", cells(dtype, (4, 3)), order,
                    "dtype, order, version", (version, 0),
                )
            if np.dtype(dtype).itemsize > 1:
                big = cells(dtype, (4, 3)).astype(np.dtype(dtype).newbyteorder(">"))
                good_dense(f"{NAMES[dtype]}-{order}-big-endian", big, order, "foreign byte order")
    for shape in [(), (0,), (5,), (0, 0), (0, 3), (3, 0), (1, 5), (5, 1), (2, 3, 4), (2, 3, 2, 2), (2, 0, 3)]:
        for order in ORDERS:
            name = f"shape-{'x'.join(map(str, shape)) or 'scalar'}-{order}"
            good_dense(name, cells("float32", shape), order, "shape")
    three = cells("float32", (3, 2))
    for name, why, text in [
        ("python2-long", "Python 2 wrote lengths as 3L",
         "{'descr': '<f4', 'fortran_order': False, 'shape': (3L, 2L), }\n"),
        ("any-spelling", "keys in any order, double quotes, whitespace, no last comma",
         ' {"shape":( 3,\n2 , ) ,\t"fortran_order" :False,"descr":"<f4"}  \n\n'),
        ("unaligned", "an old or foreign writer: data begin at an odd byte",
         "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 2), } \n"),
        ("descr-equals", "'=' is the machine's byte order",
         "{'descr': '=f4', 'fortran_order': False, 'shape': (3, 2), }\n"),
        ("descr-bar", "'|' before more than a byte is the machine's byte order",
         "{'descr': '|f4', 'fortran_order': False, 'shape': (3, 2), }\n"),
        ("descr-name", "a dtype by its name",
         "{'descr': 'float32', 'fortran_order': False, 'shape': (3, 2), }\n"),
    ]:
        good_dense_text(name, three, why, text)
    good_dense_text("descr-big-byte", cells("uint8", (3, 2)), "a byte has no byte order",
                    "{'descr': '>u1', 'fortran_order': False, 'shape': (3, 2), }\n")


def good_dense(name, array, order, why, version=(1, 0)):
    """Writes `array` in its own byte order and lets NumPy write the header."""
    path = FILES / "npy" / f"{name}.npy"
    target = np.lib.format.open_memmap(
        path, "w+", dtype=array.dtype, shape=array.shape, fortran_order=order == "f", version=version
    )
    target[...] = array
    target.flush()
    expect_dense(name, array, order, why)


def good_dense_text(name, array, why, text, version=(1, 0)):
    """Writes `array` in C order behind a header whose dictionary is `text`."""
    (FILES / "npy" / f"{name}.npy").write_bytes(header(text, version) + array.tobytes("C"))
    expect_dense(name, array, "c", why)


def expect_dense(name, array, order, why):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # NumPy's on headers that Python 2 wrote
        loaded = np.load(FILES / "npy" / f"{name}.npy")
    assert loaded.shape == array.shape and loaded.tobytes("C") == array.tobytes("C"), name
    matrix = as_matrix(array, order)
    entries.append({
        "file": f"npy/{name}.npy", "kind": "dense", "why": why,
        "dtype": NAMES[array.dtype.newbyteorder("=").name], "shape": list(matrix.shape),
        "file_shape": None if array.ndim == 2 else list(array.shape), "order": order,
        "values": little(matrix),
    })


def as_matrix(array, order):
    """The array as arraystore sees it: two-dimensional without moving an element."""
    shape = array.shape
    if len(shape) == 0:
        return array.reshape(1, 1)
    if len(shape) == 1:
        return array.reshape(-1, 1)
    split = 1 if order == "c" else len(shape) - 1
    rows, cols = (int(np.prod(part, dtype=np.int64)) for part in (shape[:split], shape[split:]))
    return array.reshape(rows, cols, order=ORDERS[order])


def bad_npy():
    good = npy_bytes(cells("float32", (4, 3)))
    for name, content, why in [
        ("empty", b"", "no byte at all"),
        ("truncated-magic", good[:4], "ends inside the magic string"),
        ("truncated-version", good[:7], "ends before the version"),
        ("truncated-length", good[:9], "ends inside the header's length"),
        ("truncated-header", good[:60], "ends inside the header"),
        ("truncated-data", good[:-1], "the last byte is missing"),
        ("no-data", good[:128], "ends after the header"),
        ("shape-exceeds-file", dictionary(shape="(1000000000000, 100)") + bytes(64), "claims 400 TB"),
    ]:
        bad(f"npy-bad/{name}.npy", content, why, "Truncated")
    for name, array in [
        ("object", np.array([1, "a"], dtype=object)), ("bytes", np.array([b"abc", b"d"])),
        ("text", np.array(["abc", "d"])), ("datetime", np.array(["2001-01-01"], "M8[ns]")),
        ("timedelta", np.array([1], "m8[s]")), ("void", np.zeros(2, "V8")),
        ("longdouble", np.zeros(2, np.longdouble)), ("clongdouble", np.zeros(2, np.clongdouble)),
        ("structured", np.zeros(2, [("a", "<f4"), ("b", "<i8")])),
        ("structured-nested", np.zeros(2, [("a", [("b", "<f4", (2,))])])),
    ]:
        content = npy_bytes(array)
        bad(f"npy-bad/dtype-{name}.npy", content, f"dtype {array.dtype}", "Unsupported")
    for version in [(0, 1), (1, 1), (9, 0)]:
        content = good[:6] + bytes(version) + good[8:]
        bad("npy-bad/version-%d-%d.npy" % version, content, "unknown version", "Unsupported")
    bomb = "[" * 3000
    bad("npy-bad/bomb-descr.npy", dictionary(descr=bomb), "brackets without end", "Unsupported")
    for name, content, why in [
        ("bomb-shape", dictionary(shape=bomb.replace("[", "(")), "brackets without end"),
        ("bomb-order", dictionary(order=bomb), "brackets without end"),
        ("bomb-text", header(bomb.replace("[", "{")), "brackets without end"),
        ("over-long", good + b"\0", "a byte follows the data"),
        ("magic", b"\x93NUMPZ" + good[6:], "wrong magic string"),
        ("zip", b"PK\x03\x04" + bytes(60), "a zip archive"),
        ("header-length", b"\x93NUMPY\2\0\xff\xff\xff\xff" + good[10:], "claims a header of 4 GiB"),
        ("overflow-items", dictionary(shape="(4294967296, 4294967296)"), "2^64 elements"),
        ("overflow-bytes", dictionary(shape="(2305843009213693952, 4)"), "2^65 bytes"),
        ("overflow-beside-zero", dictionary(shape="(0, 9223372036854775807)"), "no row, but of 2^65 bytes"),
        ("length-2-64", dictionary(shape="(18446744073709551616,)"), "a length of 65 bits"),
        ("length-negative", dictionary(shape="(-3, 2)"), "a negative length"),
        ("length-float", dictionary(shape="(3.0, 2)"), "a length with a point"),
        ("shape-no-tuple", dictionary(shape="(3)"), "a number in brackets"),
        ("shape-list", dictionary(shape="[3, 2]"), "a list"),
        ("order-number", dictionary(order="1"), "an order that is no boolean"),
        ("descr-unknown", dictionary(descr="'<f3'"), "no such dtype"),
        ("descr-none", dictionary(descr="None"), "a dtype that is no string"),
        ("key-unknown", header("{'descr': '<f4', 'fortran_order': False, 'shape': (3,), 'x': 1}\n")
         + bytes(12), "a fourth key"),
        ("key-twice", header("{'descr': '<f4', 'fortran_order': False, 'shape': (3,), 'shape': (3,)}\n")
         + bytes(12), "a key twice"),
        ("key-missing", header("{'descr': '<f4', 'shape': (3,)}\n") + bytes(12), "no order"),
        ("no-dictionary", header("('<f4', False, (3,))\n") + bytes(12), "a tuple"),
        ("code", header("__import__('os').getcwd()\n") + bytes(12), "a program"),
        ("after-dictionary", header("{'descr': '<f4', 'fortran_order': False, 'shape': (3,)} 1\n")
         + bytes(12), "more than a dictionary"),
        ("no-text", header(b"\xff" * 54) + bytes(12), "bytes that are no text"),
        ("no-utf8", header(b"{'descr': '\xe9', 'fortran_order': False, 'shape': (3,)}\n", (3, 0))
         + bytes(12), "Latin-1 where version 3.0 has UTF-8"),
        ("bool-two", npy_bytes(np.zeros(4, bool))[:-1] + b"\2", "a boolean that is neither 0 nor 1"),
    ]:
        bad(f"npy-bad/{name}.npy", content, why, "Malformed")


def dictionary(descr="'<f4'", order="False", shape="(3, 2)"):
    """A file of 3x2 f32, something in its header replaced."""
    text = f"{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}, }}\n"
    return header(text, (2, 0)) + bytes(24)
