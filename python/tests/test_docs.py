"""The examples of docs/python.md, run one after another."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp

PAGE = Path(__file__).resolve().parents[2] / "docs" / "python.md"


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_examples_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    values = np.arange(3000, dtype="f4").reshape(300, 10)
    np.save("data.npy", values)
    sp.save_npz("matrix.npz", sp.csr_array(values * (values % 3 == 0)), compressed=False)
    names = {"a_mask": values > 10, "total": 0.0, "x": np.ones(10, "f4"), "row": np.ones(10, "f4")}
    blocks = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(), re.DOTALL | re.MULTILINE)
    assert len(blocks) > 10
    for block in blocks:
        if "compare(" in block:
            continue  # test_array.py has one
        # What is about one array does not fit all: vectors are as long as the example needs.
        if "x @ a" in block:
            block = block.replace("x @ a", "np.ones(a.shape[0], a.dtype) @ a")
        # s.scipy() needs an aligned file, which SciPy's are only by chance.
        if "s.scipy()" in block:
            block = 'arraystore.convert("matrix.npz", "m.npz")\n' + block.replace("matrix.npz", "m.npz")
        if 'mode="r+"' in block:
            names.pop("a").close()
            block += '\na = arraystore.open("data.npy")\n'
        exec(compile(block, str(PAGE), "exec"), names)
    names["a"].close()
