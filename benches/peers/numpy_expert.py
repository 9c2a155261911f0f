"""NumPy as an expert writes it, who knows that a column of a C-order file is spread over all of it.

Filling: columns are gathered in memory in groups, and each group is written by blocks of rows. Reading: blocks of
rows with the kernel told of it; scattered rows announced to the kernel before the first is touched, so that all of
them are read at once. Within a memory limit: columns that fill most of it, and calls instead of a map. What was tried
beside it is told in docs/peers.md.
"""

import mmap
import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.lib.format import open_memmap

from trial import BATCH_ROWS, factors, products, serve, set_blas_threads, sum_columns, weigh

GROUP = 25
# Within a memory limit each pass over the file is one over the disk. So much of the limit is for columns, the rest for
# the pages of the file under way and for the program.
LIMIT_SHARE = 0.6
# Rows of a block that is turned: few enough for the caches, enough to make a call's overhead small beside it.
TURNED_ROWS = 4096
READ_ROWS = 1 << 14
# Of wider rows a part is read by calls, so many at once.
WIDE_ROW_BYTES = 32 << 10
READERS = 16
# Short pieces that are announced to the kernel before they are read.
ANNOUNCED = 1024
# Whole rows that are read and written by calls, so many bytes at once.
CALLED_BYTES = 16 << 20
# Batches of an epoch that are announced at a time.
AHEAD = 16


class Expert:
    def fill(self, trial, clock):
        array = open_memmap(trial.path, mode="w+", dtype=trial.dtype, shape=trial.shape)
        allocate(trial.path)
        group = np.empty((group_length(trial), trial.rows), trial.dtype)
        with ThreadPoolExecutor(trial.threads) as pool, file_of(trial, array, os.O_RDWR) as file:
            for first in range(0, trial.cols, len(group)):
                columns = group[: trial.cols - first]
                for index, column in enumerate(columns, first):
                    trial.column(index, clock, column)

                def write(rows):
                    for start in range(rows.start, rows.stop, file.height):
                        stop = min(start + file.height, rows.stop)
                        file.put(start, first, columns[:, start:stop].T)

                list(pool.map(write, parts(trial.rows, trial.threads)))
        last = columns[-1].copy() if trial.cols else np.empty(0, trial.dtype)
        return array.flush, last

    def extract(self, trial):
        array = np.load(trial.path, mmap_mode="r")
        if isinstance(trial.row_picks, np.ndarray):
            announce(array, trial.row_picks)
            return trial.select(array)
        if not isinstance(trial.col_picks, slice):
            return trial.select(array)
        rows = array[trial.row_picks]
        if array.shape[1] * array.itemsize > WIDE_ROW_BYTES and trial.col_picks != slice(None):
            return scattered(trial, array)
        if len(rows) == len(array):
            # A part of the rows is read faster without: told so, the kernel begins with short reads.
            array._mmap.madvise(mmap.MADV_SEQUENTIAL)
        out = np.empty((len(rows), len(range(trial.cols)[trial.col_picks])), trial.dtype)

        def read(start):
            block = slice(start, start + READ_ROWS)
            out[block] = rows[block, trial.col_picks]

        # All of the file is read from the disk in one run, a part of it is not: that is for all threads.
        with ThreadPoolExecutor(1 if len(rows) == len(array) else trial.threads) as pool:
            list(pool.map(read, range(0, len(rows), READ_ROWS)))
        return out

    def sums(self, trial):
        if trial.workload == "extract-columns":  # columns in memory, as many at a time as are cheap to hold
            return np.concatenate([sum_columns(group) for group in self.values(trial)])
        if trial.workload == "shuffle-epoch":
            return weigh(np.zeros(trial.cols), self.batches(trial))
        array = np.load(trial.path, mmap_mode="r")
        array._mmap.madvise(mmap.MADV_SEQUENTIAL)
        starts = range(0, trial.rows, READ_ROWS)
        with ThreadPoolExecutor(trial.threads) as pool:
            if trial.workload == "spmv":
                vector = factors(trial.cols)
                set_blas_threads(1)  # each of these multiplies
                return np.concatenate([
                    np.zeros(0), *pool.map(lambda start: products(array[start : start + READ_ROWS], vector), starts)
                ])
            sums = pool.map(lambda start: sum_columns(array[start : start + READ_ROWS]), starts)
            return sum(sums, np.zeros(trial.cols))

    def batches(self, trial):
        """The rows in their order, batch by batch; those to come are announced to the kernel."""
        array = np.load(trial.path, mmap_mode="r")
        array._mmap.madvise(mmap.MADV_RANDOM)
        order = trial.row_picks
        for start in range(0, len(order), BATCH_ROWS):
            if start % (AHEAD * BATCH_ROWS) == 0:
                announce(array, order[start + (AHEAD * BATCH_ROWS if start else 0) : start + 2 * AHEAD * BATCH_ROWS])
            yield array[order[start : start + BATCH_ROWS]]

    def values(self, trial):
        array = np.load(trial.path, mmap_mode="r")
        array._mmap.madvise(mmap.MADV_SEQUENTIAL)
        group = np.empty((group_length(trial), trial.rows), trial.dtype)
        with ThreadPoolExecutor(trial.threads) as pool, file_of(trial, array, os.O_RDONLY) as file:
            for first in range(0, trial.cols, len(group)):
                columns = group[: trial.cols - first]

                def read(rows):
                    for start in range(rows.start, rows.stop, file.height):
                        stop = min(start + file.height, rows.stop)
                        columns[:, start:stop] = file.take(start, stop, first, len(columns)).T

                list(pool.map(read, parts(trial.rows, trial.threads)))
                yield columns.T


