"""NumPy as a reader of np.memmap's documentation writes it: one column at a time.

Nothing is tuned. What the harness measures here is what people have who follow the recipe.
"""

import numpy as np
from numpy.lib.format import open_memmap

from trial import BATCH_ROWS, factors, multiply, serve, sum_columns, weigh


class Memmap:
    def fill(self, trial, clock):
        array = open_memmap(trial.path, mode="w+", dtype=trial.dtype, shape=trial.shape)
        column = np.empty(trial.rows, trial.dtype)
        for index in range(trial.cols):
            trial.column(index, clock, column)
            array[:, index] = column
        return array.flush, column if trial.cols else column[:0]

    def extract(self, trial):
        return trial.select(np.load(trial.path, mmap_mode="r"))

    def sums(self, trial):
        array = np.load(trial.path, mmap_mode="r")
        if trial.workload == "scan":
            return sum_columns(array)
        if trial.workload == "spmv":
            return multiply(array, factors(trial.cols))
        if trial.workload == "shuffle-epoch":
            order = trial.row_picks
            starts = range(0, len(order), BATCH_ROWS)
            return weigh(np.zeros(trial.cols), (array[order[start : start + BATCH_ROWS]] for start in starts))
        return np.array([sum_columns(np.array(array[:, index : index + 1]))[0] for index in range(trial.cols)])

    def values(self, trial):
        """For the check, which is not timed: a column at a time would pass a wide file as often as it has columns."""
        array = np.load(trial.path, mmap_mode="r")
        group = max(1, trial.memory // 2 // max(1, trial.rows * trial.dtype.itemsize))
        for first in range(0, trial.cols, group):
            yield np.array(array[:, first : first + group])


if __name__ == "__main__":
    serve("numpy-memmap", Memmap())
