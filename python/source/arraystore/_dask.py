"""Dask: arrays over files that workers open themselves, and files that workers write together."""

from __future__ import annotations

import os
import shutil
import socket
import uuid
from typing import TYPE_CHECKING, Any, TypeGuard

import numpy as np

from . import _files

if TYPE_CHECKING:
    import dask.array
    from dask.delayed import Delayed

    from ._array import Array, Lazy


def over(array: Lazy, chunks: Any = "auto") -> dask.array.Array:
    """A Dask array over the file: tasks hold its path and identity, and nothing of its data."""
    import dask.array as da
    from dask.base import tokenize

    chunks = da.core.normalize_chunks(_chunks(array, chunks), array.shape, dtype=array.dtype)
    return da.from_array(
        _Blocks.of(array),
        chunks=chunks,
        # Blocks of other sizes are other tasks.
        name=f"arraystore-{tokenize(array, chunks)}",
        meta=np.empty((0,) * array.ndim, array.dtype),
        asarray=False,
        inline_array=True,
    )


def _chunks(array: Lazy, chunks: Any) -> Any:
    """Chunks of whole lines of what lies together, where none are named."""
    if chunks != "auto":
        return chunks
    import dask
    from dask.utils import parse_bytes

    from ._array import chunk

    order = "F" if array.layout in ("f", "csc") else "C"
    return chunk(array.shape, order, array.dtype.itemsize, parse_bytes(dask.config.get("array.chunk-size")))


class _Blocks:
    """A file as what Dask slices: dense blocks, read by whoever has the task.

    It travels closed: a scheduler that only passes it on opens nothing, and need not see the file.
    """

    def __init__(self, opening: tuple[Any, ...], facts: tuple[Any, ...], array: Lazy | None = None) -> None:
        self._opening, self._facts, self._array = opening, facts, array
        self.shape, self.dtype, self._token = facts
        self.ndim = len(self.shape)

    @classmethod
    def of(cls, array: Lazy) -> _Blocks:
        return cls(array.__reduce__(), (array.shape, array.dtype, array.__dask_tokenize__()), array)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self._opening, self._facts)

    def __getitem__(self, key: Any) -> np.ndarray:
        if self._array is None:
            reopen, how = self._opening
            self._array = reopen(*how)
        array = self._array
        if _lies_together(array, key):
            # Nothing is copied: pages are read as they are touched, and the kernel may take them back.
            view: np.ndarray = array.numpy()[key]
            return view
        return np.asarray(getattr(array, "dense", array)[key])

    def __dask_tokenize__(self) -> Any:
        return self._token


def _lies_together(array: Lazy, key: Any) -> TypeGuard[Array]:
    """Whether a block is one stretch of a mapped file: whole lines of it."""
    if not hasattr(array, "numpy") or array.backend != "memmap" or array.extents is None or not isinstance(key, tuple):
        return False
    if len(key) != array.ndim or not all(isinstance(part, slice) and part.step in (None, 1) for part in key):
        return False
    # From the axis along which elements are neighbours outwards, all but the last that is cut are whole.
    inner_first = key[::-1] if array.layout == "c" else key
    sizes = array.shape[::-1] if array.layout == "c" else array.shape
    lengths = [len(range(*part.indices(size))) for part, size in zip(inner_first, sizes, strict=True)]
    cut = next((axis for axis, (length, size) in enumerate(zip(lengths, sizes, strict=True)) if length != size), len(sizes))
    return all(length == 1 for length in lengths[cut + 1 :])