class Mapped:
    """Blocks of a C-order array through its map."""

    height = TURNED_ROWS

    def __init__(self, array):
        self.array = array

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def take(self, start, stop, first, count):
        return self.array[start:stop, first : first + count]

    def put(self, start, first, block):
        rows, cols = block.shape
        self.array[start : start + rows, first : first + cols] = block


class Called:
    """Blocks of a C-order array by reads and writes of whole rows: no page is faulted in that a limit takes back."""

    def __init__(self, path, array, flags):
        self.descriptor = os.open(path, flags)
        self.offset, self.cols, self.dtype = array.offset, array.shape[1], array.dtype
        self.height = max(1, min(TURNED_ROWS, CALLED_BYTES // max(1, self.cols * self.dtype.itemsize)))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        os.close(self.descriptor)

    def place(self, row):
        return self.offset + row * self.cols * self.dtype.itemsize

    def rows(self, start, stop):
        rows = np.empty((stop - start, self.cols), self.dtype)
        os.preadv(self.descriptor, [rows], self.place(start))
        return rows

    def take(self, start, stop, first, count):
        return self.rows(start, stop)[:, first : first + count]

    def put(self, start, first, block):
        # Before the first group there is nothing but zeros.
        stop = start + len(block)
        rows = self.rows(start, stop) if first else np.zeros((len(block), self.cols), self.dtype)
        rows[:, first : first + block.shape[1]] = block
        os.pwrite(self.descriptor, rows, self.place(start))


def is_tight(trial):
    """Whether there is a memory limit, and too little left beside the columns in memory for the whole file."""
    data = trial.rows * trial.cols * trial.dtype.itemsize
    return trial.limit is not None and data > trial.limit * (1 - LIMIT_SHARE)


def file_of(trial, array, flags):
    """The way to the blocks of the mapped `array`."""
    return Called(trial.path, array, flags) if is_tight(trial) else Mapped(array)


def group_length(trial):
    """How many columns are held at a time: a group in half of the memory, or as many as a tight limit has room for."""
    column_bytes = max(1, trial.rows * trial.dtype.itemsize)
    # The other half is for what NumPy makes on the way.
    fitting = min(GROUP, trial.memory // 2 // column_bytes)
    if is_tight(trial):
        fitting = int(trial.limit * LIMIT_SHARE) // column_bytes
    return max(1, min(fitting, trial.cols))


def scattered(trial, array):
    """The picked columns of the picked rows, a call for each row: what lies between is not read.

    Short pieces are announced before they are read, so that the disk has many at once; long ones are read by many threads.
    """
    rows, cols = range(trial.rows)[trial.row_picks], range(trial.cols)[trial.col_picks]
    first, stop = min(cols), max(cols) + 1
    block = np.empty((len(rows), stop - first), trial.dtype)
    descriptor = os.open(trial.path, os.O_RDONLY)
    os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_RANDOM)

    places = [array.offset + (row * trial.cols + first) * array.itemsize for row in rows]

    def read(part):
        for index in part:
            os.preadv(descriptor, [block[index]], places[index])

    length = (stop - first) * array.itemsize
    if length > mmap.PAGESIZE:
        with ThreadPoolExecutor(READERS) as pool:
            list(pool.map(read, parts(len(rows), READERS)))
    else:
        for start in range(0, len(rows), ANNOUNCED):
            # The stretch that is read now was announced while the one before was.
            for place in places[start + (ANNOUNCED if start else 0) : start + 2 * ANNOUNCED]:
                os.posix_fadvise(descriptor, place, length, os.POSIX_FADV_WILLNEED)
            read(range(start, min(start + ANNOUNCED, len(rows))))
    os.close(descriptor)
    return np.ascontiguousarray(block[:, :: cols.step])


def allocate(path):
    """Gives the file its blocks at once, not page by page as they are first written."""
    descriptor = os.open(path, os.O_RDWR)
    os.posix_fallocate(descriptor, 0, os.fstat(descriptor).st_size)
    os.close(descriptor)


def parts(length, threads):
    """`range(length)` in four parts for each thread, so that no thread waits long for another."""
    step = max(1, -(-length // (4 * threads)))
    return [range(start, min(start + step, length)) for start in range(0, length, step)]


def announce(array, rows):
    """Tells the kernel which rows of a mapped array are wanted, so that it reads all of them at once."""
    row = array.shape[1] * array.itemsize
    # NumPy maps whole pages: the map begins at the page in which the header ends.
    header = array.offset % mmap.ALLOCATIONGRANULARITY
    starts = header + rows * row
    firsts = starts // mmap.PAGESIZE * mmap.PAGESIZE
    for first, length in zip(firsts.tolist(), (starts + row - firsts).tolist()):
        if length:
            array._mmap.madvise(mmap.MADV_WILLNEED, first, length)


if __name__ == "__main__":
    serve("numpy-expert", Expert())
