"""What NumPy's indices mean in terms of what a file can be asked for: some rows and some columns.

Knows shapes and orders, no file. An index becomes a `Reading`: which rows and columns to read, how the block that comes back is
shaped, and what of it NumPy itself is to pick. What NumPy's rules say of the result's shape is thus always NumPy's own doing.
"""

from __future__ import annotations

import operator
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np

Axis: TypeAlias = "tuple[int, int, int] | np.ndarray[Any, Any]"
"""What is picked of an axis: (start, stop, step) with a step of at least 1, or indices."""

HULL_CELLS = 1 << 16
"""Up to so many cells are read beside those that are asked for, where that takes one reading instead of many."""


@dataclass(frozen=True)
class Layout:
    """How an array of any number of axes is seen as rows and columns."""

    shape: tuple[int, ...]
    order: Literal["C", "F"]
    """'C': the first axis by the others; 'F': all but the last one by the last."""

    @property
    def matrix(self) -> tuple[int, int]:
        """How many rows and columns that are."""
        if len(self.shape) < 2:
            return (self.shape[0] if self.shape else 1, 1)
        if self.order == "C":
            return self.shape[0], _product(self.shape[1:])
        return _product(self.shape[:-1]), self.shape[-1]

    def place(self, axes: list[Axis]) -> tuple[Axis, Axis]:
        """Rows and columns of what is picked of each axis."""
        if len(axes) < 2:
            return (axes[0] if axes else (0, 1, 1)), (0, 1, 1)
        if self.order == "C":
            return axes[0], _flattened(axes[1:], self.shape[1:], "C")
        return _flattened(axes[:-1], self.shape[:-1], "F"), axes[-1]

    def block(self, matrix: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
        """A block of rows and columns as the array of this shape that it is."""
        return matrix if matrix.shape == shape else matrix.reshape(shape, order=self.order)

    def matrix_of(self, block: np.ndarray) -> np.ndarray:
        """An array as the block of rows and columns that it is."""
        if block.ndim == 2:
            return block
        if block.ndim < 2:
            return block.reshape(-1, 1)
        return block.reshape(Layout(block.shape, self.order).matrix, order=self.order)


@dataclass(frozen=True)
class Reading:
    """The smallest block that holds what an index asks for."""

    axes: list[Axis]
    shape: tuple[int, ...]
    """How many indices of each axis are read."""
    rest: tuple[Any, ...] | None
    """What NumPy picks of the block; None where that is all of it, as it lies."""
    result_cells: int


@dataclass(frozen=True)
class Points:
    """Cells that lie scattered: the index of each along every axis."""

    indices: list[np.ndarray]


def parse(key: Any, shape: tuple[int, ...]) -> list[Any]:
    """The index of each axis: an integer from 0 on, a slice, or an array of integers from 0 on, as NumPy understands `key`."""
    items = list(key) if isinstance(key, tuple) else [key]
    if any(item is None for item in items):
        raise IndexError("newaxis is not for a file: index what was read, a[...][np.newaxis]")
    expanded: list[Any] = []
    for item in items:
        array = _as_array(item)
        if array is None:
            expanded.append(item)
        elif array.dtype == bool:
            if array.ndim == 0:
                raise IndexError("True and False, which would add an axis, are not for a file: index what was read")
            # A mask stands for as many axes as it has, which must be as long: that is looked at once it is known which they are.
            expanded.extend(zip(array.nonzero(), array.shape, strict=True))
        else:
            expanded.append(array)
    ellipses = [place for place, item in enumerate(expanded) if item is Ellipsis]
    if len(ellipses) > 1:
        raise IndexError("an index can only have a single ellipsis ('...')")
    named = len(expanded) - len(ellipses)
    if named > len(shape):
        raise IndexError(f"too many indices for array: array is {len(shape)}-dimensional, but {named} were indexed")
    place = ellipses[0] if ellipses else len(expanded)
    filling = [slice(None)] * (len(shape) - named)
    expanded[place : place + len(ellipses)] = filling
    return [_checked(item, size, axis) for axis, (item, size) in enumerate(zip(expanded, shape, strict=True))]


def reading(items: list[Any], shape: tuple[int, ...]) -> Reading | Points:
    """How to read what parsed indices ask for."""
    arrays = [item for item in items if isinstance(item, np.ndarray)]
    spread = len(arrays) > 1 or any(array.ndim != 1 for array in arrays)
    axes: list[Axis] = []
    rest: list[Any] = []
    lengths: list[int] = []
    for item, size in zip(items, shape, strict=True):
        if isinstance(item, slice):
            picked = range(*item.indices(size))
            ascending = picked if picked.step > 0 else picked[::-1]
            axes.append((ascending.start, max(ascending.stop, ascending.start), ascending.step) if picked else (0, 0, 1))
            lengths.append(len(picked))
            rest.append(slice(None) if picked.step > 0 else slice(None, None, -1))
        elif isinstance(item, np.ndarray):
            if spread:
                hull, places = np.unique(item, return_inverse=True)
                axes.append(hull)
                lengths.append(len(hull))
                rest.append(places.reshape(item.shape))
            else:
                axes.append(item)
                lengths.append(len(item))
                rest.append(slice(None))
        else:
            axes.append((item, item + 1, 1))
            lengths.append(1)
            # Beside an array an integer is one too, and decides where its axes go.
            rest.append(0)
    if spread:
        cells = _product(_together(arrays)) * _product(
            tuple(length for item, length in zip(items, lengths, strict=True) if isinstance(item, slice))
        )
        if _product(tuple(lengths)) > 2 * cells + HULL_CELLS:
            return Points(points(items, shape))
    elif arrays and any(isinstance(item, int) for item in items):
        # One list: its places are those of the block, but NumPy has to know that it is a list.
        rest = [np.arange(len(item)) if isinstance(item, np.ndarray) else own for item, own in zip(items, rest, strict=True)]
    trivial = all(isinstance(own, slice) and own.step is None for own in rest)
    return Reading(axes, tuple(lengths), None if trivial else tuple(rest), _product(tuple(lengths)))


def _together(arrays: list[np.ndarray]) -> tuple[int, ...]:
    """The shape that these indices have together."""
    try:
        return np.broadcast_shapes(*(array.shape for array in arrays))
    except ValueError:
        shapes = " ".join(str(array.shape) for array in arrays)
        raise IndexError(f"shape mismatch: indexing arrays could not be broadcast together with shapes {shapes}") from None


def points(items: list[Any], shape: tuple[int, ...]) -> list[np.ndarray]:
    """The index of each cell along every axis, in the shape of the result: NumPy is asked, over arrays without elements of
    their own."""
    key = tuple(items)
    along = []
    for axis, size in enumerate(shape):
        places = np.arange(size).reshape([size if other == axis else 1 for other in range(len(shape))])
        along.append(np.ascontiguousarray(np.broadcast_to(places, shape)[key]))
    return along


def _as_array(item: Any) -> np.ndarray | None:
    """`item` as an array of integers or booleans, where that is what it is to NumPy."""
    if item is Ellipsis or isinstance(item, slice):
        return None
    if isinstance(item, (bool, np.bool_)):
        return np.asarray(item)
    if not isinstance(item, (list, np.ndarray)) and hasattr(item, "__index__") and not getattr(item, "ndim", 0):
        return None
    array = np.asarray(item)
    if array.size == 0 and not isinstance(item, np.ndarray):
        array = array.astype(np.intp)
    if array.dtype != bool and array.dtype.kind not in "iu":
        raise IndexError(
            "only integers, slices (`:`), ellipsis (`...`), and integer or boolean arrays are valid indices"
        )
    if array.ndim == 0 and array.dtype != bool:
        return None
    return array


def _checked(item: Any, size: int, axis: int) -> Any:
    """The index of one axis, counted from its begin and within its bounds."""
    if isinstance(item, slice):
        item.indices(size)
        return item
    if isinstance(item, tuple):
        places, mask = item
        if mask != size:
            raise IndexError(
                f"boolean index did not match indexed array along axis {axis}; size of axis is {size} but size of"
                f" corresponding boolean axis is {mask}"
            )
        return places
    if isinstance(item, np.ndarray):
        array = item.astype(np.int64)
        outside = (array < -size) | (array >= size)
        if outside.any():
            raise _outside(int(array[outside][0]), size, axis)
        return np.where(array < 0, array + size, array) if (array < 0).any() else array
    index = operator.index(item)
    if not -size <= index < size:
        raise _outside(index, size, axis)
    return index + size if index < 0 else index


def _outside(index: int, size: int, axis: int) -> IndexError:
    return IndexError(f"index {index} is out of bounds for axis {axis} with size {size}")


def _flattened(axes: list[Axis], shape: tuple[int, ...], order: Literal["C", "F"]) -> Axis:
    """What is picked of several axes, as indices of the one that they are together."""
    if all(not isinstance(axis, np.ndarray) and axis == (0, size, 1) for axis, size in zip(axes, shape, strict=True)):
        return 0, _product(shape), 1
    lists = [axis if isinstance(axis, np.ndarray) else np.arange(*axis) for axis in axes]
    if any(len(places) == 0 for places in lists):
        return 0, 0, 1
    flat = np.ravel_multi_index(np.ix_(*lists), shape, order=order).ravel(order=order)
    if len(flat) == 1:
        return int(flat[0]), int(flat[0]) + 1, 1
    steps = np.diff(flat)
    if steps[0] > 0 and (steps == steps[0]).all():
        return int(flat[0]), int(flat[-1]) + 1, int(steps[0])
    return flat


def _product(sizes: tuple[int, ...]) -> int:
    product = 1
    for size in sizes:
        product *= int(size)
    return product
