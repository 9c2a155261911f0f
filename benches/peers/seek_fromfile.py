"""NumPy without a map: `seek`, `np.fromfile` and `tofile` by slabs of whole rows.

What a person writes from NumPy's documentation who knows that a column of a C-order file is spread over all of it:
columns are gathered in groups, and each group is put into the file by one pass over its slabs.
"""

from contextlib import contextmanager

import numpy as np
from numpy.lib import format as npy

from chunked import WholeRows, handed, into_slab
from trial import serve


class Seek(WholeRows):
    def workers(self, trial):
        return 1  # a file has one position

    def declines(self, trial):
        return None if trial.rows * trial.cols else "a matrix without cells has no slabs"

    @contextmanager
    def create(self, trial, slab):
        # Without a buffer: fromfile and tofile have their own.
        with open(trial.path, "w+b", buffering=0) as file:
            header = {"descr": npy.dtype_to_descr(trial.dtype), "fortran_order": False, "shape": trial.shape}
            npy.write_array_header_1_0(file, header)
            yield Slabs(trial, file, slab)

    @contextmanager
    def open(self, trial):
        with open(trial.path, "rb", buffering=0) as file:
            npy.read_magic(file)
            npy.read_array_header_1_0(file)
            yield Slabs(trial, file, self.chunk_shape(trial))


class Slabs:
    def __init__(self, trial, file, slab):
        self.file, self.begin, self.chunks = file, file.tell(), slab
        self.dtype, self.cols = trial.dtype, trial.cols

    def seek(self, row, col=0):
        self.file.seek(self.begin + (row * self.cols + col) * self.dtype.itemsize)

    def write(self, rows, cols, block):
        slab = into_slab(self, rows, cols, block)
        self.seek(rows.start)
        slab.tofile(self.file)

    def read(self, rows, cols, out=None):
        self.seek(rows.start)
        slab = np.fromfile(self.file, self.dtype, len(rows) * self.cols).reshape(len(rows), self.cols)
        return handed(slab[:, cols.start : cols.stop], out)

    def take(self, rows, cols):
        out = np.empty((len(rows), len(cols)), self.dtype)
        for own, row in zip(out, rows.tolist()):
            self.seek(row, cols.start)
            own[:] = np.fromfile(self.file, self.dtype, len(cols))
        return out


if __name__ == "__main__":
    serve("np.fromfile", Seek())
