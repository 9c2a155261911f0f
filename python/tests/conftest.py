"""Files that tests read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest


@pytest.fixture
def values() -> np.ndarray:
    """300 × 7, every cell another number."""
    return np.arange(2100, dtype="f4").reshape(300, 7)


@pytest.fixture(params=["C", "F"])
def order(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def path(tmp_path: Path, values: np.ndarray, order: str) -> Path:
    """These, in a file in either order."""
    np.save(tmp_path / "a.npy", np.asarray(values, order=order))
    return tmp_path / "a.npy"
