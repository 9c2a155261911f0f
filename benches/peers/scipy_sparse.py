"""SciPy's sparse arrays, as people use them who have a file of save_npz, and as an expert does who knows what lies in it.

    scipy_sparse.py naive|expert csr|csc

Naive: `load_npz`, indexing and `toarray`; columns gathered and saved by `save_npz`. Expert: the members of the archive mapped
where they lie, so that nothing is loaded that is not used; lines of the file by slices, the other axis by one look through the
indices, every column of a CSR by `tocsc` first; sums by `bincount`, a stretch of entries at a time, so that little is made f64 at once;
rows at random with the map told of it; and fills into arrays that grow by halves, with no copy of all columns at the end. What an
archive holds compressed, or not aligned, is loaded.
"""

import mmap
import struct
import sys
import zipfile

import numpy as np
import scipy
import scipy.sparse as sp

from trial import BATCH_ROWS, factors, serve, sum_columns, weigh

# Columns made dense at a time where all are wanted, at most.
GROUP = 16

# Entries that are summed at a time: their copy in f64 stays in the cache.
STRETCH = 1 << 18


class Naive:
    def __init__(self, layout):
        self.layout = layout

    def declines(self, trial):
        return "sparse arrays have no elements of this type" if trial.dtype.kind == "f" and trial.dtype.itemsize == 2 else None

    def load(self, trial):
        return sp.load_npz(trial.path)

    def fill(self, trial, clock):
        column = np.empty(trial.rows, trial.dtype)
        data, indices, ends = [np.empty(0, trial.dtype)], [np.empty(0, np.int32)], [0]
        for index in range(trial.cols):
            trial.column(index, clock, column)
            places = np.flatnonzero(column)
            data.append(column[places])
            indices.append(places.astype(np.int32))
            ends.append(ends[-1] + len(places))
        return self.save(trial, np.concatenate(data), np.concatenate(indices), ends, column)

    def save(self, trial, data, indices, ends, column):
        """Makes the file of the entries of a CSC."""
        width = np.int32 if ends[-1] < 2**31 else np.int64
        array = sp.csc_array((data, indices.astype(width, copy=False), np.array(ends, width)), shape=trial.shape)
        sp.save_npz(trial.path, array if self.layout == "csc" else array.tocsr(), compressed=False)
        return (lambda: None), column if trial.cols else column[:0]

    def extract(self, trial):
        return self.pick(self.load(trial), trial.row_picks, trial.col_picks)

    def pick(self, array, rows, cols):
        if not (is_run(rows) or is_run(cols)):  # SciPy takes a list beside a slice with steps for pairs
            rows, cols = np.ix_(np.arange(array.shape[0])[rows], np.arange(array.shape[1])[cols])
        return array[rows, cols].toarray(order="C")

    def sums(self, trial):
        array = self.load(trial)
        if trial.workload == "scan":
            return self.scan(array)
        if trial.workload == "spmv":
            return product(array, factors(trial.cols))
        if trial.workload == "shuffle-epoch":
            array, order = self.by_rows(array), trial.row_picks
            starts = range(0, len(order), BATCH_ROWS)
            return weigh(np.zeros(trial.cols), (array[order[s : s + BATCH_ROWS]].toarray() for s in starts))
        return np.concatenate([np.zeros(0), *map(sum_columns, self.columns(array, trial))])

    def by_rows(self, array):
        return array

    def scan(self, array):
        # Told to sum in f64, SciPy sums in the array's own type first.
        if array.dtype.kind == "c":
            return array.real.astype(np.float64).sum(axis=0) + array.imag.astype(np.float64).sum(axis=0)
        return array.astype(np.float64).sum(axis=0)

    def columns(self, array, trial):
        """Every column, dense, one by one."""
        for index in range(array.shape[1]):
            yield array[:, [index]].toarray()

    def values(self, trial):
        array = sp.csc_array(self.load(trial))
        length = group_length(trial)
        for first in range(0, trial.cols, length):
            yield array[:, first : first + length].toarray()


