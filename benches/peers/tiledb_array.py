"""TileDB: a dense array in a folder, its tiles in row-major order.

Without a filter: what is not zero is random. Where most cells are zero, LZ4, not shuffled, since runs of
zeros are longer so. Each write makes a fragment, of as many tiles as memory allows.
"""

from contextlib import contextmanager

import tiledb

from chunked import Chunked, Indexed, is_compressible
from trial import serve


class TileDB(Chunked):
    # A fragment for each, and a query: both have a cost of their own, so there are to be few of them.
    block_bytes = 64 << 20

    def workers(self, trial):
        return 1  # it has threads of its own

    def block_cells(self, trial):
        # Beside a block its tiles are in memory, and what came of them.
        share = 3 if trial.limit is None else 12
        return min(self.block_bytes, trial.memory // share) // trial.dtype.itemsize

    def declines(self, trial):
        if trial.dtype.kind == "f" and trial.dtype.itemsize == 2:
            return "TileDB has no f16"
        return super().declines(trial)

    @contextmanager
    def create(self, trial, chunks):
        context = context_of(trial)
        axes = (("row", trial.rows, chunks[0]), ("col", trial.cols, chunks[1]))
        dims = [
            tiledb.Dim(name=name, domain=(0, length - 1), tile=tile, dtype="uint64", ctx=context, filters=[])
            for name, length, tile in axes
        ]
        filters = [tiledb.LZ4Filter()] if is_compressible(trial) else []
        schema = tiledb.ArraySchema(
            tiledb.Domain(*dims, ctx=context), [tiledb.Attr(dtype=trial.dtype, filters=filters, ctx=context)], ctx=context
        )
        tiledb.Array.create(trial.path, schema, ctx=context)
        with tiledb.open(trial.path, "w", ctx=context) as array:
            yield Indexed(array, chunks)

    @contextmanager
    def open(self, trial):
        with tiledb.open(trial.path, "r", ctx=context_of(trial)) as array:
            domain = array.schema.domain
            yield Indexed(array, tuple(int(domain.dim(axis).tile) for axis in range(2)))


def context_of(trial):
    threads = str(trial.threads)
    memory = str(max(trial.memory // (2 if trial.limit is None else 4), 16 << 20))
    return tiledb.Ctx({
        "sm.compute_concurrency_level": threads,
        "sm.io_concurrency_level": threads,
        "sm.memory_budget": memory,
        "sm.mem.total_budget": memory,
    })


if __name__ == "__main__":
    library = ".".join(map(str, tiledb.libtiledb.version()))
    serve(f"TileDB-Py {tiledb.__version__}, TileDB {library}", TileDB(), layouts=("own",))
