"""Sparse files: indexing gives SciPy's arrays, or dense ones."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
import scipy.io
import scipy.sparse as sp

import arraystore


@pytest.fixture(params=["csr", "csc"])
def matrix(request: pytest.FixtureRequest) -> sp.sparray:
    rng = np.random.default_rng(0)
    dense = rng.random((200, 40), "f4") * (rng.random((200, 40)) < 0.1)
    return sp.csr_array(dense) if request.param == "csr" else sp.csc_array(dense)


@pytest.fixture
def path(tmp_path: Path, matrix: sp.sparray) -> Path:
    sp.save_npz(tmp_path / "a.npz", matrix)
    return tmp_path / "a.npz"


KEYS = [
    slice(None),
    slice(10, 50, 3),
    slice(None, None, -1),
    (slice(None), slice(3, 30, 4)),
    (slice(150, 20, -7), slice(None, None, -2)),
    [5, 5, -1, 0],
    (slice(None), [39, 0, 7, 7]),
    (slice(5, 90), [1, -2]),
    ([4, 8], slice(2, 20)),
    (slice(0, 0), slice(None)),
]


@pytest.mark.parametrize("key", KEYS, ids=repr)
def test_blocks_are_sparse_arrays(path: Path, matrix: sp.sparray, key: object) -> None:
    with arraystore.open(path) as a:
        block = a[key]
        assert block.format == matrix.format and block.dtype == matrix.dtype
        block.check_format(full_check=True)
        np.testing.assert_array_equal(block.toarray(), matrix.toarray()[key])
        np.testing.assert_array_equal(a.dense[key], matrix.toarray()[key])


@pytest.mark.parametrize("key", [3, -1, (7, slice(None)), (slice(None), 5), (slice(40, 2, -3), 5), ([1, 3], 2)], ids=repr)
def test_lines_have_one_axis(path: Path, matrix: sp.sparray, key: object) -> None:
    with arraystore.open(path) as a:
        line = a[key]
        np.testing.assert_array_equal(line.toarray(), matrix.toarray()[key])


def test_elements(path: Path, matrix: sp.sparray) -> None:
    dense = matrix.toarray()
    rows, cols = np.random.default_rng(1).integers(0, 40, (2, 30))
    mask = dense > 0.5
    with arraystore.open(path) as a:
        assert a[4, -1] == dense[4, -1]
        np.testing.assert_array_equal(a[rows, cols], dense[rows, cols])
        np.testing.assert_array_equal(a[mask], dense[mask])


def test_the_whole_without_copying(path: Path, tmp_path: Path, matrix: sp.sparray) -> None:
    with arraystore.open(path) as a, pytest.raises(ValueError, match="convert"):
        a.scipy()
    with arraystore.convert(path, tmp_path / "b.npz") as b:
        whole = b.scipy()
    assert whole.format == matrix.format
    assert not whole.indices.flags.owndata and not whole.data.flags.owndata
    np.testing.assert_array_equal(whole.toarray(), matrix.toarray())
    np.testing.assert_allclose(whole @ np.ones(40, "f4"), matrix @ np.ones(40, "f4"), rtol=1e-5)


def test_products_are_made_on_the_file(path: Path, matrix: sp.sparray) -> None:
    with arraystore.open(path) as a:
        np.testing.assert_allclose(a @ np.ones(40, "f4"), matrix @ np.ones(40, "f4"), rtol=1e-6)
        np.testing.assert_allclose(np.ones((3, 200), "f4") @ a, np.ones((3, 200), "f4") @ matrix, rtol=1e-5)


def test_facts_and_pickles(path: Path, matrix: sp.sparray) -> None:
    with arraystore.open(path) as a:
        assert (a.shape, a.nnz, a.format) == (matrix.shape, matrix.nnz, matrix.format)
        with pytest.raises(TypeError, match="toarray"):
            np.asarray(a)
        np.testing.assert_array_equal(a.toarray(), matrix.toarray())
        with pickle.loads(pickle.dumps(a)) as b:
            np.testing.assert_array_equal(b.toarray(), matrix.toarray())


def test_writing(path: Path, matrix: sp.sparray) -> None:
    dense = matrix.toarray()
    with arraystore.open(path, mode="r+") as a:
        a[3] = 1
        a[[7, 2], 5:9] = 2
        a[:, 11] = sp.csr_array(dense[:, [12]]).toarray()[:, 0]
    dense[3] = 1
    dense[[7, 2], 5:9] = 2
    dense[:, 11] = matrix.toarray()[:, 12]
    np.testing.assert_array_equal(sp.load_npz(path).toarray(), dense)


def test_matrix_market(tmp_path: Path, matrix: sp.sparray) -> None:
    scipy.io.mmwrite(tmp_path / "a.mtx", matrix)
    with arraystore.open(tmp_path / "a.mtx") as a:
        np.testing.assert_allclose(a[:, 3:9].toarray(), matrix.toarray()[:, 3:9], rtol=1e-6)


def test_new_files(tmp_path: Path, matrix: sp.sparray) -> None:
    with arraystore.create(tmp_path / "a.npz", (10, 4), "f8", "csc") as a:
        a[2, :] = [0, 1, 0, 2]
    found = sp.load_npz(tmp_path / "a.npz")
    assert found.format == "csc" and found.nnz == 2
