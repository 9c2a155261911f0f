"""`Array`: a dense file as an array that reads only what is asked of it."""

from __future__ import annotations

import mmap
import os
import socket
import warnings
from collections.abc import Callable, Iterable, Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from . import _indexing
from ._arraystore import Store, _forked
from ._sizes import in_words

if TYPE_CHECKING:
    from typing import Self

    import dask.array

os.register_at_fork(after_in_child=_forked)


class LargeCopyWarning(UserWarning):
    """More than the memory that an array was given is about to be copied into memory."""


class Lazy(Store):
    """What dense and sparse files have in common: their shape and type, opening, closing and pickling."""

    def __init__(self, path: Any, **how: Any) -> None:
        self._how = how
        # Where it is, also once this process works elsewhere.
        self._where = os.path.abspath(path)
        self.dtype = np.dtype(self.dtype_name)

    @property
    def shape(self) -> tuple[int, ...]:
        rows, cols = self.matrix_shape
        axes = self.file_shape
        if axes is None:
            return rows, cols
        if not axes:
            return ()
        # Appending makes the one axis longer that the file keeps lines along.
        return (*axes[:-1], cols) if self.layout == "f" and len(axes) > 1 else (rows, *axes[1:])

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def size(self) -> int:
        return _indexing._product(self.shape)

    @property
    def nbytes(self) -> int:
        """Bytes of the array in memory, every element counted."""
        return self.size * self.dtype.itemsize

    @property
    def mode(self) -> str:
        """'r', 'r+' or 'c'."""
        mode: str = self._how["mode"]
        return mode

    @property
    def backend(self) -> str:
        """How bytes are reached: 'memmap' or 'seek'."""
        return "memmap" if self._how["mapped"] else "seek"

    @property
    def memory(self) -> int:
        """Bytes that operations may take beside what they give."""
        memory: int = self._how["memory"]
        return memory

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("len() of unsized object")
        return self.shape[0]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # What an error left half written is not made durable: the file stays as the last flush left it.
        try:
            if kind is None and self.mode == "r+" and not self.closed:
                self.flush()
        finally:
            self.close()

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **how: Any) -> Any:
        """`x @ a` is done on the file; every other function of NumPy's is given arrays in memory."""
        if ufunc is np.matmul and method == "__call__" and not how and inputs[1] is self:
            return product(self, np.asarray(inputs[0]).T, transposed=True).T
        if any(isinstance(out, Lazy) for out in how.get("out", ())):
            return NotImplemented
        return getattr(ufunc, method)(*(np.asarray(one) if isinstance(one, Lazy) else one for one in inputs), **how)

    def __matmul__(self, factor: Any) -> np.ndarray:
        return product(self, factor, transposed=False)

    def __rmatmul__(self, factor: Any) -> np.ndarray:
        return product(self, np.asarray(factor).T, transposed=True).T

    def __repr__(self) -> str:
        state = "closed" if self.closed else f"mode {self.mode!r}, {self.backend}"
        return (
            f"<arraystore.{type(self).__name__} {os.fspath(self.path)!r}: shape {self.shape}, {self.dtype},"
            f" order {self.layout.upper()}, {in_words(self.nbytes)}; {state}>"
        )

    def __reduce__(self) -> tuple[Any, ...]:
        if self.mode != "r":
            raise TypeError(
                f"an array that is open in mode {self.mode!r} does not go to another process: one process writes to a file."
                " Flush it, and open it in mode 'r' to send it"
            )
        if self.closed:
            raise ValueError("the array is closed")
        how = {name: value for name, value in self._how.items() if value is not None and name != "expected"}
        return _reopened, (type(self), self._where, how, self.identity)

    def __dask_tokenize__(self) -> tuple[Any, ...]:
        return type(self).__name__, self._where, self.identity, self._how.get("raw")


