"""Dask over files, with every scheduler."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

import arraystore
from arraystore._dask import _Blocks

dask = pytest.importorskip("dask")
da = pytest.importorskip("dask.array")

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.mark.parametrize("scheduler", ["sync", "threads", "processes"])
def test_column_means(path: Path, values: np.ndarray, scheduler: str) -> None:
    with arraystore.open(path) as a:
        lazy = a.to_dask(chunks=(64, 3))
        assert lazy.shape == a.shape and lazy.dtype == a.dtype
        found = lazy.mean(axis=0).compute(scheduler=scheduler)
        np.testing.assert_allclose(found, values.mean(axis=0), rtol=1e-6)
        np.testing.assert_array_equal(lazy[10:20, 2].compute(scheduler=scheduler), values[10:20, 2])


def test_chunks_follow_the_order(path: Path, order: str) -> None:
    with arraystore.open(path) as a, dask.config.set({"array.chunk-size": "1KiB"}):
        lazy = a.to_dask()
        assert lazy.chunksize == ((36, 7) if order == "C" else (256, 1))


def test_a_graph_holds_no_data(path: Path) -> None:
    cloudpickle = pytest.importorskip("cloudpickle")
    with arraystore.open(path) as a:
        assert len(cloudpickle.dumps(a.to_dask(chunks=(300, 7)))) < 4096
        assert a.to_dask().name == a.to_dask().name
        assert a.to_dask(chunks=(64, 3)).name != a.to_dask(chunks=(100, 7)).name


def test_xarray_takes_it(path: Path, values: np.ndarray) -> None:
    xarray = pytest.importorskip("xarray")
    with arraystore.open(path) as a:
        named = xarray.DataArray(a.to_dask(chunks=(64, 3)), dims=("row", "column"))
        np.testing.assert_allclose(named.mean("row").values, values.mean(axis=0), rtol=1e-6)
        np.testing.assert_array_equal(named.isel(column=2)[10:20].values, values[10:20, 2])


@pytest.mark.parametrize("scheduler", ["sync", "processes"])
def test_stores(tmp_path: Path, values: np.ndarray, order: str, scheduler: str) -> None:
    lazy = da.from_array(values, chunks=(64, 3)) * 2
    with dask.config.set(scheduler=scheduler), arraystore.store(lazy, tmp_path / "b.npy", order=order) as b:
        assert b.order == order
        np.testing.assert_array_equal(b[...], values * 2)
    assert os.listdir(tmp_path) == ["b.npy"]
    with pytest.raises(FileExistsError):
        arraystore.store(lazy, tmp_path / "b.npy")


def test_the_last_task_can_run_again(tmp_path: Path, values: np.ndarray) -> None:
    from arraystore._dask import _join

    for step in ("at once", "named", "done"):
        folder, path = tmp_path / step, str(tmp_path / f"{step}.npy")
        folder.mkdir()
        np.save(folder / "0-0.npy", values[:, :4])
        np.save(folder / "0-4.npy", values[:, 4:])
        written = [("0-0.npy", (0, 0)), ("0-4.npy", (0, 4))]
        how = (written, str(folder), path, values.shape, "<f4", "C", False, "1MiB")
        if step == "named":
            np.save(folder / "whole.npy", values)
            os.link(folder / "whole.npy", path)
        assert _join(*how) == path
        if step == "done":
            assert _join(*how) == path
        np.testing.assert_array_equal(np.load(path), values)
        assert not folder.exists()
    with pytest.raises(FileExistsError):
        folder.mkdir()
        _join([], str(folder), path, (0, 0), "<f4", "C", False, "1MiB")


@pytest.mark.parametrize("name", ["b.npz", "b.raw"])
def test_is_stored_as_npy_only(tmp_path: Path, values: np.ndarray, name: str) -> None:
    with pytest.raises(ValueError, match=r"\.npy"):
        arraystore.store(da.from_array(values), tmp_path / name)


def test_what_fails_leaves_nothing(tmp_path: Path, values: np.ndarray) -> None:
    def fail(block: np.ndarray) -> np.ndarray:
        if block.size:
            raise ZeroDivisionError
        return block

    lazy = da.from_array(values, chunks=(64, 3)).map_blocks(fail, dtype="f4")
    with pytest.raises(ZeroDivisionError):
        arraystore.store(lazy, tmp_path / "b.npy")
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("backend", ["memmap", "seek"])
def test_blocks_of_whole_lines_are_views_of_the_file(path: Path, values: np.ndarray, order: str, backend: str) -> None:
    rows, cols = (slice(64, 128), slice(0, 7)) if order == "C" else (slice(0, 300), slice(2, 4))
    with arraystore.open(path, backend=backend) as a:
        blocks = _Blocks.of(a)
        for key, is_view in (((rows, cols), True), ((slice(64, 128), slice(2, 4)), False), ((slice(64, 65), slice(2, 3)), True)):
            block = blocks[key]
            np.testing.assert_array_equal(block, values[key])
            assert block.flags.writeable != (is_view and backend == "memmap")
        assert blocks[:, 2].flags.writeable
