"""No rival but the disk's own limits: how long the bytes of a finished matrix take to become durable, and how long
a whole file takes to be read.

Filling: the matrix is made in memory while the clock stands, then written from front to back, with the disk set to
work behind the writer's back. Reading a column, and sums: the file is read from front to back and forgotten; the
answer is made afterwards. What others take beyond this is their own.
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
        read(trial.path)
        return lambda: trial.select(np.load(trial.path, mmap_mode="r"))

    def sums(self, trial):
        read(trial.path)
        return lambda: sum_columns(np.load(trial.path, mmap_mode="r"))

    def values(self, trial):
        yield np.load(trial.path, mmap_mode="r")


def read(path):
    """Reads the file from front to back."""
    buffer = bytearray(PIECE_BYTES)
    with open(path, "rb", buffering=0) as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_SEQUENTIAL)
        while file.readinto(buffer):
            pass


if __name__ == "__main__":
    serve("disk-floor", Floor())
