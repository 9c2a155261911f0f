"""What every NumPy peer needs: trial protocol v1 and generated data v1.

The protocol is docs/trial-protocol-v1.md, the data docs/generated-v1.md. A peer is a class with three methods,
`fill(trial, clock)`, `extract(trial)` and `sums(trial)`, and `values(trial)` for the untimed check; where it also has
`declines(trial)`, that says why it does not do a trial, or None. One with a format of its own is asked to make its file
from a `.npy` before it is ready: by its `make(trial, source)`, where it has that, else by a fill that nobody times.
`serve` does the rest. Needs Python 3.9 and NumPy.
"""

import ctypes
import json
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import numpy as np

DTYPES = {
    "bool": "?", "i8": "i1", "i16": "<i2", "i32": "<i4", "i64": "<i8", "u8": "u1", "u16": "<u2", "u32": "<u4",
    "u64": "<u8", "f16": "<f2", "f32": "<f4", "f64": "<f8", "complex64": "<c8", "complex128": "<c16",
}

# ---------------------------------------------------------------- generated data v1

GOLDEN = np.uint64(0x9E3779B97F4A7C15)
MASK = (1 << 64) - 1

# Cells made at once: their temporaries stay in the cache.
CHUNK = 1 << 15


def mix(z):
    """The finalizer of SplitMix64, in place."""
    z ^= z >> np.uint64(30)
    z *= np.uint64(0xBF58476D1CE4E5B9)
    z ^= z >> np.uint64(27)
    z *= np.uint64(0x94D049BB133111EB)
    z ^= z >> np.uint64(31)
    return z


def output(seed, index):
    """Output number `index` of the SplitMix64 generator with this seed, as a Python integer."""
    state = np.array([(seed + (index + 1) * int(GOLDEN)) & MASK], dtype=np.uint64)
    return int(mix(state)[0])


def uniform(words, dtype):
    """The values of non-zero cells with these words."""
    def grid(words, bits):
        whole = (words >> np.uint64(64 - bits)) + np.uint64(1)
        return whole.astype(np.float64) * 2.0**-bits

    kind, size = dtype.kind, dtype.itemsize
    if kind == "b":
        return np.ones(len(words), dtype)
    if kind == "c":
        bits = {8: 24, 16: 32}[size]
        values = np.empty(len(words), dtype)
        values.real = grid(words, bits)
        values.imag = grid(mix(words.copy()), bits)
        return values
    if kind == "f":
        return grid(words, {2: 11, 4: 24, 8: 32}[size]).astype(dtype)
    whole = mix(words.copy()) if size == 8 else words >> np.uint64(64 - 8 * size)
    whole[whole == 0] = 1
    return whole.astype(f"<u{size}").view(dtype)


class Generated:
    """The matrix that follows from a seed."""

    def __init__(self, seed, rows, dtype, density):
        self.columns = output(seed, 0)
        self.rows, self.dtype = rows, np.dtype(dtype)
        self.threshold = int(min(max(density, 0.0), 1.0) * 2**32)

    def column(self, index, out):
        """Writes column `index` to `out`."""
        key = np.uint64(output(self.columns, index))
        for start in range(0, self.rows, CHUNK):
            stop = min(start + CHUNK, self.rows)
            words = np.arange(start + 1, stop + 1, dtype=np.uint64)
            words *= GOLDEN
            words += key
            mix(words)
            values = uniform(words, self.dtype)
            if self.threshold < 2**32:
                values[(words & np.uint64(0xFFFFFFFF)) >= np.uint64(self.threshold)] = 0
            out[start:stop] = values


# ---------------------------------------------------------------- a trial


class Clock:
    """A clock that can stand: what is not part of the work is not counted."""

    def __init__(self):
        self.begun, self.stood = time.perf_counter(), 0.0

    @contextmanager
    def standing(self):
        since = time.perf_counter()
        yield
        self.stood += time.perf_counter() - since

    def elapsed(self):
        return time.perf_counter() - self.begun - self.stood


