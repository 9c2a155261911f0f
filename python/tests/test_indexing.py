"""Indexing gives what NumPy gives, of arrays of any shape, order and type."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import hypothesis.extra.numpy as arrays
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import arraystore

TYPES = ["?", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8", "c8", "c16", ">f4", ">i8"]


@st.composite
def indexed(draw: st.DrawFn) -> tuple[np.ndarray, Any]:
    """An array, and an index of it that NumPy takes."""
    shape = draw(arrays.array_shapes(min_dims=1, max_dims=4, min_side=0, max_side=6))
    dtype = np.dtype(draw(st.sampled_from(TYPES)))
    values = np.arange(int(np.prod(shape))).astype(dtype).reshape(shape)
    values = np.asarray(values, order=draw(st.sampled_from("CF")))
    kinds = [arrays.basic_indices(shape, allow_newaxis=False)]
    if 0 not in shape:
        kinds += [
            arrays.integer_array_indices(shape, result_shape=arrays.array_shapes(max_dims=2, max_side=5)),
            st.tuples(*(axis_indices(size) for size in shape)),
            st.lists(st.integers(-shape[0], shape[0] - 1), max_size=8),
        ]
    mask = st.integers(1, len(shape)).flatmap(lambda count: arrays.arrays(bool, shape[:count]))
    return values, draw(st.one_of(*kinds, mask))


def axis_indices(size: int) -> st.SearchStrategy[Any]:
    """An index of one axis, of any kind; lists are of one length, so that they go together."""
    return st.one_of(
        st.slices(size),
        st.integers(-size, size - 1),
        st.lists(st.integers(-size, size - 1), min_size=3, max_size=3),
    )


@pytest.mark.parametrize("backend", ["memmap", "seek"])
@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(case=indexed())
def test_reads_as_numpy(backend: str, case: tuple[np.ndarray, Any]) -> None:
    values, key = case
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "a.npy")
        np.save(path, values)
        expected = values[key]
        with arraystore.open(path, backend=backend) as a:
            assert a.shape == values.shape
            found = a[key]
        assert np.shape(found) == np.shape(expected)
        assert np.asarray(found).dtype == values.dtype.newbyteorder("=")
        np.testing.assert_array_equal(found, expected)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(case=indexed())
def test_assigns_as_numpy(case: tuple[np.ndarray, Any]) -> None:
    values, key = case
    values = values.astype(values.dtype.newbyteorder("="))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "a.npy")
        np.save(path, values)
        new = np.arange(np.asarray(values[key]).size)[::-1].astype(values.dtype).reshape(np.shape(values[key]))
        with arraystore.open(path, mode="r+") as a:
            a[key] = new
            np.testing.assert_array_equal(a[...], _assigned(values, key, new))
        np.testing.assert_array_equal(np.load(path), _assigned(values, key, new))


def _assigned(values: np.ndarray, key: Any, new: np.ndarray) -> np.ndarray:
    values = values.copy()
    values[key] = new
    return values


@pytest.mark.parametrize(
    "key",
    [
        300,
        -301,
        (0, 7),
        (0, 0, 0),
        [300],
        ([0], [7]),
        np.zeros(299, bool),
        np.zeros((300, 8), bool),
        "a",
        1.0,
        [1.5],
        (..., ...),
        ([0, 1], [0, 1, 2]),
    ],
)
def test_refuses_what_numpy_refuses(path: Path, values: np.ndarray, key: Any) -> None:
    with pytest.raises(IndexError):
        values[key]
    with arraystore.open(path) as a, pytest.raises(IndexError):
        a[key]


@pytest.mark.parametrize("key", [None, (None, 0), True, np.True_])
def test_refuses_new_axes_with_advice(path: Path, key: Any) -> None:
    with arraystore.open(path) as a, pytest.raises(IndexError, match="index what was read"):
        a[key]


def test_scattered_cells_of_a_large_array(tmp_path: Path, order: str) -> None:
    values = np.arange(2_000_000, dtype="i8").reshape(2000, 1000)
    np.save(tmp_path / "a.npy", np.asarray(values, order=order))
    rng = np.random.default_rng(0)
    rows, cols = rng.integers(-2000, 2000, 5000), rng.integers(0, 1000, 5000)
    with arraystore.open(tmp_path / "a.npy") as a:
        np.testing.assert_array_equal(a[rows, cols], values[rows, cols])
    with arraystore.open(tmp_path / "a.npy", mode="r+") as a:
        np.testing.assert_array_equal(a[rows, cols], values[rows, cols])
        a[rows, cols] = -1
    values[rows, cols] = -1
    np.testing.assert_array_equal(np.load(tmp_path / "a.npy"), values)
