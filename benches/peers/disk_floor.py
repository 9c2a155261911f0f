"""No rival but the disk's own limits: how long the bytes of a finished matrix take to become durable, and how long
a whole file takes to be read.

Filling: the matrix is made in memory while the clock stands, then written from front to back, with the disk set to
work behind the writer's back. Reading a column, and sums: the file is read from front to back, and the answer made of what was
read while the next is. What others take beyond this is their own.
"""

import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.lib import format as npy

from trial import serve, sum_columns

PIECE_BYTES = 8 << 20
# Bytes after which the disk is told to make durable what is there: its work and the writer's overlap.
FLUSH_BYTES = 48 << 20


class Floor:
    def declines(self, trial):
        return None if trial.limit is None else "holds the whole matrix in memory, whatever the limit"

    def fill(self, trial, clock):
        with clock.standing():
            array = np.empty(trial.shape, trial.dtype)
            column = np.empty(trial.rows, trial.dtype)
            for index in range(trial.cols):
                trial.make(index, column)
                array[:, index] = column
            last = column.copy()
        with open(trial.path, "wb") as file, ThreadPoolExecutor(1) as pool:
            npy.write_array_header_1_0(file, npy.header_data_from_array_1_0(array))
            os.posix_fallocate(file.fileno(), file.tell(), array.nbytes)
            data, flushing = memoryview(array).cast("B"), []
            for start in range(0, len(data), PIECE_BYTES):
                file.write(data[start : start + PIECE_BYTES])
                if start // FLUSH_BYTES < (start + PIECE_BYTES) // FLUSH_BYTES:
                    flushing.append(pool.submit(os.fdatasync, file.fileno()))
            file.flush()
            for flush in flushing:
                flush.result()
        return lambda: None, last  # `serve` syncs the file and its name

    def extract(self, trial):
        taken = [rows[:, trial.col_picks].copy() for rows in self.read(trial)]
        return np.concatenate(taken)

    def sums(self, trial):
        with ThreadPoolExecutor(1) as pool:
            return sum(pool.map(sum_columns, self.read(trial)), np.zeros(trial.cols))

    def read(self, trial):
        """The file from front to back, some rows at a time."""
        array = np.load(trial.path, mmap_mode="r")
        offset, height = array.offset, max(1, PIECE_BYTES // max(1, array.strides[0]))
        del array
        with open(trial.path, "rb", buffering=0) as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_SEQUENTIAL)
            file.seek(offset)
            for start in range(0, trial.rows, height):
                rows = np.empty((min(height, trial.rows - start), trial.cols), trial.dtype)
                file.readinto(rows)
                yield rows

    def values(self, trial):
        yield np.load(trial.path, mmap_mode="r")


if __name__ == "__main__":
    serve("disk-floor", Floor())
