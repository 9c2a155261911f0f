"""zarr-python 3: an array of format 3 in a folder, a file for each chunk.

Without a compressor where compressing takes time and saves nothing: what is not zero is random. Where most cells are zero,
Blosc with LZ4, not shuffled, since runs of zeros are longer so. Without shards: a chunk is large
enough for a file, and a shard that is written by parts is read and written again.
"""

from contextlib import contextmanager

import zarr
from zarr.codecs import BloscCodec

from chunked import Chunked, Indexed, is_compressible
from trial import serve


class Zarr(Chunked):
    @contextmanager
    def create(self, trial, chunks):
        configure(trial)
        packed = BloscCodec(cname="lz4", clevel=5, shuffle="noshuffle") if is_compressible(trial) else None
        yield Indexed(
            zarr.create_array(
                trial.path, shape=trial.shape, dtype=trial.dtype, chunks=chunks, compressors=packed, filters=None,
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
