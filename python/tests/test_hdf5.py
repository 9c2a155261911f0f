"""Datasets of HDF5 files, as h5py writes them, through the same indexing as every file."""

from __future__ import annotations

import pickle
from pathlib import Path

import h5py
import numpy as np
import pytest

import arraystore


@pytest.fixture(params=[None, (64, 2), (300, 1)], ids=["contiguous", "blocks", "columns"])
def dataset(request: pytest.FixtureRequest, tmp_path: Path, values: np.ndarray) -> str:
    how = {} if request.param is None else {"chunks": request.param, "compression": "gzip", "shuffle": True}
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("group/data", data=values, **how)
        file["other"] = np.arange(24.0).reshape(2, 3, 4)
    return f"{tmp_path}/a.h5:/group/data"


def test_indexing_is_numpys(dataset: str, values: np.ndarray) -> None:
    with arraystore.open(dataset) as a:
        assert (a.shape, a.dtype) == (values.shape, values.dtype)
        for index in [np.s_[:], np.s_[3], np.s_[:, -1], np.s_[10:200:7, ::-2], np.s_[[5, 1, 5]], np.s_[7, 2], np.s_[values[:, 0] > 900]]:
            np.testing.assert_array_equal(a[index], values[index])
        np.testing.assert_array_equal(np.concatenate(list(a.rows(batch=37))), values)
        np.testing.assert_array_equal(np.stack(list(a.columns())), values.T)
        shuffled = np.concatenate(list(a.batches(32, shuffle=True, seed=1)))
        np.testing.assert_array_equal(np.sort(shuffled[:, 0]), values[:, 0])
        np.testing.assert_allclose(a @ np.ones(7, "f4"), values @ np.ones(7, "f4"))


def test_another_process_opens_the_dataset_itself(dataset: str, values: np.ndarray) -> None:
    with arraystore.open(dataset) as a:
        sent = pickle.dumps(a)
    again = pickle.loads(sent)
    np.testing.assert_array_equal(again[:], values)
    again.close()
    file = Path(dataset.split(":")[0])
    file.write_bytes(file.read_bytes() + b"\0")
    with pytest.raises(ValueError, match="another length"):
        pickle.loads(sent)


def test_axes_are_the_files(dataset: str) -> None:
    place = dataset.replace("/group/data", "/other")
    expected = np.arange(24.0).reshape(2, 3, 4)
    with arraystore.open(place) as a:
        assert a.shape == (2, 3, 4)
        np.testing.assert_array_equal(a[1, :, [0, 3]], expected[1, :, [0, 3]])
        np.testing.assert_array_equal(a[[0, 1, 1], [2, 0, 1], [3, 3, 0]], expected[[0, 1, 1], [2, 0, 1], [3, 3, 0]])


def test_a_contiguous_dataset_is_used_in_place(tmp_path: Path, values: np.ndarray) -> None:
    place = tmp_path / "b.h5:/data"
    with arraystore.create(place, values.shape, "f4") as made:
        made.fill_columns(values.T)
    with h5py.File(tmp_path / "b.h5") as file:
        np.testing.assert_array_equal(file["data"][:], values)
    with arraystore.open(tmp_path / "b.h5", mode="r+") as a:
        a[:, 2] = 5
        with pytest.raises(ValueError, match="does not grow"):
            a.append(values[:1])
    with arraystore.open(place) as a:
        mapped = a.numpy()
        assert not mapped.flags.writeable
        assert (mapped[:, 2] == 5).all()
        del mapped


def test_chunks_are_not_mapped_and_not_written(dataset: str) -> None:
    with h5py.File(dataset.split(":")[0]) as file:
        if file["group/data"].chunks is None:
            pytest.skip("in place")
    with arraystore.open(dataset) as a, pytest.raises(ValueError, match="in chunks"):
        a.numpy()
    with pytest.raises(ValueError, match="can be read, not written"):
        arraystore.open(dataset, mode="r+")


def test_what_is_not_there_is_said(dataset: str, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no dataset /nothing"):
        arraystore.open(dataset.replace("/group/data", "/nothing"))
    with pytest.raises(ValueError, match="several datasets: /group/data, /other"):
        arraystore.open(dataset.split(":")[0])
    with pytest.raises(FileNotFoundError):
        arraystore.open(tmp_path / "none.h5:/data")
    with pytest.raises(ValueError, match="no other order"):
        arraystore.convert(dataset, tmp_path / "c.h5", order="F")


def test_conversion_goes_both_ways(dataset: str, tmp_path: Path, values: np.ndarray) -> None:
    with arraystore.convert(dataset, tmp_path / "c.npy") as a:
        np.testing.assert_array_equal(a[:], values)
    with arraystore.convert(tmp_path / "c.npy", tmp_path / "c.hdf5:/deep/down") as a:
        np.testing.assert_array_equal(a[:], values)
    assert arraystore.verify(dataset, tmp_path / "c.hdf5") is None
