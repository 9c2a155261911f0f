"""Column means of an array many times larger than the memory of four Dask workers, each in a memory control group of its own.

    python dask_means.py [--limit 384MiB] [--times 8] [--workers 4] [--rounds 3] [--data-dir DIR] [--out FILE]

In turn: `arraystore.open(...).to_dask()` and `da.from_array` over an opener of `np.memmap` made by hand, with the same chunks, and
with those that Dask chooses for it. Then once more with a worker killed in the middle. Every answer is compared with the sums that one
process makes, which are exact for generated data. Says how near the workers came to their limit, and how many were lost. Bounds: all
complete and are right, no worker is killed by its limit, and ours takes a third of the rival's time. Needs Linux, the right to make
control groups, and limit × workers × times of disk.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import statistics
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
from distributed import Client, LocalCluster

import arraystore
from arraystore._sizes import in_bytes, in_words

COLS = 100
BOUND = 3.0


class Opener:
    """What people write who read dask/dask#11850: a map that is opened by whoever reads a block."""

    def __init__(self, path: str, shape: tuple[int, int]) -> None:
        self.path, self.shape, self.dtype, self.ndim = path, shape, np.dtype("f4"), 2

    def __getitem__(self, key: Any) -> np.ndarray:
        return np.asarray(np.load(self.path, mmap_mode="r")[key])


class Groups:
    """A memory control group for each worker."""

    def __init__(self, limit: int) -> None:
        self.limit, self.folders = limit, dict[int, Path]()
        v1 = Path("/sys/fs/cgroup/memory")
        self.version = "v1" if (v1 / "memory.limit_in_bytes").exists() else "v2"
        self.root = v1 if self.version == "v1" else Path("/sys/fs/cgroup")

    def enter(self, pid: int) -> None:
        folder = self.root / f"arraystore-dask-{os.getpid()}-{pid}"
        folder.mkdir()
        self.folders[pid] = folder
        name = "memory.limit_in_bytes" if self.version == "v1" else "memory.max"
        (folder / name).write_text(str(self.limit))
        (folder / "cgroup.procs").write_text(str(pid))

    def peak(self, pid: int) -> int:
        name = "memory.max_usage_in_bytes" if self.version == "v1" else "memory.peak"
        return int((self.folders[pid] / name).read_text())

    def remove(self) -> None:
        for folder in self.folders.values():
            for pid in (folder / "cgroup.procs").read_text().split():
                (self.root / "cgroup.procs").write_text(pid)
            folder.rmdir()
        self.folders.clear()


@contextmanager
def cluster(count: int, groups: Groups) -> Iterator[Client]:
    how = {"threads_per_worker": 1, "processes": True, "memory_limit": 0, "dashboard_address": None}
    with LocalCluster(n_workers=count, **how) as workers, Client(workers) as client:
        client.wait_for_workers(count)
        for pid in client.run(os.getpid).values():
            groups.enter(pid)
        try:
            yield client
        finally:
            client.shutdown()
            groups.remove()


def drop_cache(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def once(make: Any, path: Path, arguments: argparse.Namespace, expected: np.ndarray, kill_after: float | None = None) -> dict[str, Any]:
    groups = Groups(in_bytes(arguments.limit))
    drop_cache(path)
    with cluster(arguments.workers, groups) as client:
        array = make()
        pids = list(client.run(os.getpid).values())
        if kill_after is not None:
            threading.Timer(kill_after, os.kill, (pids[0], signal.SIGKILL)).start()
        begun = time.perf_counter()
        found = array.sum(axis=0, dtype=np.float64).compute() / array.shape[0]
        seconds = time.perf_counter() - begun
        peaks = [groups.peak(pid) for pid in pids if kill_after is None or pid != pids[0]]
        alive = set(client.run(os.getpid).values())
    lost = [pid for pid in pids if pid not in alive]
    return {
        "seconds": seconds,
        "right": bool(np.array_equal(found, expected)),
        "peak_bytes": max(peaks),
        "lost_workers": len(lost),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--limit", default="384MiB")
    parser.add_argument("--times", type=int, default=8)
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--data-dir", type=Path, default=Path("."))
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    rows = in_bytes(arguments.limit) * arguments.workers * arguments.times // (4 * COLS)
    path = arguments.data_dir.resolve() / "dask-means.npy"
    try:
        made = ["create", str(path), "--shape", f"{rows}x{COLS}", "--fill", "uniform", "--force"]
        from arraystore._arraystore import _run

        if _run([sys.executable, "-m", "arraystore"], made):
            return 2
        with arraystore.open(path) as array:
            shape = array.shape
            print(f"{shape[0]}x{COLS} f4, {in_words(array.nbytes)}; {arguments.workers} workers of {arguments.limit}", flush=True)
            expected = sum((block.sum(axis=0, dtype=np.float64) for block in array.rows()), np.zeros(COLS)) / rows
            chunks = array.to_dask().chunks

        def ours() -> da.Array:
            return arraystore.open(path).to_dask()

        def by_hand(chunks: Any) -> da.Array:
            return da.from_array(Opener(str(path), shape), chunks=chunks, asarray=False)

        ways = {"arraystore": ours, "np.memmap, same chunks": lambda: by_hand(chunks), "np.memmap, Dask's chunks": lambda: by_hand("auto")}
        runs: dict[str, list[dict[str, Any]]] = {name: [] for name in ways}
        for _ in range(arguments.rounds):
            for name, make in ways.items():
                runs[name].append(once(make, path, arguments, expected))
                print(f"{name}: {runs[name][-1]}", flush=True)
        usual = statistics.median(run["seconds"] for run in runs["arraystore"])
        runs["arraystore, a worker killed"] = [once(ours, path, arguments, expected, kill_after=usual / 2)]
        print(f"arraystore, a worker killed: {runs['arraystore, a worker killed'][0]}", flush=True)
    finally:
        path.unlink(missing_ok=True)
    medians = {name: statistics.median(run["seconds"] for run in all_of) for name, all_of in runs.items()}
    rival = min(seconds for name, seconds in medians.items() if name.startswith("np.memmap"))
    record = {"rows": rows, "limit": arguments.limit, "workers": arguments.workers, "runs": runs, "medians": medians}
    record["ratio"] = rival / medians["arraystore"]
    print(f"medians: {medians}; {record['ratio']:.2f} times the better rival's speed, {BOUND} wanted")
    if arguments.out:
        arguments.out.write_text(json.dumps(record, indent=1) + "\n")
    right = all(run["right"] for all_of in runs.values() for run in all_of)
    return 0 if right and record["ratio"] >= BOUND else 1


if __name__ == "__main__":
    sys.exit(main())
