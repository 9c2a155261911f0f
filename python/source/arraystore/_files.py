"""What is done with whole files: opening, making, converting, comparing, and the comparison of backends."""

from __future__ import annotations

import errno
import json
import os
import re
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

import numpy as np

from . import _arraystore
from ._array import Array, Lazy
from ._indexing import Layout
from ._sizes import in_bytes
from ._sparse import SparseArray

DEFAULT_MEMORY = "256MiB"

# Names of HDF5 files, and of datasets in them.
_HDF5 = re.compile(r".+\.(h5|hdf5|he5|nc)(:/.*)?$", re.IGNORECASE | re.DOTALL)
_BACKENDS = {None: None, "memmap": True, "seek": False}
_NETWORK = {"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "ceph", "glusterfs", "fuse.glusterfs", "lustre", "beegfs", "fuse.sshfs", "afs"}


def open(  # as io.open and gzip.open
    path: str | os.PathLike[str],
    backend: str | None = None,
    mode: str = "r",
    memory: int | str = DEFAULT_MEMORY,
    *,
    dtype: Any = None,
    shape: int | Iterable[int] | None = None,
    order: str = "C",
    offset: int = 0,
    threads: int | None = None,
) -> Array | SparseArray:
    """Opens the file at `path` and reads nothing of its data: `.npy`, a dataset of an HDF5 file (`run.h5:/group/data`, or `run.h5` where
    it holds only one), `.npz` as SciPy saves sparse matrices, `.mtx`, or with `dtype` and `shape` (and `order`, and
    `offset` in bytes) a file without a header, as `np.memmap` makes.

    `backend` is 'memmap' or 'seek' (positioned reads): by default a map, and on network file systems positioned reads, since a
    map of a file whose server goes away ends the process. `mode` is 'r', 'r+' (writing: excludes other writers and readers) or 'c'
    (what is written stays in memory). `memory` is what operations take beside what they return, `threads` how many they use.

    Raises FileNotFoundError, PermissionError and other OSErrors with their numbers, BlockingIOError where a writer has the file
    open, ValueError where the file is not what its name or `shape` says.
    """
    if backend not in _BACKENDS:
        raise ValueError(f"backend {backend!r} is none of 'memmap' and 'seek'")
    how = {
        "mapped": not _is_remote(path) if backend is None else _BACKENDS[backend],
        "mode": mode,
        "memory": in_bytes(memory),
        "threads": threads,
    }
    name = os.fspath(path)
    if (dtype is None) != (shape is None):
        raise ValueError("a file without a header needs both dtype and shape; others need neither")
    if dtype is not None:
        if _ending(name):
            raise ValueError(f"{name}: a file of this name says itself what it holds: leave out dtype and shape")
        axes, laid = _axes(shape), _order(order)
        stated = None if len(axes) == 2 else list(axes)
        return Array(path, raw=(*Layout(axes, laid).matrix, _dtype(dtype), laid.lower(), offset, stated), **how)
    if not _ending(name):
        # What is not there, or no file, is what one should hear of first.
        if stat.S_ISDIR(os.stat(path).st_mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), name)
        raise ValueError(f"{name}: a file without a header needs dtype= and shape= (and order=, offset=)")
    kind = SparseArray if _ending(name) in (".npz", ".mtx") else Array
    return kind(path, **how)


def create(
    path: str | os.PathLike[str],
    shape: int | Iterable[int],
    dtype: Any,
    order: str = "C",
    *,
    backend: str | None = None,
    memory: int | str = DEFAULT_MEMORY,
    overwrite: bool = False,
    threads: int | None = None,
) -> Array | SparseArray:
    """A new array of zeros, open for writing. It is in the file system under `path` from its first `flush` on, whole, and
    not before; left as a `with` block it is flushed.

    `order` is 'C' or 'F', and for `.npz` files 'csr' or 'csc'. Raises FileExistsError unless `overwrite`.
    """
    name, axes = os.fspath(path), _axes(shape)
    sparse = _ending(name) == ".npz"
    if sparse and order == "C":
        order = "csr"
    layout = order.lower() if sparse else _order(order).lower()
    if sparse and len(axes) != 2:
        raise ValueError(f"{name}: a sparse matrix has two axes, not {len(axes)}")
    if not sparse and not _ending(name) and len(axes) != 2:
        raise ValueError(f"{name}: a file without a header keeps no shape of {len(axes)} axes; end its name in .npy")
    rows, cols = Layout(axes, "F" if layout == "f" else "C").matrix
    how = {
        "mapped": not _is_remote(path) if backend is None else _BACKENDS[backend],
        "mode": "r+",
        "memory": in_bytes(memory),
        "threads": threads,
        "made": (rows, cols, _dtype(dtype), layout, None if len(axes) == 2 else list(axes), overwrite),
    }
    return SparseArray(path, **how) if sparse else Array(path, **how)