class Expert(Naive):
    def load(self, trial):
        parts = members(trial.path)
        shape = tuple(int(length) for length in parts["shape"])
        kind = sp.csc_array if self.layout == "csc" else sp.csr_array
        array = kind(shape, dtype=parts["data"].dtype)
        # Set one by one: the constructor would look at every index.
        array.data, array.indices, array.indptr = parts["data"], parts["indices"], parts["indptr"]
        return array

    def fill(self, trial, clock):
        column = np.empty(trial.rows, trial.dtype)
        data, indices, ends = np.empty(1024, trial.dtype), np.empty(1024, np.int32), [0]
        for index in range(trial.cols):
            trial.column(index, clock, column)
            places = np.flatnonzero(column)
            end = ends[-1] + len(places)
            if end > len(data):
                length = max(end, len(data) * 3 // 2)
                data.resize(length, refcheck=False)
                indices.resize(length, refcheck=False)
            np.take(column, places, out=data[ends[-1] : end])
            indices[ends[-1] : end] = places
            ends.append(end)
        return self.save(trial, data[: ends[-1]], indices[: ends[-1]], ends, column)

    def pick(self, array, rows, cols):
        if self.layout == "csr" and not isinstance(rows, slice):
            at_random(array)
        if is_all(rows) and isinstance(cols, slice):
            wanted = range(array.shape[1])[cols]
            if self.layout == "csc":
                return np.ascontiguousarray(lines_of(array, wanted).T)
            if len(wanted) == 1:
                return one_position(array, wanted[0])
        return super().pick(array, rows, cols)

    def by_rows(self, array):
        return array if self.layout == "csr" else array.tocsr()

    def scan(self, array):
        if array.dtype.kind == "c":
            return super().scan(array)
        if self.layout == "csc":
            return line_sums(array)
        sums = np.zeros(array.shape[1])
        for part in stretches(array.nnz):
            sums += np.bincount(array.indices[part], weights=array.data[part], minlength=len(sums))
        return sums

    def sums(self, trial):
        if trial.workload == "extract-columns" and trial.dtype.kind != "c":
            # One after another, and none of them made dense.
            array = self.load(trial)
            return line_sums(array if self.layout == "csc" else array.tocsc())
        return super().sums(trial)

    def columns(self, array, trial):
        array = array if self.layout == "csc" else array.tocsc()
        length = group_length(trial)
        for first in range(0, array.shape[1], length):
            yield array[:, first : first + length].toarray(order="F")


def stretches(entries):
    """Slices of few entries, of all of them."""
    return (slice(first, min(first + STRETCH, entries)) for first in range(0, entries, STRETCH))


def line_sums(array):
    """The sum in f64 of each column of a CSC array."""
    sums = np.zeros(array.shape[1])
    filled = np.flatnonzero(np.diff(array.indptr))
    begins = array.indptr[filled]
    for part in stretches(array.nnz):
        # The columns that have entries in it; the first and the last may have more elsewhere.
        first = np.searchsorted(begins, part.start, side="right") - 1
        last = np.searchsorted(begins, part.stop, side="left")
        cuts = np.maximum(begins[first:last], part.start) - part.start
        sums[filled[first:last]] += np.add.reduceat(array.data[part].astype(np.float64), cuts)
    return sums


def at_random(array):
    """Tells the kernel that what is mapped will be read here and there: it would read ahead else."""
    for part in (array.indices, array.data):
        if isinstance(part, np.memmap):
            part._mmap.madvise(mmap.MADV_RANDOM)


def group_length(trial):
    """Columns of a group: beside them as many entries are held, and their indices."""
    return max(1, min(GROUP, trial.memory // max(1, trial.rows * (2 * trial.dtype.itemsize + 4))))


def product(array, vector):
    if array.dtype.kind == "c":
        return array.real @ vector + array.imag @ vector
    return array @ vector


def is_all(picks):
    return isinstance(picks, slice) and picks == slice(None)


def is_run(picks):
    return isinstance(picks, slice) and picks.step in (None, 1)


def lines_of(array, lines):
    """Columns of a CSC array, dense, each a row."""
    out = np.zeros((len(lines), array.shape[0]), array.dtype)
    for own, line in zip(out, lines):
        entries = slice(array.indptr[line], array.indptr[line + 1])
        own[array.indices[entries]] = array.data[entries]
    return out


def one_position(array, position):
    """A position of every line of a CSR array, dense: one look through all indices."""
    out = np.zeros((array.shape[0], 1), array.dtype)
    found = np.flatnonzero(array.indices == position)
    out[np.searchsorted(array.indptr, found, side="right") - 1, 0] = array.data[found]
    return out


def members(path):
    """The arrays of an archive, mapped where they can be."""
    arrays = {}
    with zipfile.ZipFile(path) as archive, open(path, "rb") as file:
        for info in archive.infolist():
            name = info.filename.removesuffix(".npy")
            file.seek(info.header_offset)
            name_length, extra_length = struct.unpack("<26xHH", file.read(30))
            begin = info.header_offset + 30 + name_length + extra_length
            file.seek(begin)
            version = np.lib.format.read_magic(file) if info.compress_type == zipfile.ZIP_STORED else None
            if version not in [(1, 0), (2, 0)]:
                with archive.open(info) as member:
                    arrays[name] = np.lib.format.read_array(member)
                continue
            read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
            shape, _, dtype = read(file)
            if not shape or 0 in shape or file.tell() % dtype.itemsize:
                with archive.open(info) as member:
                    arrays[name] = np.lib.format.read_array(member)
            else:
                arrays[name] = np.memmap(path, dtype, "r", file.tell(), shape)
    return arrays


if __name__ == "__main__":
    kind, layout, *rest = sys.argv[1:]
    peer = {"naive": Naive, "expert": Expert}[kind](layout)
    serve(f"SciPy {scipy.__version__}", peer, layouts=(layout,), arguments=rest)
