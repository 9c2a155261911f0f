"""Python-Blosc2: a b2nd array in one contiguous frame.

Level 0 copies and does not compress: what is not zero is random. Where most cells are zero, LZ4, which takes least time; not
shuffled, since runs of zeros are longer so. Reads go through a map of the frame.
"""

from contextlib import contextmanager

import blosc2
import numpy as np

from chunked import Chunked, Indexed, is_compressible
from trial import serve

# Blocks of a chunk, what threads share out and the least that is read for a few rows.
BLOCKS = 4


class Blosc2(Chunked):
    def workers(self, trial):
        return 1  # it has threads of its own

    @contextmanager
    def create(self, trial, chunks):
        height, width = chunks
        level = 5 if is_compressible(trial) else 0
        packed = {"clevel": level, "codec": blosc2.Codec.LZ4, "filters": [blosc2.Filter.NOFILTER]}
        yield Chunks(
            blosc2.empty(
                trial.shape, trial.dtype, urlpath=trial.path, mode="w", contiguous=True,
                chunks=chunks, blocks=(-(-height // BLOCKS), width),
                cparams={**packed, "nthreads": trial.threads}, dparams={"nthreads": trial.threads},
            )
        )

    @contextmanager
    def open(self, trial):
        yield Chunks(blosc2.open(trial.path, mode="r", mmap_mode="r", dparams={"nthreads": trial.threads}))


class Chunks(Indexed):
    def take(self, rows, cols):
        return self.array[np.asarray(rows)][:, cols.start : cols.stop]


if __name__ == "__main__":
    serve(f"Python-Blosc2 {blosc2.__version__}, C-Blosc2 {blosc2.blosclib_version.split()[0]}", Blosc2(), layouts=("own",))