def convert(
    source: str | os.PathLike[str],
    target: str | os.PathLike[str],
    *,
    order: str | None = None,
    dtype: Any = None,
    overwrite: bool = False,
    memory: int | str = DEFAULT_MEMORY,
    threads: int | None = None,
) -> Array | SparseArray:
    """Converts a file to another, by their names' endings, and opens that: `.npy`, `.h5`, `.npz`, `.mtx`; a target of any other name has
    no header, and has to be told `dtype` and `shape` when it is opened again.

    `order` is 'C', 'F', 'csr', 'csc' or 'coo'. The target appears whole or not at all.
    """
    rows, cols, made, laid = _arraystore._convert(
        source,
        target,
        order=None if order is None else order.lower(),
        dtype=None if dtype is None else _dtype(dtype),
        overwrite=overwrite,
        memory=in_bytes(memory),
        threads=threads,
    )
    if _ending(os.fspath(target)):
        return open(target, memory=memory, threads=threads)
    return open(target, memory=memory, threads=threads, dtype=made, shape=(rows, cols), order=laid.upper())


def verify(
    one: str | os.PathLike[str],
    other: str | os.PathLike[str],
    *,
    memory: int | str = DEFAULT_MEMORY,
    threads: int | None = None,
) -> Difference | None:
    """Whether two files hold the same matrix, bit for bit, whatever their formats: None where they do."""
    found = _arraystore._verify(one, other, memory=in_bytes(memory), threads=threads)
    return None if found is None else Difference(*found)


class Difference:
    """Where two matrices differ."""

    def __init__(self, cells: int, row: int, column: int) -> None:
        self.cells, self.first = cells, (row, column)

    def __repr__(self) -> str:
        return f"<{self.cells} cells differ, the first at {self.first}>"


def digest(array: str | os.PathLike[str] | Lazy, *, memory: int | str = DEFAULT_MEMORY) -> str:
    """The fingerprint of the matrix that a file holds: it depends on shape, element type and values, not on format or order."""
    if isinstance(array, Lazy):
        return array.digest()
    with open(array, memory=memory) as opened:
        return opened.digest()


def compare(*arguments: str, out: str | os.PathLike[str] | None = None) -> list[dict[str, Any]]:
    """Runs the comparison of backends (`arraystore compare`, with these arguments) and gives its samples: one dict each, of
    plain values, as `pandas.DataFrame` takes them. With `out`, records and report stay in that folder.
    """
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder, "run") if out is None else Path(out)
        command = [sys.executable, "-m", "arraystore", "compare", "--quiet", "--out", os.fspath(place), *arguments]
        done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False)
        # 1: done, and some trials failed, as their records say.
        if done.returncode not in (0, 1):
            raise RuntimeError(done.stderr.strip())
        lines = Path(place, "results.jsonl").read_text().splitlines()
    return [sample for line in lines for sample in _samples(json.loads(line))]


def _samples(record: dict[str, Any]) -> Iterable[dict[str, Any]]:
    plain = {name: value for name, value in record.items() if not isinstance(value, (dict, list))}
    for number, sample in enumerate(record.get("samples", [])):
        yield {**plain, "sample": number, **{name: value for name, value in sample.items() if not isinstance(value, (dict, list))}}


def _axes(shape: int | Iterable[int] | None) -> tuple[int, ...]:
    axes = (shape,) if isinstance(shape, (int, np.integer)) else tuple(shape or ())
    if any(int(size) != size or size < 0 for size in axes):
        raise ValueError(f"{shape} is no shape")
    return tuple(int(size) for size in axes)


def _ending(name: str) -> str:
    """The ending of a name that says what is in the file, in small letters; empty where none does; '.h5' of all that is HDF5."""
    if _HDF5.match(name):
        return ".h5"
    ending = os.path.splitext(name)[1].lower()
    return ending if ending in (".npy", ".npz", ".mtx") else ""


def _order(order: str) -> Literal["C", "F"]:
    if order in ("C", "c"):
        return "C"
    if order in ("F", "f"):
        return "F"
    raise ValueError(f"order {order!r} is none of 'C' and 'F'")


def _dtype(dtype: Any) -> str:
    made = np.dtype(dtype)
    if made.byteorder == ">" or made.kind not in "biufc":
        raise TypeError(f"{made!r}: elements are booleans and numbers in little-endian byte order")
    return made.name


def _is_remote(path: str | os.PathLike[str]) -> bool:
    """Whether the file lies on another machine, as far as Linux says."""
    try:
        real = os.path.realpath(path)
        with Path("/proc/self/mountinfo").open() as lines:
            mounts = [(fields[4], fields[fields.index("-") + 1]) for fields in map(str.split, lines)]
    except OSError:
        return False
    within = [(len(point), kind) for point, kind in mounts if real == point or real.startswith(point.rstrip("/") + "/")]
    return max(within, default=(0, ""))[1] in _NETWORK
