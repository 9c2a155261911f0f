"""h5py: a dataset in one run (`contiguous`) or in chunks (`chunked`).

Without filters: what is not zero is random, and where most cells are zero HDF5 unpacks them, LZF as well as
gzip, on one thread, for longer than it takes to read them. It does one thing at a time, whoever calls: a pool's second
thread turns and sums what the first has read.
"""

import sys
from contextlib import contextmanager

import h5py
import numpy as np

from chunked import Chunked, WholeRows, announce, into_slab, pieces_of
from trial import serve

NAME = "matrix"
# Slots of the chunk cache: a prime number, a hundred times as many as chunks fit in.
SLOTS = 2003
# Chunks are met whole and once, so the cache needs little more than those that are under way.
CACHE_BYTES = 16 << 20


class InChunks(Chunked):
    @contextmanager
    def create(self, trial, chunks):
        with h5py.File(trial.path, "w", libver="latest", **cache(trial)) as file:
            # Every cell is written: none needs a fill value first.
            yield Chunks(file.create_dataset(NAME, trial.shape, trial.dtype, chunks=chunks, fill_time="never"))

    @contextmanager
    def open(self, trial):
        # Without a cache HDF5 reads no more of a chunk than is wanted: right for scattered rows, and for nothing else.
        few = trial.workload == "extract-rows"
        with h5py.File(trial.path, "r", **({"rdcc_nbytes": 0} if few else cache(trial))) as file:
            yield Chunks(file[NAME])


def cache(trial):
    # What was read or written whole is given up first.
    return {"rdcc_nbytes": min(CACHE_BYTES, trial.memory // 8), "rdcc_nslots": SLOTS, "rdcc_w0": 1.0}


class Chunks:
    def __init__(self, dataset):
        self.dataset = dataset
        self.chunks = dataset.chunks

    def write(self, rows, cols, block):
        self.dataset.write_direct(block, dest_sel=np.s_[rows.start : rows.stop, cols.start : cols.stop])

    def read(self, rows, cols, out=None):
        if out is None:
            out = np.empty((len(rows), len(cols)), self.dataset.dtype)
        self.dataset.read_direct(out, np.s_[rows.start : rows.stop, cols.start : cols.stop])
        return out

    def take(self, rows, cols):
        # The kernel is told of all that one selection will read.
        size, descriptor = self.dataset.dtype.itemsize, self.dataset.file.id.get_vfd_handle()
        for top, left, own, col in pieces_of(self.chunks, rows, cols):
            cells = (rows[own] - top) * self.chunks[1] + col.start - left
            announce(descriptor, self.begin(top, left) + cells * size, len(col) * size)
        return self.dataset[rows, cols.start : cols.stop]

    def begin(self, row, col):
        return self.dataset.id.get_chunk_info_by_coord((row, col)).byte_offset


class InOneRun(WholeRows):
    @contextmanager
    def create(self, trial, slab):
        with h5py.File(trial.path, "w", libver="latest") as file:
            yield Slabs(file.create_dataset(NAME, trial.shape, trial.dtype, fill_time="never"), slab)

    @contextmanager
    def open(self, trial):
        access = h5py.h5p.create(h5py.h5p.FILE_ACCESS)
        if trial.workload == "extract-rows":
            # No more is read around a row than the row: the sieve buffer would be 64 KiB of it.
            access.set_sieve_buf_size(1)
        with h5py.File(h5py.h5f.open(trial.path.encode(), h5py.h5f.ACC_RDONLY, access)) as file:
            yield Slabs(file[NAME], self.chunk_shape(trial))


class Slabs(Chunks):
    def __init__(self, dataset, slab):
        self.dataset, self.chunks = dataset, slab

    def begin(self, row, col):
        return self.dataset.id.get_offset() + (row * self.chunks[1] + col) * self.dataset.dtype.itemsize

    def write(self, rows, cols, block):
        # Whole rows: a part of each would be a write for each.
        super().write(rows, range(self.chunks[1]), into_slab(self, rows, cols, block))


if __name__ == "__main__":
    layout, *rest = sys.argv[1:]
    peer = {"chunked": InChunks, "contiguous": InOneRun}[layout]()
    serve(f"h5py {h5py.__version__}, HDF5 {h5py.version.hdf5_version}", peer, layouts=("own",), arguments=rest)
