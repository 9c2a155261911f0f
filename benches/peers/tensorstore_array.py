"""TensorStore: its zarr3 driver in a folder, a file for each chunk.

Without a codec: what is not zero is random. Where most cells are zero, Blosc with LZ4, not shuffled, since runs of zeros are
longer so. Without a cache of chunks: each is met once, and the page cache has it besides.
"""

import ctypes
import os
import time
from contextlib import contextmanager
from importlib.metadata import version

import tensorstore as ts

from chunked import Chunked, handed, is_compressible
from trial import serve

# Reads and writes that wait for the disk at once.
FILES_AT_ONCE = 16
# glibc's name for it, of malloc.h.
M_MMAP_THRESHOLD = -3
DESCRIPTORS = "/proc/self/fd"


class TensorStore(Chunked):
    def declines(self, trial):
        if trial.limit is not None:
            # What its threads free goes back to the kernel, block by block, and is not kept for each of them.
            ctypes.CDLL(None).mallopt(M_MMAP_THRESHOLD, 256 << 10)
        return super().declines(trial)

    def workers(self, trial):
        return trial.threads if trial.limit is None else 1

    @contextmanager
    def create(self, trial, chunks):
        grid = {"name": "regular", "configuration": {"chunk_shape": chunks}}
        codecs = [{"name": "bytes", "configuration": {"endian": "little"}}]
        if is_compressible(trial):
            codecs.append({"name": "blosc", "configuration": {"cname": "lz4", "clevel": 5, "shuffle": "noshuffle"}})
        metadata = {"shape": trial.shape, "chunk_grid": grid, "data_type": trial.dtype.name, "codecs": codecs}
        yield Chunks(ts.open(spec(trial, metadata=metadata), create=True, context=context(trial)).result(), chunks)
        wait_until_closed(trial.path)

    @contextmanager
    def open(self, trial):
        store = ts.open(spec(trial), read=True, context=context(trial)).result()
        yield Chunks(store, store.chunk_layout.read_chunk.shape)
        wait_until_closed(trial.path)


def wait_until_closed(path):
    """A read is done before its file is closed, by a thread of TensorStore's."""
    while any(opened(name).startswith(path) for name in os.listdir(DESCRIPTORS)):
        time.sleep(1e-4)


def opened(name):
    try:
        return os.readlink(os.path.join(DESCRIPTORS, name))
    except FileNotFoundError:
        return ""


def spec(trial, **more):
    # Not compared with the fill value: there are no empty chunks.
    kvstore = {"driver": "file", "path": trial.path + "/"}
    return {"driver": "zarr3", "kvstore": kvstore, "store_data_equal_to_fill_value": True, **more}


def context(trial):
    return ts.Context({
        "data_copy_concurrency": {"limit": trial.threads},
        "file_io_concurrency": {"limit": FILES_AT_ONCE if trial.limit is None else trial.threads},
        # All files are synced at the end, many at a time.
        "file_io_sync": False,
        "cache_pool": {"total_bytes_limit": 0},
    })


class Chunks:
    def __init__(self, store, chunks):
        self.store, self.chunks = store, chunks

    def write(self, rows, cols, block):
        part = self.store[rows.start : rows.stop, cols.start : cols.stop]
        part.write(block, can_reference_source_data_indefinitely=True).result()

    def read(self, rows, cols, out=None):
        return handed(self.store[rows.start : rows.stop, cols.start : cols.stop].read().result(), out)


if __name__ == "__main__":
    serve(f"TensorStore {version('tensorstore')}", TensorStore(), layouts=("own",))
