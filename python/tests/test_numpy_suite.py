"""NumPy's own tests of memmap and of indexing, over files of ours.

Indexing: each case that `numpy/_core/tests/test_indexing.py` makes by machine is written to a file and indexed there, and each
assignment made there. Memmap: `test_memmap.py` runs with a stand-in for `np.memmap` that opens files by this package;
what is left out is named below, with the reason.
"""

from __future__ import annotations

import inspect
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import arraystore

indexing = pytest.importorskip("numpy._core.tests.test_indexing")
maps = pytest.importorskip("numpy._core.tests.test_memmap")

LEFT_OUT = {
    "test_unnamed_file": "a file without a name cannot be opened by another process",
    "test_filename": "a part of a lazy array is an array in memory, which has no file",
    "test_path": "the same",
    "test_filename_fileobj": "files are opened by name",
    "test_slicing_keeps_references": "a part is a copy",
    "test_view": "the same",
    "test_ufunc_return_ndarray": "functions of NumPy's take the array as one in memory; in-place ones do not write to files",
    "test_getitem": "a part is a copy",
    "test_memmap_subclass": "the same",
    "test_no_shape": "a file without a header needs its shape",
    "test_empty_array": "an empty array is an array here, also of a file without bytes",
}


class Memmap:
    """What the tests use of `np.memmap`, by this package."""

    def __init__(self, file: Any, dtype: Any = "u1", mode: str = "r+", offset: int = 0, shape: Any = None) -> None:
        path = Path(file if isinstance(file, (str, os.PathLike)) else file.name)
        shape = (shape,) if np.isscalar(shape) else tuple(int(size) for size in shape)
        needed = offset + int(np.prod(shape)) * np.dtype(dtype).itemsize
        if mode == "w+" or path.stat().st_size < needed:
            with open(path, "r+b" if path.exists() else "w+b") as raw:
                raw.truncate(needed)
        how = "r+" if mode == "w+" else mode
        self.array = arraystore.open(path, mode=how, dtype=dtype, shape=shape, offset=offset)
        self.mode, self.offset = mode, offset

    def __getitem__(self, key: Any) -> Any:
        return self.array[key]

    def __setitem__(self, key: Any, values: Any) -> None:
        self.array[key] = values

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
        return self.array.__array__(dtype, copy)

    def __add__(self, other: Any) -> Any:
        return np.asarray(self.array) + other

    @property
    def shape(self) -> tuple[int, ...]:
        return self.array.shape

    @property
    def flags(self) -> Any:
        return self.array.numpy().flags

    def flush(self) -> None:
        self.array.flush()

    def __del__(self) -> None:
        if hasattr(self, "array"):
            self.array.close()


NAMES = [name for name, _ in inspect.getmembers(maps.TestMemmap, inspect.isfunction) if name.startswith("test_")]


@pytest.mark.parametrize("name", NAMES)
def test_memmap(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if name in LEFT_OUT:
        pytest.skip(LEFT_OUT[name])
    monkeypatch.setattr(maps, "memmap", Memmap)
    suite = maps.TestMemmap()
    suite.setup_method()
    try:
        test = getattr(suite, name)
        test(tmp_path) if "tmp_path" in inspect.signature(test).parameters else test()
    finally:
        suite.teardown_method()


def test_what_is_left_out_is_there() -> None:
    assert set(LEFT_OUT) <= set(NAMES)


class _OverFiles(indexing.TestMultiIndexingAutomated):
    """The automated indexing tests, whose results are compared with those of a file."""

    folder: Path
    compared = 0
    refused = 0

    def _compare_index_result(self, arr: np.ndarray, index: Any, mimic_get: Any, no_copy: bool) -> None:
        type(self).compared += 1
        path = self.folder / "a.npy"
        np.save(path, arr)
        if _adds_an_axis(index):
            with arraystore.open(path) as a, pytest.raises(IndexError, match="not for a file"):
                a[index]
            return
        with arraystore.open(path) as a:
            np.testing.assert_array_equal(a[index], mimic_get)
        with arraystore.open(path, mode="r+") as a:
            a[index] = np.asarray(mimic_get) + 1000
        expected = arr.copy()
        expected[index] = np.asarray(mimic_get) + 1000
        np.testing.assert_array_equal(np.load(path), expected)

    def _check_multi_index(self, arr: np.ndarray, index: Any) -> None:
        self._check(arr, index, index)

    def _check_single_index(self, arr: np.ndarray, index: Any) -> None:
        self._check(arr, index, (index,))

    def _check(self, arr: np.ndarray, index: Any, indices: tuple[Any, ...]) -> None:
        try:
            mimic_get, no_copy = self._get_multi_index(arr, indices)
        except Exception as error:
            type(self).refused += 1
            path = self.folder / "a.npy"
            np.save(path, arr)
            with arraystore.open(path) as a, pytest.raises(type(error)):
                a[index]
            return
        self._compare_index_result(arr, index, mimic_get, no_copy)


def _adds_an_axis(index: Any) -> bool:
    items = index if isinstance(index, tuple) else (index,)
    return any(item is None or (not isinstance(item, (list, slice)) and _is_truth(item)) for item in items)


def _is_truth(item: Any) -> bool:
    """Whether it is True or False, which NumPy takes for a mask of no axis."""
    return isinstance(item, (bool, np.bool_)) or (isinstance(item, np.ndarray) and item.dtype == bool and not item.ndim)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", ["test_boolean", "test_multidim", "test_1d"])
def test_indexing(name: str, tmp_path: Path) -> None:
    suite = _OverFiles()
    suite.folder = tmp_path
    if hasattr(suite, "setup_method"):
        suite.setup_method()
    getattr(suite, name)()
    assert suite.compared
