"""Dask's distributed scheduler: worker processes that open the file themselves, and one that is killed."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import arraystore

distributed = pytest.importorskip("distributed")
da = pytest.importorskip("dask.array")

pytestmark = pytest.mark.filterwarnings("ignore")

ROWS, COLS = 4000, 50


@pytest.fixture(scope="module")
def client() -> Iterator[Any]:
    how = {"n_workers": 2, "threads_per_worker": 1, "processes": True, "dashboard_address": ":0", "memory_limit": 0}
    with distributed.LocalCluster(**how) as cluster, distributed.Client(cluster) as client:
        yield client


@pytest.fixture
def values() -> np.ndarray:
    return np.arange(ROWS * COLS, dtype="f8").reshape(ROWS, COLS)


def test_column_sums(client: Any, path: Path, values: np.ndarray) -> None:
    with arraystore.open(path) as a:
        lazy = a.to_dask(chunks=(100, COLS)).sum(axis=0)
        np.testing.assert_array_equal(client.compute(lazy).result(timeout=60), values.sum(axis=0))


def test_a_worker_is_killed_in_the_middle(client: Any, path: Path, tmp_path: Path, values: np.ndarray) -> None:
    mark = tmp_path / "killed"

    def kill_once(block: np.ndarray, mark: str) -> np.ndarray:
        if block[0, 0] == COLS * 2000 and not os.path.exists(mark):
            Path(mark).touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return block

    with arraystore.open(path) as a:
        lazy = a.to_dask(chunks=(100, COLS)).map_blocks(kill_once, str(mark), dtype="f8", meta=np.empty((0, 0))).sum(axis=0)
        np.testing.assert_array_equal(client.compute(lazy).result(timeout=60), values.sum(axis=0))
    assert mark.exists()


def test_stores(client: Any, tmp_path: Path, values: np.ndarray, order: str) -> None:
    lazy = da.from_array(values, chunks=(500, 20)) + 1
    with arraystore.store(lazy, tmp_path / "b.npy", order=order) as b:
        np.testing.assert_array_equal(b[...], values + 1)
    assert os.listdir(tmp_path) == ["b.npy"]


def test_a_worker_that_does_not_see_the_path_says_so(client: Any, path: Path) -> None:
    with arraystore.open(path) as a:
        lazy = a.to_dask(chunks=(100, COLS)).sum()
        moved = path.with_suffix(".moved")
        path.rename(moved)
        with pytest.raises(FileNotFoundError, match="not there on host") as told:
            client.compute(lazy).result(timeout=60)
        assert told.value.filename == str(path)
