"""NumPy as an expert writes it, who knows that a column of a C-order file is spread over all of it.

Filling: columns are gathered in memory in groups, and each group is written by blocks of rows. Reading: blocks of
rows, announced to the kernel ahead of use (MADV_WILLNEED), on all threads; scattered rows by positioned reads,
many in flight. What was tried and what it gave is told in docs/peers.md.
"""

import mmap
import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.lib.format import open_memmap

from trial import serve, sum_columns

GROUP = 25
# Rows of a block: when written, a block's pages stay in the cache while its columns come; when read, one call's
# overhead is small beside its work.
WRITTEN_ROWS = 1024
READ_ROWS = 1 << 14
# Positioned reads in flight.
DEPTH = 16


class Expert:
    def fill(self, trial, clock):
        array = open_memmap(trial.path, mode="w+", dtype=trial.dtype, shape=trial.shape)
        # Half of the memory: the rest is for what NumPy makes on the way.
        fitting = trial.memory // 2 // max(1, trial.rows * trial.dtype.itemsize)
        group = np.empty((max(1, min(GROUP, fitting, trial.cols)), trial.rows), trial.dtype)
        with ThreadPoolExecutor(trial.threads) as pool:
            for first in range(0, trial.cols, len(group)):
                columns = group[: trial.cols - first]
                for index, column in enumerate(columns, first):
                    trial.column(index, clock, column)

                def write(rows):
                    for start in range(rows.start, rows.stop, WRITTEN_ROWS):
                        block = slice(start, min(start + WRITTEN_ROWS, rows.stop))
                        array[block, first : first + len(columns)] = columns[:, block].T

                list(pool.map(write, parts(trial.rows, trial.threads)))
        last = columns[-1].copy() if trial.cols else np.empty(0, trial.dtype)
        return array.flush, last

    def extract(self, trial):
        if isinstance(trial.row_picks, np.ndarray) and isinstance(trial.col_picks, slice):
            return read_rows(trial)
        array = np.load(trial.path, mmap_mode="r")
        if not (isinstance(trial.row_picks, slice) and isinstance(trial.col_picks, slice)):
            return trial.select(array)
        rows = range(trial.rows)[trial.row_picks]
        out = np.empty((len(rows), len(range(trial.cols)[trial.col_picks])), trial.dtype)

        def read(part):
            for start in range(part.start, part.stop, READ_ROWS):
                stop = min(start + READ_ROWS, part.stop)
                wanted = rows[start:stop]
                announce(array, wanted[0], wanted[-1] + 1)
                picked = slice(wanted[0], wanted[-1] + 1, rows.step)
                out[start:stop] = array[picked, trial.col_picks]

        with ThreadPoolExecutor(trial.threads) as pool:
            list(pool.map(read, parts(len(rows), trial.threads)))
        return out

    def sums(self, trial):
        array = np.load(trial.path, mmap_mode="r")

        def add(start):
            stop = min(start + READ_ROWS, trial.rows)
            announce(array, start, stop)
            return sum_columns(array[start:stop])

        with ThreadPoolExecutor(trial.threads) as pool:
            return sum(pool.map(add, range(0, trial.rows, READ_ROWS)), np.zeros(trial.cols))

    def values(self, trial):
        array = np.load(trial.path, mmap_mode="r")
        for first in range(0, trial.cols, GROUP):
            yield np.asfortranarray(array[:, first : first + GROUP])


def parts(length, threads):
    """`range(length)` in four parts for each thread, so that no thread waits long for another."""
    step = max(1, -(-length // (4 * threads)))
    return [range(start, min(start + step, length)) for start in range(0, length, step)]


def announce(array, start, stop):
    """Tells the kernel that these rows of a mapped array are wanted."""
    row = array.shape[1] * array.itemsize
    # NumPy maps whole pages: the map begins at the page that holds the header's end.
    header = array.offset % mmap.ALLOCATIONGRANULARITY
    first = (header + start * row) // mmap.PAGESIZE * mmap.PAGESIZE
    array._mmap.madvise(mmap.MADV_WILLNEED, first, header + stop * row - first)


def read_rows(trial):
    """Scattered whole rows, or a slice of each: positioned reads on threads."""
    array = np.load(trial.path, mmap_mode="r")
    offset, item = array.offset, trial.dtype.itemsize
    del array
    cols = range(trial.cols)[trial.col_picks]
    span = slice(cols[0], cols[-1] + 1) if len(cols) else slice(0, 0)
    rows = trial.row_picks
    whole = np.empty((len(rows), span.stop - span.start), trial.dtype)
    bytes_of = whole.view(np.uint8) if whole.size else whole
    descriptor = os.open(trial.path, os.O_RDONLY)

    def read(part):
        for index in part:
            start = offset + (int(rows[index]) * trial.cols + span.start) * item
            wanted = bytes_of[index]
            if os.preadv(descriptor, [wanted], start) != wanted.nbytes:
                raise OSError(f"{trial.path} ends within row {rows[index]}")

    try:
        with ThreadPoolExecutor(DEPTH) as pool:
            list(pool.map(read, parts(len(rows) if whole.size else 0, DEPTH)))
    finally:
        os.close(descriptor)
    return whole if cols.step == 1 or not len(cols) else np.ascontiguousarray(whole[:, :: cols.step])


if __name__ == "__main__":
    serve("numpy-expert", Expert())
