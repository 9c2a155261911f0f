"""The recipe, step by step: by this package, by np.memmap as one writes it at first, and by np.memmap as an expert writes it.

`python python/benches/recipe.py FOLDER [--out FILE.json]`, where python has the wheel; FOLDER is on the disk that is meant, and has room
for 400 MB. In each of five rounds the three take turns, in an order that changes: a file of 1,000,000 × 100 numbers of 4 bytes is filled
column by column and flushed until it is on the disk; it is opened again, out of the page cache and in it, and its last column
read; every column is summed. What is printed, and kept in FILE, is the median of each step, in seconds. The columns are in memory
before the clock starts; every answer is compared with them.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

import arraystore

ROWS, COLS = 1_000_000, 100
ROUNDS = 5
STEPS = ("fill", "column, cold", "column, warm", "every column")
# Columns that the expert keeps waiting, and rows that are then written at once: of both some MB.
HELD, BLOCK = 25, 1 << 14


class Ours:
    def fill(self, path: Path, columns: np.ndarray) -> None:
        with arraystore.create(path, (ROWS, COLS), "f4") as a:
            a.fill_columns(columns)

    def column(self, path: Path, index: int) -> np.ndarray:
        with arraystore.open(path) as a:
            return a[:, index]

    def sums(self, path: Path) -> np.ndarray:
        with arraystore.open(path) as a:
            return np.array([column.sum(dtype="f8") for column in a.columns()])


class Naive:
    def fill(self, path: Path, columns: np.ndarray) -> None:
        a = np.lib.format.open_memmap(path, "w+", "f4", (ROWS, COLS))
        for index, column in enumerate(columns):
            a[:, index] = column
        a.flush()

    def column(self, path: Path, index: int) -> np.ndarray:
        return np.array(np.load(path, mmap_mode="r")[:, index])

    def sums(self, path: Path) -> np.ndarray:
        a = np.load(path, mmap_mode="r")
        return np.array([a[:, index].sum(dtype="f8") for index in range(COLS)])


class Expert(Naive):
    def fill(self, path: Path, columns: np.ndarray) -> None:
        a = np.lib.format.open_memmap(path, "w+", "f4", (ROWS, COLS))
        for left in range(0, COLS, HELD):
            group = columns[left : left + HELD]
            for top in range(0, ROWS, BLOCK):
                a[top : top + BLOCK, left : left + HELD] = group[:, top : top + BLOCK].T
        a.flush()

    def sums(self, path: Path) -> np.ndarray:
        a = np.load(path, mmap_mode="r")
        sums = np.zeros(COLS)
        for top in range(0, ROWS, BLOCK):
            sums += a[top : top + BLOCK].sum(axis=0, dtype="f8")
        return sums


def evict(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def timed(work: Callable[[], object]) -> tuple[float, object]:
    begun = time.perf_counter()
    done = work()
    return time.perf_counter() - begun, done


def round_of(contender: Ours | Naive, path: Path, columns: np.ndarray) -> dict[str, float]:
    path.unlink(missing_ok=True)
    found = {"fill": timed(lambda: contender.fill(path, columns))[0]}
    last = COLS - 1
    evict(path)
    found["column, cold"], cold = timed(lambda: contender.column(path, last))
    found["column, warm"], warm = timed(lambda: contender.column(path, last))
    found["every column"], sums = timed(lambda: contender.sums(path))
    for column in (cold, warm):
        np.testing.assert_array_equal(column, columns[last], strict=True)
    np.testing.assert_allclose(sums, columns.sum(axis=1, dtype="f8"))
    path.unlink()
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    columns = np.random.default_rng(0).random((COLS, ROWS), "f4")
    contenders = {"arraystore": Ours(), "np.memmap": Naive(), "np.memmap, expert": Expert()}
    rounds: dict[str, list[dict[str, float]]] = {name: [] for name in contenders}
    order = random.Random(0)
    for _ in range(ROUNDS):
        for name in order.sample(list(contenders), len(contenders)):
            rounds[name].append(round_of(contenders[name], arguments.folder / "recipe.npy", columns))
    medians = {name: {step: statistics.median(one[step] for one in found) for step in STEPS} for name, found in rounds.items()}
    for name, found in medians.items():
        print(f"{name:18}", *(f"{step} {seconds * 1e3:.1f} ms;" for step, seconds in found.items()))
    if arguments.out is not None:
        about = {
            "numpy": np.__version__,
            "python": platform.python_version(),
            "system": f"{platform.system()} {platform.release()}",
            "processors": os.cpu_count(),
            "rounds": ROUNDS,
        }
        arguments.out.parent.mkdir(parents=True, exist_ok=True)
        arguments.out.write_text(json.dumps({"about": about, "medians": medians, "rounds": rounds}, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
