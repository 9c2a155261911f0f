"""What one call costs, beside np.memmap: `a[i]`, `a[i, j]`, and a pickle.

`python python/benches/overhead.py [folder]`, where python has the wheel. The file has 10,000 × 100 numbers of 8 bytes and is in the
page cache. In each of nine rounds every contender makes the same 20,000 calls, in turn; what is printed is the median of the rounds'
means. np.memmap gives views, which read nothing yet; what is read here is a copy, so its cost is part of the call.

Ends with 1 where a bound is missed: a[i] and a[i, j] at most 3 times np.memmap's time and at most 1 µs, a pickle at most 1 KiB
and made in at most 50 µs.
"""

from __future__ import annotations

import pickle
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

import arraystore

ROUNDS = 9
ROWS, COLS = 10_000, 100
CALLS = 20_000
MOST_TIMES, MOST_SECONDS = 3.0, 1e-6
PICKLE_BYTES, PICKLE_SECONDS = 1024, 50e-6


def index(array: Any, keys: list[Any]) -> float:
    """Seconds for each of these keys."""
    begun = time.perf_counter()
    for key in keys:
        array[key]
    return (time.perf_counter() - begun) / len(keys)


def repeat(work: Callable[[], Any], times: int) -> float:
    """Seconds each time."""
    begun = time.perf_counter()
    for _ in range(times):
        work()
    return (time.perf_counter() - begun) / times


def medians(contenders: dict[str, Callable[[], float]]) -> dict[str, float]:
    """The median of each one's rounds, all of them in turn."""
    rounds = [{name: measure() for name, measure in contenders.items()} for _ in range(ROUNDS)]
    return {name: statistics.median(one[name] for one in rounds) for name in contenders}


def main(folder: Path) -> int:
    path = folder / "overhead.npy"
    np.save(path, np.random.default_rng(0).random((ROWS, COLS)))
    rng = np.random.default_rng(1)
    rows = rng.integers(0, ROWS, CALLS).tolist()
    cells = list(zip(rows, rng.integers(0, COLS, CALLS).tolist(), strict=True))
    missed = 0
    arrays = {
        "arraystore, memmap": arraystore.open(path, backend="memmap"),
        "arraystore, seek": arraystore.open(path, backend="seek"),
        "np.memmap": np.load(path, mmap_mode="r"),
    }
    for words, keys in (("a[i]", rows), ("a[i, j]", cells)):
        found = medians({name: partial(index, array, keys) for name, array in arrays.items()})
        for name, seconds in found.items():
            times = seconds / found["np.memmap"]
            verdict = ""
            if name == "arraystore, memmap":
                is_met = times <= MOST_TIMES and seconds <= MOST_SECONDS
                missed += not is_met
                verdict = f"  bound {MOST_TIMES:g} × and {MOST_SECONDS * 1e9:.0f} ns: {'met' if is_met else 'MISSED'}"
            print(f"{words:8} {name:20} {seconds * 1e9:8.0f} ns  {times:5.2f} × np.memmap{verdict}")
    lazy = arrays["arraystore, memmap"]
    pickled = pickle.dumps(lazy)

    def load() -> None:
        pickle.loads(pickled).close()

    found = medians({"pickle": lambda: repeat(lambda: pickle.dumps(lazy), 2000), "unpickle": lambda: repeat(load, 200)})
    is_met = found["pickle"] <= PICKLE_SECONDS and len(pickled) <= PICKLE_BYTES
    missed += not is_met
    bound = f"bound {PICKLE_BYTES} bytes and {PICKLE_SECONDS * 1e6:.0f} µs: {'met' if is_met else 'MISSED'}"
    print(f"pickle   {len(pickled)} bytes in {found['pickle'] * 1e6:.1f} µs  {bound}")
    print(f"unpickle, which opens the file, and closing it: {found['unpickle'] * 1e6:.1f} µs")
    return 1 if missed else 0


if __name__ == "__main__":
    if len(sys.argv) > 1:
        sys.exit(main(Path(sys.argv[1])))
    with tempfile.TemporaryDirectory() as folder:
        sys.exit(main(Path(folder)))
