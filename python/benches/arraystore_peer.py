"""This package as a peer of its own library: what Python costs over the same engine.

`arraystore compare --peers python/benches/arraystore-python.json`, where `python3` has the wheel.
"""

import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benches" / "peers"))

from trial import BATCH_ROWS, serve, sum_columns, weigh

import arraystore

# The package imports its parts as they are first used: here, before a clock runs.
CREATE, OPEN = arraystore.create, arraystore.open


def opened(trial):
    return OPEN(trial.path, memory=trial.memory, threads=trial.threads)


class Package:
    def fill(self, trial, clock):
        how = {"memory": trial.memory, "threads": trial.threads, "overwrite": True}
        array = CREATE(trial.path, trial.shape, trial.dtype, trial.order.upper(), **how)
        last = np.empty(trial.rows if trial.cols else 0, trial.dtype)

        def column(index):
            trial.column(index, clock, last)
            return last

        array.fill_columns(column)

        def flush():
            array.flush()
            array.close()

        return flush, last

    def extract(self, trial):
        with opened(trial) as array:
            rows, cols = trial.row_picks, trial.col_picks
            both = not isinstance(rows, slice) and not isinstance(cols, slice)
            return array[np.ix_(rows, cols)] if both else array[rows, cols]

    def sums(self, trial):
        with opened(trial) as array:
            if trial.workload == "extract-columns":
                return np.array([sum_columns(column[:, None])[0] for column in array.columns()])
            if trial.workload == "scan":
                return sum(map(sum_columns, array.rows()), np.zeros(trial.cols))
            return weigh(np.zeros(trial.cols), array.batches(BATCH_ROWS, order=trial.row_picks))

    def values(self, trial):
        with opened(trial) as array:
            for column in array.columns():
                yield column[:, None]


if __name__ == "__main__":
    serve("arraystore-python", Package())
