"""The examples of docs/python.md, run one after another."""

from __future__ import annotations

import json
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


RECIPE = PAGE.with_name("recipe.md")


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_the_recipe_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    for block in re.findall(r"^```python\n(.*?)^```", RECIPE.read_text(), re.DOTALL | re.MULTILINE):
        exec(compile(block.replace("1_000_000", "10_000"), str(RECIPE), "exec"), names)
    assert isinstance(names["means"], np.ndarray) and names["means"].shape == (100,)


def test_what_the_recipe_takes_is_what_was_measured() -> None:
    record = PAGE.parents[1] / "reports" / "python" / "recipe.json"
    medians = json.loads(record.read_text())["medians"]
    contenders = ["arraystore", "np.memmap", "np.memmap, expert"]
    for step in medians["arraystore"]:
        cells = " | ".join(in_words(medians[name][step]) for name in contenders)
        assert f"| {step} | {cells} |" in RECIPE.read_text()


def in_words(seconds: float) -> str:
    return f"{seconds:.3g} s" if seconds >= 1 else f"{seconds * 1e3:.3g} ms"