class Trial:
    """What the harness asks for."""

    def __init__(self, message):
        data = message["data"]
        self.rows, self.cols = data["shape"]
        self.shape = (self.rows, self.cols)
        self.dtype = np.dtype(DTYPES[data["dtype"]])
        self.order, self.density = data["order"], data["density"]
        self.workload, self.path = message["workload"], message["path"]
        self.memory, self.threads = message["memory"], message["threads"]
        self.limit = message.get("limit")
        self.make_from = message.get("make_from")
        if self.make_from is not None:
            self.make = given_columns(self.make_from)
        elif message.get("input") is not None:
            self.make = given_columns(message["input"])
        else:
            self.make = Generated(message["seed"], self.rows, self.dtype, self.density).column
        self.row_picks = picks(message.get("rows"))
        self.col_picks = picks(message.get("columns"))

    def column(self, index, clock, out):
        """Makes column `index` in `out`, while the clock stands."""
        with clock.standing():
            self.make(index, out)

    def select(self, array):
        """The selected cells of `array`, copied, in C order."""
        rows, cols = self.row_picks, self.col_picks
        if not isinstance(rows, slice) and not isinstance(cols, slice):
            return array[np.ix_(rows, cols)]
        return np.array(array[rows, cols], order="C")


def given_columns(path):
    """What fills take columns from: a dense file or, where that is given, a sparse one in CSC."""
    if path.endswith(".npy"):
        given = np.load(path, mmap_mode="r")
        return lambda index, out: np.copyto(out, given[:, index])
    import scipy.sparse

    columns = scipy.sparse.load_npz(path).tocsc()

    def make(index, out):
        entries = slice(columns.indptr[index], columns.indptr[index + 1])
        out[:] = 0
        out[columns.indices[entries]] = columns.data[entries]

    return make


def picks(axis):
    """An axis of the protocol as NumPy indexes by it."""
    if axis is None:
        return slice(None)
    if isinstance(axis, dict):
        return slice(axis["start"], axis["stop"], axis["step"])
    return np.array(axis, dtype=np.intp)


BATCH_ROWS = 256


def weigh(sums, batches):
    """Adds the column sums of `batches`, which come in order, each as often as its place in a cycle of four says."""
    for number, batch in enumerate(batches):
        sums += (1 + number % 4) * sum_columns(batch)
    return sums


def sum_columns(array):
    """Each column's sum in f64; of complex numbers both parts."""
    if array.dtype.kind == "c":
        return array.real.sum(axis=0, dtype=np.float64) + array.imag.sum(axis=0, dtype=np.float64)
    return array.sum(axis=0, dtype=np.float64)


def factors(cols):
    """The vector that `spmv` multiplies by."""
    return 1.0 + np.arange(cols) % 4


def multiply(array, vector):
    """Rows times a vector, in f64; of complex numbers both parts."""
    if array.dtype.kind == "c":
        return array.real @ vector + array.imag @ vector
    return array @ vector


# Rows that are multiplied at once: few enough that they are still in the cache as f64.
PRODUCT_ROWS = 1024


def products(block, vector):
    """As `multiply`, by few rows at a time."""
    starts = range(0, len(block), PRODUCT_ROWS)
    return np.concatenate([np.zeros(0), *(multiply(block[start : start + PRODUCT_ROWS], vector) for start in starts)])


def set_blas_threads(count):
    """How many threads NumPy's own OpenBLAS may use for a product; another BLAS goes by its environment."""
    library = ctypes.CDLL(np.linalg._umath_linalg.__file__)
    for name in ("scipy_openblas_set_num_threads64_", "openblas_set_num_threads64_", "openblas_set_num_threads"):
        if hasattr(library, name):
            return getattr(library, name)(count)


# Files that are synced at once: what they change in the file system's journal is then written together.
SYNCED_AT_ONCE = 16


