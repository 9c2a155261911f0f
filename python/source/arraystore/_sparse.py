"""`SparseArray`: a compressed sparse file, read as `scipy.sparse` arrays or dense ones."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import numpy as np

from . import _indexing
from ._array import Lazy, by_line, in_lines, mapped

if TYPE_CHECKING:
    import dask.array
    import scipy.sparse


class SparseArray(Lazy):
    """A sparse matrix in a file: `.npz` as SciPy saves it, or `.mtx`.

    Indexing reads what is asked for and gives a `scipy.sparse` array in the file's own format (an element where both indices are
    integers, as SciPy does); `dense[...]` gives NumPy arrays. In mode 'r+' assigning dense values writes.
    """

    @property
    def format(self) -> str:
        """'csr' or 'csc'."""
        return self.layout

    @property
    def nnz(self) -> int:
        """Entries of the file, zeros among them too; of a list in another format what that states."""
        return self.stored

    @property
    def chunks(self) -> tuple[int, int]:
        """The shape of a block that is read without waste: whole lines, of some 8 million entries or, dense, of 64 MiB."""
        rows, cols = self.shape
        lines, length = (rows, cols) if self.format == "csr" else (cols, rows)
        per_line = max(self.nnz / lines if lines else 0, length * self.dtype.itemsize / 8 / (8 << 20), 1)
        taken = max(min(int((8 << 20) / per_line), lines), 1)
        return (taken, max(cols, 1)) if self.format == "csr" else (max(rows, 1), taken)

    @property
    def dense(self) -> _Dense:
        """The same matrix, whose parts are NumPy arrays."""
        return _Dense(self)

    def _select(self, key: Any) -> Any:
        """`self[key]`."""
        items = _indexing.parse(key, self.shape)
        if all(isinstance(item, int) for item in items):
            return self._dense(items)
        if any(isinstance(item, np.ndarray) and item.ndim != 1 for item in items) or (
            sum(isinstance(item, np.ndarray) for item in items) == 2
        ):
            return self._dense(items)
        import scipy.sparse

        reading = _indexing.reading(items, self.shape)
        assert isinstance(reading, _indexing.Reading)
        indptr, indices, data, shape = self.read_entries(*reading.axes)
        kind = scipy.sparse.csr_array if self.format == "csr" else scipy.sparse.csc_array
        block = _assembled(kind, shape, indptr, indices, data)
        rest = reading.rest or (slice(None), slice(None))
        if any(own is not None and isinstance(own, slice) and own.step == -1 for own in rest):
            block = block[tuple(own if isinstance(own, slice) else slice(None) for own in rest)]
        # One row or one column is an array of one axis, as SciPy's arrays have it.
        if any(isinstance(item, int) for item in items):
            return _line(block, items)
        return block

    def _dense(self, items: list[Any]) -> Any:
        reading = _indexing.reading(items, self.shape)
        if isinstance(reading, _indexing.Points):
            rows, cols = (places.ravel() for places in reading.indices)
            out = np.empty(rows.shape, self.dtype)
            for row, places in by_line(rows if self.format == "csr" else cols):
                line = (row, row + 1, 1)
                block = self.read(line, cols[places]) if self.format == "csr" else self.read(rows[places], line)
                out[places] = block.ravel()
            return out.reshape(reading.indices[0].shape)
        block = self.read(*reading.axes)
        return block if reading.rest is None else block[reading.rest]

    def __setitem__(self, key: Any, values: Any) -> None:
        if self.mode == "r":
            raise ValueError(f"{os.fspath(self.path)}: assignment destination is read-only: open it in mode 'r+'")
        items = _indexing.parse(key, self.shape)
        if sum(isinstance(item, np.ndarray) for item in items) > 1:
            raise IndexError("cells of a sparse file are assigned by rows and columns: one list at most")
        reading = _indexing.reading(items, self.shape)
        assert isinstance(reading, _indexing.Reading)
        block = np.empty(reading.shape, self.dtype)
        block[... if reading.rest is None else reading.rest] = values.toarray() if hasattr(values, "toarray") else values
        rows, cols = reading.axes
        self.write(rows, cols, block)

    def scipy(self, *, check: bool = True) -> scipy.sparse.csr_array | scipy.sparse.csc_array:
        """The whole matrix as SciPy's, over a map of the file: neither indices nor values are copied, and pages are read as they
        are touched. Read-only.

        SciPy believes indices, and reads outside of its arrays where they are wrong: with `check` all are looked at first, in one
        pass over the file. Needs a file that is used in place (uncompressed and aligned, as this package writes it).
        """
        import scipy.sparse

        if self.closed:
            raise ValueError("the array is closed")
        if self.extents is None or self.mode != "r":
            raise ValueError(
                f"{os.fspath(self.path)} is compressed, not aligned, or open for writing: its arrays cannot be used in place."
                " arraystore.convert makes a file of which they can, and a[...] reads it"
            )
        if check:
            self.check()
        indptr, indptr_bytes, indices, indices_bytes, data, entries = self.extents
        lines = self.shape[0] if self.format == "csr" else self.shape[1]
        kind = scipy.sparse.csr_array if self.format == "csr" else scipy.sparse.csc_array
        return _assembled(
            kind,
            self.matrix_shape,
            _mapped(self, indptr, np.dtype(f"i{indptr_bytes}"), lines + 1),
            _mapped(self, indices, np.dtype(f"i{indices_bytes}"), entries),
            _mapped(self, data, self.dtype, entries),
        )

    def toarray(self) -> np.ndarray:
        """All of it as a dense array in memory."""
        return self.dense[...]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        raise TypeError(f"{self!r} does not become dense by itself: a.toarray() makes it so, a[...] a scipy.sparse array")

    def explain(self, what: Any = ..., *, batch: int = 256) -> str:
        """How a selection (a key) or a work ('scan', 'rows', 'columns', 'batches', 'fill_columns') would be done, in words."""
        if isinstance(what, str):
            return in_lines(self.planned_work(what, batch))
        reading = _indexing.reading(_indexing.parse(what, self.shape), self.shape)
        if isinstance(reading, _indexing.Points):
            raise ValueError("scattered cells are read line by line: there is no plan")
        return in_lines(self.planned(*reading.axes))

    def to_dask(self, chunks: Any = "auto") -> dask.array.Array:
        """A Dask array over this file, whose blocks are dense: workers open the file themselves."""
        from ._dask import over

        return over(self, chunks)


class _Dense:
    """A sparse array, read as a dense one."""

    def __init__(self, array: SparseArray) -> None:
        self._array = array
        self.shape, self.dtype, self.ndim = array.shape, array.dtype, 2

    def __getitem__(self, key: Any) -> Any:
        return self._array._dense(_indexing.parse(key, self.shape))


def _line(block: Any, items: list[Any]) -> Any:
    """A block of one row or column as an array of one axis."""
    import scipy.sparse

    length = block.shape[1] if isinstance(items[0], int) else block.shape[0]
    block = block.tocoo()
    place = block.col if isinstance(items[0], int) else block.row
    return scipy.sparse.coo_array((block.data, (place,)), shape=(length,))


def _assembled(kind: Any, shape: tuple[int, int], indptr: np.ndarray, indices: np.ndarray, data: np.ndarray) -> Any:
    """SciPy's array of these three, as they are: its constructor would look whether indices fit narrower integers, and copy."""
    made = kind(shape, dtype=data.dtype)
    made.indptr, made.indices, made.data = indptr, indices, data
    return made


def _mapped(store: SparseArray, offset: int, dtype: np.dtype, length: int) -> np.ndarray:
    return mapped(store, offset, dtype, (length,)) if length else np.empty(0, dtype)