def _reopened(kind: type[Lazy], path: str, how: dict[str, Any], identity: tuple[int, int]) -> Lazy:
    """What was pickled, opened in this process."""
    try:
        return kind(path, **how, expected=identity)
    except FileNotFoundError as error:
        words = f"not there on host {socket.gethostname()!r}, to which an array over it was sent: every host needs the path"
        raise FileNotFoundError(error.errno, words, path) from None


class Array(Lazy):
    """A dense file.

    Indexing reads: `a[i]`, `a[:, j]`, `a[2:9:3, [4, 1]]`, `a[mask]`, with NumPy's rules, gives NumPy arrays of their own. In mode
    'r+' assigning writes. Nothing else touches the file.
    """

    @property
    def order(self) -> Literal["C", "F"]:
        """'C': rows lie together; 'F': columns do."""
        return "F" if self.layout == "f" else "C"

    @property
    def chunks(self) -> tuple[int, ...]:
        """The shape of a block of some 64 MiB that is read without waste: along what lies together."""
        return chunk(self.shape, self.order, self.dtype.itemsize, 64 << 20)

    @property
    def _plain(self) -> _indexing.Layout:
        return _indexing.Layout(self.shape, self.order)

    def _select(self, key: Any) -> Any:
        """`self[key]`, where it is neither a row nor an element."""
        items = _indexing.parse(key, self.shape)
        reading = _indexing.reading(items, self.shape)
        if isinstance(reading, _indexing.Points):
            return self._scattered(reading.indices)
        layout = self._plain
        block = layout.block(self.read(*layout.place(reading.axes)), reading.shape)
        return block if reading.rest is None else block[reading.rest]

    def _scattered(self, indices: list[np.ndarray]) -> np.ndarray:
        """Cells that lie anywhere, each by itself."""
        shape = indices[0].shape
        flat = np.ravel_multi_index(indices, self.shape, order=self.order).ravel()
        whole = self._flat()
        if whole is not None:
            return whole.read(flat, (0, 1, 1)).reshape(shape)
        rows, cols = self._rows_and_columns(indices)
        out = np.empty(flat.shape, self.dtype)
        for row, places in by_line(rows):
            out[places] = self.read((row, row + 1, 1), cols[places])[0]
        return out.reshape(shape)

    def _rows_and_columns(self, indices: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        rows, cols = self._plain.matrix
        order = self.order if self.ndim > 1 else "C"
        flat = np.ravel_multi_index([places.ravel() for places in indices], self.shape, order=order)
        return (flat // cols, flat % cols) if order == "C" else (flat % rows, flat // rows)

    def _flat(self) -> Store | None:
        """The same file as one column of all its elements, where it can be seen so."""
        if self.closed:
            raise ValueError("the array is closed")
        if self.extents is None or self.contained or self.mode != "r" or not self.size:
            return None
        if not hasattr(self, "_column"):
            raw = (self.size, 1, self.dtype_name, "c", self.extents[0], None)
            how = {"mapped": self._how["mapped"], "memory": self.memory, "threads": self._how.get("threads")}
            self._column = Store(self._where, mode="r", raw=raw, expected=self.identity, **how)
        return self._column

    def close(self) -> None:
        """Closes the file, once nobody reads it any more."""
        column = self.__dict__.pop("_column", None)
        if column is not None:
            column.close()
        super().close()

    def __setitem__(self, key: Any, values: Any) -> None:
        if self.mode == "r":
            raise ValueError(f"{os.fspath(self.path)}: assignment destination is read-only: open it in mode 'r+'")
        items = _indexing.parse(key, self.shape)
        layout = self._plain
        arrays = [item for item in items if isinstance(item, np.ndarray)]
        values = np.asarray(values)
        if len(arrays) > 1 or any(array.ndim != 1 for array in arrays):
            self._scatter(_indexing.points(items, self.shape), values)
            return
        reading = _indexing.reading(items, self.shape)
        assert isinstance(reading, _indexing.Reading)
        # NumPy lays the values out: into a block that `rest` is a view of, or, where a list is beside an integer, is not.
        block = np.empty(reading.shape, self.dtype, order=self.order if self.ndim > 1 else "C")
        block[... if reading.rest is None else reading.rest] = values
        self.write(*layout.place(reading.axes), layout.matrix_of(block))

    def _scatter(self, indices: list[np.ndarray], values: np.ndarray) -> None:
        cells = np.empty(indices[0].shape, self.dtype)
        cells[...] = values
        rows, cols = self._rows_and_columns(indices)
        cells = cells.ravel()
        for row, places in by_line(rows):
            self.write((row, row + 1, 1), cols[places], cells[places].reshape(1, -1))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        if copy is False:
            raise ValueError("an array in a file is copied to become one in memory: a.numpy() maps it")
        free = _free_memory()
        if free is not None and self.nbytes > free:
            raise MemoryError(f"{self!r} takes {in_words(self.nbytes)} in memory, where {in_words(free)} are free")
        if self.nbytes > self.memory:
            words = f"{in_words(self.nbytes)} are copied into memory, of an array that was given {in_words(self.memory)}"
            warnings.warn(words, LargeCopyWarning, stacklevel=2)
        whole: np.ndarray = self[...]
        return whole if dtype is None else whole.astype(dtype, copy=False)

    def __iter__(self) -> Iterator[Any]:
        if not self.shape:
            raise TypeError("iteration over a 0-d array")
        if self.ndim == 1:
            for block in self.rows():
                yield from block
        elif self.ndim == 2:
            for block in self.rows():
                yield from block.copy()
        else:
            for index in range(len(self)):
                yield self[index]

    def numpy(self) -> np.ndarray:
        """The whole array, mapped: a read-only view of the file, of which pages are read as they are touched.

        Nothing is copied; the map is kept as long as a view of it lives. Needs a file in the machine's byte order whose data
        are aligned, open for reading.
        """
        if self.closed:
            raise ValueError("the array is closed")
        if self.extents is None or self.mode != "r":
            why = "open for writing" if self.mode != "r" else "of the other byte order, not aligned, or in chunks"
            raise ValueError(f"{os.fspath(self.path)} cannot be mapped as an array: it is {why}; a[...] reads it")
        if not self.size:
            return np.empty(self.shape, self.dtype)
        return mapped(self, self.extents[0], self.dtype, self.shape, self.order)

    def rows(self, batch: int | None = None, prefetch: int = 2) -> Iterator[np.ndarray]:
        """All rows from the first to the last, `batch` at a time (by default some 4 MiB), read ahead."""
        return self.batches(batch or self._usual_batch(), prefetch=prefetch)

    def batches(
        self,
        size: int,
        *,
        shuffle: bool = False,
        seed: int | None = None,
        order: Any = None,
        prefetch: int = 2,
    ) -> Iterator[np.ndarray]:
        """All rows, `size` at a time (the last batch may have fewer); with `shuffle` in a random order that follows from `seed`,
        with `order` the rows of these indices.

        A thread reads `prefetch` batches ahead. Of an array larger than memory rows are brought into their order in groups that
        `memory` holds, or by way of a scratch file beside the array's: the order is as random as it was without that.
        """
        if size < 1:
            raise ValueError(f"a batch has at least one row, not {size}")
        if prefetch < 0:
            raise ValueError("prefetch is at least 0")
        if not self.shape:
            raise TypeError("a 0-d array has no rows")
        if order is None:
            rows = np.arange(len(self), dtype=np.int64)
        elif shuffle:
            raise ValueError("an order is not shuffled: shuffle it before")
        else:
            (rows,) = _indexing.parse(np.asarray(order), self.shape[:1])
            if not isinstance(rows, np.ndarray) or rows.ndim != 1:
                raise ValueError("an order is a list of indices of rows")
        if shuffle:
            np.random.default_rng(seed).shuffle(rows)
        if self.ndim > 2 and self.order == "F":
            return (self[rows[first : first + size]] for first in range(0, len(rows), size))
        return self._shaped(self.read_batches(np.ascontiguousarray(rows), size, prefetch))

    def _shaped(self, batches: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        shape = self.shape[1:]
        for batch in batches:
            yield batch.reshape(len(batch), *shape)

    def _usual_batch(self) -> int:
        row = self.dtype.itemsize * _indexing._product(self.shape[1:])
        return max((4 << 20) // max(row, 1), 1)

    def columns(self, prefetch: int = 2) -> Iterator[np.ndarray]:
        """All columns from left to right, read ahead: in few passes over the file, whatever its order."""
        if self.ndim != 2:
            raise TypeError(f"an array of {self.ndim} axes has no columns")
        if not self.shape[0]:
            return iter([np.empty(0, self.dtype)] * self.shape[1])
        return iter(self.read_columns(prefetch))

    def fill_columns(self, source: Iterable[Any] | Callable[[int], Any]) -> None:
        """Sets all columns, from the first to the last, to what `source` gives: an iterable of columns, or of groups of columns
        (arrays of two axes), or a callable that is handed each column's index. In few passes, whatever the file's order.
        """
        if self.ndim != 2:
            raise TypeError(f"an array of {self.ndim} axes has no columns")
        rows, cols = self.shape
        given = (source(index) for index in range(cols)) if callable(source) else source
        taken = self.write_columns(self._as_columns(given, rows, cols))
        if taken != cols:
            raise ValueError(f"{taken} columns were given where the array has {cols}")

    def _as_columns(self, given: Iterable[Any], rows: int, cols: int) -> Iterator[np.ndarray]:
        left = cols
        for column in given:
            block = np.asarray(column)
            block = block.reshape(-1, 1) if block.ndim == 1 else block
            if block.ndim != 2 or block.shape[0] != rows or block.shape[1] > left:
                raise ValueError(f"columns of shape {np.shape(column)} where {left} of {rows} rows are left to fill")
            left -= block.shape[1]
            yield block.astype(self.dtype, copy=False)

    def append(self, values: Any) -> None:
        """Appends rows (columns, of an array in Fortran order), which are in the file once it is flushed."""
        values = np.asarray(values, self.dtype)
        lines = self.shape[1:] if self.order == "C" or self.ndim < 2 else self.shape[:-1]
        own = values.shape[1:] if self.order == "C" or self.ndim < 2 else values.shape[:-1]
        if values.ndim != self.ndim or own != lines:
            raise ValueError(f"values of shape {values.shape} do not go behind an array of shape {self.shape}")
        self.append_lines(self._plain.matrix_of(values))

    @property
    def plan(self) -> _Plans:
        """How `a[key]` would be read: `a.plan[key]`, without reading."""
        return _Plans(self)

    def explain(self, what: Any = ..., *, batch: int = 256) -> str:
        """How a selection (a key) or a work ('scan', 'rows', 'columns', 'batches', 'fill_columns') would be done, in words."""
        plan = self.planned_work(what, batch) if isinstance(what, str) else self.plan[what]
        return in_lines(plan)

    def to_dask(self, chunks: Any = "auto") -> dask.array.Array:
        """A Dask array over this file: workers open it themselves, so that nothing is sent but its path."""
        from ._dask import over

        return over(self, chunks)


class _Plans:
    """Plans, by the key that they are for."""

    def __init__(self, array: Array) -> None:
        self._array = array

    def __getitem__(self, key: Any) -> dict[str, Any]:
        array = self._array
        reading = _indexing.reading(_indexing.parse(key, array.shape), array.shape)
        if isinstance(reading, _indexing.Points):
            whole = array._flat()
            if whole is None:
                raise ValueError("scattered cells of this file are read one by one: there is no plan")
            flat = np.ravel_multi_index(reading.indices, array.shape, order=array.order).ravel()
            return whole.planned(flat, (0, 1, 1))
        return array.planned(*array._plain.place(reading.axes))


class _Map(mmap.mmap):
    """A map that keeps what it belongs to open."""

    owner: Store


def mapped(store: Lazy, offset: int, dtype: np.dtype, shape: tuple[int, ...], order: Literal["C", "F"] = "C") -> np.ndarray:
    """An array in the store's file, in place, read-only."""
    with open(store.file, "rb") as file:
        found = os.fstat(file.fileno())
        if (found.st_size, found.st_mtime_ns) != store.identity:
            raise ValueError(f"{os.fspath(store.path)} has been written to since it was opened: open it anew")
        start = offset - offset % mmap.ALLOCATIONGRANULARITY
        length = offset - start + dtype.itemsize * _indexing._product(shape)
        held = _Map(file.fileno(), length, access=mmap.ACCESS_READ, offset=start)
    held.owner = store
    return np.ndarray(shape, dtype, held, offset - start, order=order)


def product(store: Lazy, factor: Any, *, transposed: bool) -> np.ndarray:
    """The matrix, or its transpose, times a vector or a matrix of few columns."""
    if store.ndim != 2:
        raise TypeError(f"an array of {store.ndim} axes is not multiplied")
    factor = np.asarray(factor)
    if factor.ndim not in (1, 2):
        raise ValueError(f"a factor has one or two axes, not {factor.ndim}")
    wanted = np.result_type(store.dtype, factor.dtype)
    if wanted != store.dtype:
        raise TypeError(f"a matrix of {store.dtype} times {factor.dtype}: convert the factor to {store.dtype}")
    columns = factor.reshape(len(factor), -1).astype(store.dtype, copy=False)
    made = store.multiply(columns, transposed)
    return made.reshape(-1) if factor.ndim == 1 else made


def in_lines(plan: dict[str, Any]) -> str:
    """A plan in words, a line for each step."""
    lines = []
    for number, step in enumerate(plan["steps"], 1):
        words = f"{number}. {step['kind']}"
        if step["times"] > 1:
            words += f", {step['times']} times"
        moved = [f"{verb} {in_words(step[name])}" for verb, name in (("reads", "bytes_read"), ("writes", "bytes_written")) if step[name]]
        lines.append(words + (": " + ", ".join(moved) if moved else ""))
    lines.append(
        f"asked for {in_words(plan['bytes_requested'])}, moves {in_words(plan['bytes_moved'])}; holds {in_words(plan['memory_bytes'])}"
    )
    if plan["cheaper"]:
        layout, times = plan["cheaper"]
        lines.append(f"as {layout} it would move about {times} times fewer bytes: arraystore.convert(..., order={layout!r})")
    return "\n".join(lines)


def by_line(rows: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """Each line that occurs, and the places where it does, in the order of these."""
    sorting = np.argsort(rows, kind="stable")
    ends = np.flatnonzero(np.diff(rows[sorting])) + 1
    for places in np.split(sorting, ends):
        if len(places):
            yield int(rows[places[0]]), places


def chunk(shape: tuple[int, ...], order: str, itemsize: int, target: int) -> tuple[int, ...]:
    """The block of about `target` bytes that takes whole lines of what lies together."""
    chunk = [1] * len(shape)
    left = max(target // itemsize, 1)
    inner_first = range(len(shape) - 1, -1, -1) if order == "C" else range(len(shape))
    for axis in inner_first:
        chunk[axis] = max(min(shape[axis], left), 1)
        left //= chunk[axis]
        if not left:
            break
    return tuple(chunk)


def _free_memory() -> int | None:
    try:
        with open("/proc/meminfo") as lines:
            return next(int(line.split()[1]) << 10 for line in lines if line.startswith("MemAvailable"))
    except (OSError, StopIteration):
        return None
