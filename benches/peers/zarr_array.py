"""zarr-python 3: an array of format 3 in a folder, a file for each chunk.

Without a compressor: the data are random, and compressing them takes time and saves nothing. Without shards: a chunk is
large enough for a file, and a shard that is written by parts is read and written again.
"""

from contextlib import contextmanager

import zarr

from chunked import Chunked, Indexed
from trial import serve


class Zarr(Chunked):
    @contextmanager
    def create(self, trial, chunks):
        configure(trial)
        yield Indexed(
            zarr.create_array(
                trial.path, shape=trial.shape, dtype=trial.dtype, chunks=chunks, compressors=None, filters=None,
                # Not to be compared with zero first: there are no empty chunks.
                config={"write_empty_chunks": True},
            )
        )

    @contextmanager
    def open(self, trial):
        configure(trial)
        yield Indexed(zarr.open_array(trial.path, mode="r"))


def configure(trial):
    zarr.config.set({"threading.max_workers": trial.threads, "async.concurrency": 4 * trial.threads})


if __name__ == "__main__":
    serve(f"zarr {zarr.__version__}", Zarr(), layouts=("own",))