def store(
    array: dask.array.Array,
    path: str | os.PathLike[str],
    *,
    order: str = "C",
    overwrite: bool = False,
    compute: bool = True,
    memory: int | str = _files.DEFAULT_MEMORY,
) -> Array | Delayed:
    """Computes a Dask array into the file at `path`, and opens that.

    Each task writes its own block, a file in a folder beside `path` that appears under its name when it is whole and durable: no two
    processes ever write to one file, on one host or on many, and a task that is run again writes the same file again. The last task
    puts the blocks together, in `memory`, and removes them; `path`, which ends in `.npy`, appears whole or not at all. Takes the
    array's size on disk twice while it runs. Every worker has to see the folder of `path`.

    With `compute=False` a `Delayed` that does so.
    """
    import dask

    if _files._ending(os.fspath(path)) != ".npy":
        raise ValueError(f"{os.fspath(path)}: a Dask array is stored as .npy")
    _files._order(order)
    if any(np.isnan(size) for size in array.shape):
        raise ValueError("an array of unknown chunk sizes has no place in a file yet: array.compute_chunk_sizes()")
    if os.path.exists(path) and not overwrite:
        raise FileExistsError(17, "File exists: give overwrite=True to replace it", os.fspath(path))
    folder = f"{os.path.abspath(path)}.parts-{uuid.uuid4().hex}"
    os.mkdir(folder)
    starts = [np.cumsum([0, *sizes[:-1]]).tolist() for sizes in array.chunks]
    written = []
    for place, block in np.ndenumerate(array.to_delayed()):
        corner = tuple(starts[axis][index] for axis, index in enumerate(place))
        written.append(dask.delayed(_write, pure=False)(block, folder, corner, order))
    joined = dask.delayed(_join, pure=False)(
        written, folder, os.path.abspath(path), array.shape, np.dtype(array.dtype).str, order, overwrite, memory
    )
    if not compute:
        return joined
    try:
        return _files.open(joined.compute(), memory=memory)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _write(block: np.ndarray, folder: str, corner: tuple[int, ...], order: str) -> tuple[str, tuple[int, ...]]:
    """Writes a block where its corner says."""
    if not os.path.isdir(folder):
        words = f"not there on host {socket.gethostname()!r}: every worker needs the folder that is written to"
        raise FileNotFoundError(2, words, folder)
    block = np.asarray(block)
    name = "-".join(map(str, corner)) + ".npy"
    with _files.create(os.path.join(folder, name), block.shape, block.dtype, order, overwrite=True) as part:
        part[...] = block
    return name, corner


def _join(
    written: list[tuple[str, tuple[int, ...]]],
    folder: str,
    path: str,
    shape: tuple[int, ...],
    dtype: str,
    order: str,
    overwrite: bool,
    memory: int | str,
) -> str:
    """Puts the blocks together. Run again, it does what is left to do: the folder's name is of this one storing."""
    from ._array import Array
    from ._sizes import in_bytes

    if not os.path.isdir(folder) and os.path.exists(path):
        return path
    made = os.path.join(folder, "whole.npy")
    if not (os.path.exists(made) and os.path.exists(path) and os.path.samefile(made, path)):
        with _files.create(made, shape, dtype, order, overwrite=True, memory=memory) as whole:
            assert isinstance(whole, Array)
            for name, corner in written:
                with _files.open(os.path.join(folder, name), memory=memory) as block:
                    assert isinstance(block, Array)
                    _copy(block, whole, corner, in_bytes(memory) // 2)
        _name(made, path, overwrite)
    shutil.rmtree(folder, ignore_errors=True)
    return path


def _name(made: str, path: str, overwrite: bool) -> None:
    """Gives the file that was made its name, which it has on the disk too when this returns."""
    if overwrite:
        os.replace(made, path)
    else:
        try:
            os.link(made, path)
        except FileExistsError:
            raise
        except OSError:  # a file system without links
            if os.path.exists(path):
                raise FileExistsError(17, "File exists", path) from None
            os.rename(made, path)
    if os.name == "posix":
        place = os.open(os.path.dirname(path), os.O_RDONLY)
        try:
            os.fsync(place)
        finally:
            os.close(place)


def _copy(block: Array, whole: Array, corner: tuple[int, ...], most: int) -> None:
    """Copies a block to its place, so many bytes at a time."""
    from ._array import chunk

    step = chunk(block.shape, block.order, block.dtype.itemsize, most)
    counts = [-(-size // width) if width else 0 for size, width in zip(block.shape, step, strict=True)]
    for place in np.ndindex(*counts):
        own = tuple(
            slice(index * width, min((index + 1) * width, size))
            for index, width, size in zip(place, step, block.shape, strict=True)
        )
        there = tuple(slice(first + part.start, first + part.stop) for first, part in zip(corner, own, strict=True))
        whole[there] = block[own]
