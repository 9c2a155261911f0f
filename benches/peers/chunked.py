"""A matrix in chunks in a format of its own: what the peers of such formats have in common.

A peer is a `Chunked` with two context managers, `create(trial, chunks)` and `open(trial)`, that give its array:

    array.chunks                    rows and columns of a chunk
    array.write(rows, cols, block)  writes a block in C order to two ranges
    array.read(rows, cols, out)     reads two ranges, to `out` where that is given: the block
    array.take(rows, cols)          optional: scattered rows, ascending, of a range of columns

All work goes by blocks of whole chunks within the trial's memory, on as many threads as `workers` says.
"""

import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from trial import BATCH_ROWS, factors, products, set_blas_threads, sum_columns, weigh

CHUNK_BYTES = 1 << 20
# A matrix of so many columns is read and written by columns: its chunks are high.
NARROW = 256
NARROW_WIDTH = 16
# What is held of columns or of scattered rows at a time, of the memory; the rest is for blocks and for the library.
HELD_SHARE = 0.75
# Of a memory limit, where each group of columns is one more pass over the disk.
LIMIT_SHARE = 0.6
SLAB_BYTES = 2 << 20
# Where fewer cells are not zero, chunks are compressed.
SPARSE = 0.5


class Chunked:
    # Bytes that are read or written at once by each thread.
    block_bytes = 8 << 20

    def workers(self, trial):
        return trial.threads

    def declines(self, trial):
        if 0 in trial.shape:
            return "a matrix without cells has no chunks"
        return None

    def chunk_shape(self, trial):
        """A mebibyte: 16 columns of a narrow matrix, a square of a wide one; no wider than columns can be held."""
        cells = CHUNK_BYTES // trial.dtype.itemsize
        width = NARROW_WIDTH if trial.cols <= NARROW else 1 << (cells.bit_length() - 1) // 2
        while width > self.held_columns(trial, width) < trial.cols:
            width //= 2
        return min(trial.rows, cells // width), min(trial.cols, width)

    # ------------------------------------------------------------ writing

    def fill(self, trial, clock):
        with self.create(trial, self.chunk_shape(trial)) as array, self.pool(trial) as pool:
            group = np.empty((self.held_columns(trial, array.chunks[1]), trial.rows), trial.dtype)
            for first in range(0, trial.cols, len(group)):
                columns = group[: trial.cols - first]
                for index, column in enumerate(columns, first):
                    trial.column(index, clock, column)
                cols = range(first, first + len(columns))

                def write(rows):
                    array.write(rows, cols, np.ascontiguousarray(columns[:, rows.start : rows.stop].T))

                list(pool.map(write, self.bands(trial, array, cols)))
            last = columns[-1].copy()
        return (lambda: None), last

    def make(self, trial, source):
        with self.create(trial, self.chunk_shape(trial)) as array:
            for rows in self.bands(trial, array, range(trial.cols)):
                for cols in self.pieces(trial, array, range(trial.cols)):
                    block = source[rows.start : rows.stop, cols.start : cols.stop]
                    array.write(rows, cols, np.ascontiguousarray(block))

    # ------------------------------------------------------------ reading

    def extract(self, trial):
        rows, cols = (
            range(length)[picks] if isinstance(picks, slice) else picks
            for length, picks in ((trial.rows, trial.row_picks), (trial.cols, trial.col_picks))
        )
        if len(rows) == 0 or len(cols) == 0:
            return np.empty((len(rows), len(cols)), trial.dtype)
        reach = range(min(cols), max(cols) + 1)
        with self.open(trial) as array, self.pool(trial) as pool:
            if isinstance(rows, range) and rows.step == 1:
                out = np.empty((len(rows), len(reach)), trial.dtype)
                first = rows.start

                def read(rows):
                    array.read(rows, reach, out[rows.start - first : rows.stop - first])

                list(pool.map(read, self.bands(trial, array, reach, rows)))
            elif hasattr(array, "take"):
                ascending, places = np.unique(np.asarray(rows), return_inverse=True)
                out = array.take(ascending, reach)[places]
            else:
                out = np.empty((len(rows), len(reach)), trial.dtype)
                self.gather(trial, array, pool, np.asarray(rows), reach, out)
        return out if len(cols) == len(reach) and isinstance(cols, range) else out[:, np.asarray(cols) - reach.start]

    def sums(self, trial):
        if trial.workload == "extract-columns":
            return np.concatenate([sums for sums, _ in self.groups(trial)])
        with self.open(trial) as array, self.pool(trial) as pool:
            if trial.workload == "shuffle-epoch":
                return weigh(np.zeros(trial.cols), self.batches(trial, array, pool))
            every, vector = range(trial.cols), factors(trial.cols)
            pieces = self.pieces(trial, array, every)

            def scan(rows):
                return np.concatenate([sum_columns(array.read(rows, cols)) for cols in pieces])

            def spmv(rows):
                return sum(products(array.read(rows, cols), vector[cols.start : cols.stop]) for cols in pieces)

            if trial.workload == "spmv":
                return np.concatenate(list(pool.map(spmv, self.bands(trial, array, every))))
            return sum(pool.map(scan, self.bands(trial, array, every)))

    def values(self, trial):
        for _, group in self.groups(trial):
            yield group

    def groups(self, trial):
        """Every column, a chunk's width of them in memory at a time, and their sums."""
        with self.open(trial) as array, self.pool(trial) as pool:
            width = self.held_columns(trial, array.chunks[1])
            held = np.empty(trial.rows * width, trial.dtype)
            for first in range(0, trial.cols, width):
                cols = range(first, min(first + width, trial.cols))
                group = held[: trial.rows * len(cols)].reshape(trial.rows, len(cols))

                def read(rows):
                    return sum_columns(array.read(rows, cols, group[rows.start : rows.stop]))

                yield sum(pool.map(read, self.bands(trial, array, cols))), group

    def batches(self, trial, array, pool):
        """The rows in their order, batch by batch: as many as memory holds are gathered in each pass over the chunks."""
        order, row_bytes = trial.row_picks, trial.cols * trial.dtype.itemsize
        held = max(1, trial.memory // 2 // (BATCH_ROWS * row_bytes)) * BATCH_ROWS
        window = np.empty((min(held, len(order)), trial.cols), trial.dtype)
        for start in range(0, len(order), held):
            rows = window[: len(order) - start]
            self.gather(trial, array, pool, order[start : start + held], range(trial.cols), rows)
            for first in range(0, len(rows), BATCH_ROWS):
                yield rows[first : first + BATCH_ROWS]

    def gather(self, trial, array, pool, wanted, cols, out):
        """Scattered rows of a range of columns: picked from the bands of chunks in which they lie."""
        places = np.argsort(wanted)
        ascending = wanted[places]

        def read(band):
            low, high = np.searchsorted(ascending, (band.start, band.stop))
            if low == high:
                return
            for part in self.pieces(trial, array, cols):
                block = array.read(band, part)[ascending[low:high] - band.start]
                out[places[low:high], part.start - cols.start : part.stop - cols.start] = block

        list(pool.map(read, self.bands(trial, array, cols)))

    # ------------------------------------------------------------ blocks

    def held_bytes(self, trial):
        return int(trial.memory * HELD_SHARE)

    def held_columns(self, trial, width):
        """How many columns are held in memory at a time: so many, or fewer where memory does not hold them."""
        return max(1, min(width, trial.cols, self.held_bytes(trial) // (trial.rows * trial.dtype.itemsize)))

    def pool(self, trial):
        # A product is made by each of them.
        set_blas_threads(max(1, trial.threads // self.workers(trial)))
        return ThreadPoolExecutor(self.workers(trial))

    def block_cells(self, trial):
        """Cells of a block: each thread has one and, while it works on it, as much again."""
        return min(self.block_bytes, trial.memory // (8 * self.workers(trial))) // trial.dtype.itemsize

    def pieces(self, trial, array, cols):
        """A range of columns in parts by whole chunks of which a block holds a chunk's height."""
        height, width = array.chunks
        return parts(cols, width, max(1, self.block_cells(trial) // (height * width)))

    def bands(self, trial, array, cols, rows=None):
        """The rows in parts by whole chunks, as many as a block holds of these columns."""
        height, width = array.chunks
        across = -(-len(cols) // width) * width
        return parts(rows or range(trial.rows), height, max(1, self.block_cells(trial) // (height * across)))


class Indexed:
    """An array that is written and read by indexing two ranges."""

    def __init__(self, array, chunks=None):
        self.array, self.chunks = array, chunks or array.chunks

    def write(self, rows, cols, block):
        self.array[rows.start : rows.stop, cols.start : cols.stop] = block

    def read(self, rows, cols, out=None):
        return handed(self.array[rows.start : rows.stop, cols.start : cols.stop], out)


def handed(block, out):
    """A block, in `out` where that is given."""
    if out is None:
        return block
    out[...] = block
    return out


def parts(indices, length, times):
    """A range in parts that end where a chunk of this length does, of so many chunks each."""
    step = length * times
    starts = [indices.start, *range((indices.start // step + 1) * step, indices.stop, step)]
    return [range(start, stop) for start, stop in zip(starts, [*starts[1:], indices.stop])]


def is_compressible(trial):
    """Whether compressing is worth its time: zeros are, the other cells are random."""
    return trial.density is not None and trial.density < SPARSE


def pieces_of(chunks, rows, cols):
    """Scattered rows, ascending, of some columns, by chunks: the first row and column of each, which rows, which columns."""
    height, width = chunks
    tops = rows // height * height
    for top in np.unique(tops).tolist():
        own = slice(*np.searchsorted(tops, (top, top + 1)).tolist())
        for col in parts(cols, width, 1):
            yield top, col.start // width * width, own, col


def announce(descriptor, starts, length):
    """Tells the kernel which pieces of a file are wanted, so that it reads all of them at once."""
    for start in starts.tolist():
        os.posix_fadvise(descriptor, start, length, os.POSIX_FADV_WILLNEED)


class WholeRows(Chunked):
    """A format in one run of rows: as if in chunks of whole rows, and every group of columns is a pass over all of them."""

    def chunk_shape(self, trial):
        return max(1, min(trial.rows, SLAB_BYTES // (trial.cols * trial.dtype.itemsize))), trial.cols

    def held_bytes(self, trial):
        return super().held_bytes(trial) if trial.limit is None else int(trial.limit * LIMIT_SHARE)


def into_slab(array, rows, cols, block):
    """Whole rows with a block in them: what earlier groups of columns wrote there is kept."""
    width = array.chunks[1]
    if len(cols) == width:
        return block
    slab = array.read(rows, range(width)) if cols.start else np.zeros((len(rows), width), block.dtype)
    slab[:, cols.start : cols.stop] = block
    return slab