def sync(path):
    """Makes the file at `path`, or all that is in the folder there, its length and its name durable."""
    files, folders = [path], [os.path.dirname(path)]
    if os.path.isdir(path):
        tree = list(os.walk(path, topdown=False))  # a folder after what is in it
        files = [os.path.join(folder, name) for folder, _, names in tree for name in names]
        folders = [folder for folder, _, _ in tree] + folders
    with ThreadPoolExecutor(SYNCED_AT_ONCE) as pool:
        list(pool.map(sync_one, files))
    for folder in folders:
        sync_one(folder)


def sync_one(path):
    descriptor = os.open(path, os.O_RDONLY)
    os.fsync(descriptor)
    os.close(descriptor)


# ---------------------------------------------------------------- the protocol


def say(message):
    print(json.dumps(message), flush=True)


def why_not(message, forms):
    """Why a peer cannot do this trial, or None."""
    data = message["data"]
    if (data["layout"] or data["order"]) not in forms:
        return "works on data in " + " or ".join(forms)
    if data["dtype"] not in DTYPES:
        return f"does not know dtype {data['dtype']}"
    return None


def sample(peer, trial):
    """Does the workload once: its answer, and what to say of it."""
    if trial.workload == "fill-columns":
        clock = Clock()
        flush, answer = peer.fill(trial, clock)
        filled = clock.elapsed()
        flush()
        sync(trial.path)
        seconds = clock.elapsed()
        done = {"seconds": seconds, "durable_seconds": seconds - filled, "stood_seconds": clock.stood}
        return answer, done
    sums = ("extract-columns", "scan", "spmv", "shuffle-epoch")
    work = peer.sums if trial.workload in sums else peer.extract
    start = time.perf_counter()
    answer = work(trial)
    return answer, {"seconds": time.perf_counter() - start, "durable_seconds": None}


def prepare(peer, trial):
    """Makes the peer's own file of a matrix that exists."""
    if hasattr(peer, "make"):
        peer.make(trial, np.load(trial.make_from, mmap_mode="r"))
    else:
        flush, _ = peer.fill(trial, Clock())
        flush()
    sync(trial.path)


def leave(answer, path):
    """Leaves an answer where the harness wants it; one that was not part of the work is made now."""
    np.ascontiguousarray(answer() if callable(answer) else answer).tofile(path)


def leave_values(groups, file):
    """Writes all columns, and keeps no group of them: the next sample needs its memory."""
    for columns in groups:
        for column in columns.T:
            # One by one: within a memory limit there is no room for a group of them twice.
            np.ascontiguousarray(column).tofile(file)
        columns = column = None  # nor is there while the next is made


def serve(name, peer, orders=("c",), layouts=(), arguments=None):
    """Speaks trial protocol v1 on standard input and output until the harness ends it; or tells name and version."""
    if (sys.argv[1:] if arguments is None else arguments) == ["--version"]:
        print(f"{name} on NumPy {np.__version__}, Python {sys.version.split()[0]}")
        return
    try:
        converse(peer, layouts or orders)
    except Exception as error:
        say({"failed": " ".join(f"{type(error).__name__}: {error}".split())})


def converse(peer, forms):
    trial = answer = None
    for line in sys.stdin:
        message = json.loads(line)
        if "trial" in message:
            reason = why_not(message["trial"], forms)
            if reason is None:
                trial = Trial(message["trial"])
                reason = peer.declines(trial) if hasattr(peer, "declines") else None
            if reason is not None:
                return say({"unsupported": reason})
            set_blas_threads(trial.threads)
            if trial.make_from is not None:
                prepare(peer, trial)
            say({"ready": {"version": f"NumPy {np.__version__}"}})
        elif "go" in message:
            answer = None  # the last sample's memory is not this one's
            answer, done = sample(peer, trial)
            say({"done": done})
        elif "answer" in message:
            leave(answer, message["answer"])
            if message.get("values"):
                with open(message["answer"] + ".values", "wb") as file:
                    leave_values(peer.values(trial), file)
            say({"answered": True})
        else:
            return
