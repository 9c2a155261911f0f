"""Measures the bounds that the sparse engine is held to, against SciPy, and writes them as a table.

    python3 benches/sparse.py [--out reports/sparse] [--data-dir DIR] [--only NAME,NAME] [--rounds 9]

Needs a release build of the program and of the example `operations` (`cargo build --release --examples --bins`), Python 3.9
with SciPy, some 10 GB of disk, and for `limited` the right to make memory control groups. Both sides work on files that
are open, or open them where that is the work, and take turns; each answer of ours is compared with SciPy's. Samples are
kept in results.json, of which `--only none` makes the table again.

"expert" is SciPy as its expert would use it: the three arrays as .npy files, mapped, under a csc_array or csr_array, and blocks of
columns instead of single ones.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import scipy
import scipy.io
import scipy.sparse as sp

ROOT = Path(__file__).resolve().parent.parent
PROGRAM = ROOT / "target" / "release" / "arraystore"
OPERATIONS = ROOT / "target" / "release" / "examples" / "operations"
ROWS, COLS, DENSITY = 1_000_000, 1_000, 0.01
MEMORY = 1 << 30
BLOCK = 50
# SciPy's loop over the columns of a CSR takes so long that every so many columns stand for all.
EVERY = 50
SEED = 7


class Ours:
    """The example `operations`: a process that does what it is told, and says how long it took."""

    def __init__(self):
        self.process = subprocess.Popen([OPERATIONS], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, *words):
        self.process.stdin.write(" ".join(map(str, words)) + "\n")
        self.process.stdin.flush()
        reply = json.loads(self.process.stdout.readline())
        if "error" in reply:
            raise RuntimeError(f"{words}: {reply['error']}")
        return reply["seconds"], reply["check"]

    def device_bytes(self):
        text = Path(f"/proc/{self.process.pid}/io").read_text()
        return int(next(line.split()[1] for line in text.splitlines() if line.startswith("read_bytes")))


def timed(work):
    start = time.perf_counter()
    result = work()
    return time.perf_counter() - start, result


def total(values):
    return float(values.sum(dtype=np.float64))


def evict(*paths):
    for path in paths:
        descriptor = os.open(path, os.O_RDONLY)
        os.fsync(descriptor)
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(descriptor)


def make_data(folder):
    """The matrix of the bounds in every form that somebody opens."""
    files = {name: folder / name for name in ["a.csc.npz", "a.csr.npz", "a.mtx"]}
    if not files["a.csc.npz"].exists():
        shape = f"{ROWS}x{COLS}"
        run("create", files["a.csc.npz"], "--shape", shape, "--density", DENSITY, "--fill", "uniform", "--layout", "csc")
        run("convert", files["a.csc.npz"], files["a.csr.npz"], "--layout", "csr")
        run("convert", files["a.csc.npz"], files["a.mtx"])
    for layout in ["csc", "csr"]:
        if not (folder / f"{layout}-data.npy").exists():
            matrix = sp.load_npz(files[f"a.{layout}.npz"])
            for part in ["data", "indices", "indptr"]:
                np.save(folder / f"{layout}-{part}.npy", getattr(matrix, part))
    return files


def run(*arguments):
    subprocess.run([PROGRAM, *map(str, arguments), "--quiet"], check=True)


def mapped(folder, layout):
    """The expert's way to open."""
    parts = [np.load(folder / f"{layout}-{part}.npy", mmap_mode="r") for part in ["data", "indices", "indptr"]]
    return getattr(sp, f"{layout}_array")(tuple(parts), shape=(ROWS, COLS))


class Bench:
    """What is measured: for each name samples of ours and of each rival, taken in turn."""

    def __init__(self, folder, rounds, found):
        self.folder, self.rounds, self.found = folder, rounds, found
        self.files = make_data(folder)
        self.ours = Ours()
        self.scipy = {}

    def matrix(self, layout):
        if layout not in self.scipy:
            self.scipy[layout] = sp.load_npz(self.files[f"a.{layout}.npz"])
        return self.scipy[layout]

    def open(self, layout, threads=None):
        self.ours.ask("open", "a", self.files[f"a.{layout}.npz"], "mapped", MEMORY, threads or os.cpu_count())

    def take_turns(self, name, ours, rivals, rounds=None):
        """`ours` and each of `rivals` give seconds and a number that must agree."""
        samples = {"ours": [], **{rival: [] for rival in rivals}}
        for _ in range(rounds or self.rounds):
            seconds, right = ours()
            samples["ours"].append(seconds)
            for rival, work in rivals.items():
                seconds, check = work()
                samples[rival].append(seconds)
                if check is not None and not np.isclose(check, right, rtol=1e-4):
                    raise RuntimeError(f"{name}: {rival} has {check} where ours has {right}")
        self.found[name] = samples
        print(name, {side: round(statistics.median(values) * 1e3, 3) for side, values in samples.items()}, flush=True)

    # -- one column

    def cold_column(self):
        index = COLS // 3
        path = self.files["a.csc.npz"]
        parts = [self.folder / f"csc-{part}.npy" for part in ["data", "indices", "indptr"]]
        bytes_read = []

        def ours():
            evict(path)
            before = self.ours.device_bytes()
            opened, _ = self.ours.ask("open", "a", path, "positioned", MEMORY, os.cpu_count())
            read, check = self.ours.ask("column", "a", index)
            bytes_read.append(self.ours.device_bytes() - before)
            return opened + read, check

        def newcomer():
            evict(path)
            seconds, column = timed(lambda: sp.load_npz(path)[:, [index]].toarray())
            return seconds, total(column)

        def expert():
            evict(*parts)
            seconds, column = timed(lambda: mapped(self.folder, "csc")[:, [index]].toarray())
            return seconds, total(column)

        self.take_turns("cold-column", ours, {"load_npz": newcomer, "expert": expert})
        self.found["cold-column-bytes"] = statistics.median(bytes_read)
        matrix = self.matrix("csc")
        entries = int(matrix.indptr[index + 1] - matrix.indptr[index])
        self.found["cold-column-allowed"] = (COLS + 1) * 4 + entries * 8 + 64 * 4096

    def columns_one_by_one(self, layout):
        self.open(layout)
        matrix = self.matrix(layout)
        place = [0]

        def ours():
            place[0] = (place[0] + 37) % COLS
            return self.ours.ask("column", "a", place[0])

        def rival():
            seconds, column = timed(lambda: matrix[:, [place[0]]].toarray())
            return seconds, total(column)

        self.take_turns(f"column-{layout}", ours, {"scipy": rival}, 5 * self.rounds)

    def column_csc(self):
        self.columns_one_by_one("csc")

    def column_csr(self):
        self.columns_one_by_one("csr")

    # -- every column

    def every_column_csc(self):
        self.open("csc")
        expert = mapped(self.folder, "csc")
        self.take_turns("every-column-csc", lambda: self.ours.ask("columns", "a"), {"expert": lambda: blocks(expert)})

    def every_column_csr(self):
        self.open("csr")
        matrix = self.matrix("csr")

        def loop():
            def some():
                for index in range(0, COLS, EVERY):
                    matrix[:, [index]].toarray()

            return timed(some)[0] * EVERY, None

        def turned():
            seconds, other = timed(matrix.tocsc)
            more, check = blocks(other)
            return seconds + more, check

        ours = lambda: self.ours.ask("columns", "a")
        self.take_turns("every-column-csr", ours, {"loop": loop, "tocsc": turned})

    # -- rows

    def rows(self, layout):
        self.open(layout)
        matrix = self.matrix(layout)
        picked = chosen_rows()

        def rival():
            seconds, rows = timed(lambda: matrix[picked].toarray())
            return seconds, total(rows)

        self.take_turns(f"rows-{layout}", lambda: self.ours.ask("rows", "a", SEED), {"scipy": rival})

    def rows_csr(self):
        self.rows("csr")

    def rows_csc(self):
        self.rows("csc")

    # -- products

    def products(self):
        for threads in [os.cpu_count(), 1]:
            for layout in ["csr", "csc"]:
                self.open(layout, threads)
                for word, matrix in [("multiply", self.matrix(layout)), ("transposed", self.matrix(layout).T)]:
                    vector = (1 + np.arange(matrix.shape[1]) % 4).astype(np.float32)

                    def rival(matrix=matrix, vector=vector):
                        seconds, product = timed(lambda: matrix @ vector)
                        return seconds, total(product)

                    name = f"{word}-{layout}-{threads}"
                    self.take_turns(name, lambda word=word: self.ours.ask(word, "a"), {"scipy": rival})
        probed = subprocess.run([PROGRAM, "probe", self.folder, "--json"], check=True, capture_output=True, text=True)
        self.found["probe"] = json.loads(probed.stdout)

    # -- turned, filled, read

    def turn(self):
        matrix = self.matrix("csc")
        for threads in [os.cpu_count(), 1]:
            self.open("csc", threads)

            def rival():
                seconds, turned = timed(matrix.tocsr)
                return seconds, total(turned[[ROWS // 2]].toarray())

            self.take_turns(f"turn-{threads}", lambda: self.ours.ask("turn", "a"), {"scipy": rival})

    def fill(self):
        source = self.matrix("csc")
        for layout in ["csc", "csr"]:
            self.open("csc")
            path, other = self.folder / f"filled.{layout}.npz", self.folder / f"scipy.{layout}.npz"

            def ours():
                path.unlink(missing_ok=True)
                return self.ours.ask("fill", "a", path)

            def rival():
                other.unlink(missing_ok=True)
                stood, data, indices, ends = 0.0, [], [], [0]
                start = time.perf_counter()
                for index in range(COLS):
                    begin = time.perf_counter()
                    column = source[:, [index]].toarray()[:, 0]
                    stood += time.perf_counter() - begin
                    places = np.flatnonzero(column)
                    indices.append(places.astype(np.int32))
                    data.append(column[places])
                    ends.append(ends[-1] + len(places))
                parts = np.concatenate(data), np.concatenate(indices), np.array(ends, np.int32)
                matrix = sp.csc_array(parts, shape=(ROWS, COLS))
                sp.save_npz(other, matrix if layout == "csc" else matrix.tocsr(), compressed=False)
                sync(other)
                return time.perf_counter() - start - stood, total(column)

            self.take_turns(f"fill-{layout}", ours, {"scipy": rival})
            same = subprocess.run([PROGRAM, "verify", path, other], capture_output=True, text=True)
            assert same.returncode == 0, same.stdout + same.stderr
            path.unlink()
            other.unlink()

    def market(self):
        path = self.files["a.mtx"]
        path.read_bytes()
        ours = lambda: self.ours.ask("import", path, MEMORY, os.cpu_count())

        def rival():
            seconds, matrix = timed(lambda: scipy.io.mmread(path))
            return seconds, None

        def compressed():
            seconds, matrix = timed(lambda: scipy.io.mmread(path).tocsr())
            return seconds, None

        self.take_turns("market", ours, {"mmread": rival, "mmread-tocsr": compressed})


def blocks(matrix):
    """Every column dense, a block at a time: the same cells as ours are summed."""

    def work():
        check = 0.0
        for first in range(0, COLS, BLOCK):
            dense = matrix[:, first : first + BLOCK].toarray(order="F")
            for index in range(first, min(COLS, first + BLOCK)):
                check += float(dense[index * 7919 % ROWS, index - first])
        return check

    return timed(work)


def chosen_rows():
    state, rows = SEED, []
    for _ in range(2000):
        state = (state * 6364136223846793005 + 1442695040888963407) % (1 << 64)
        rows.append((state >> 33) % ROWS)
    return np.array(rows)


def sync(path):
    for name in (path, path.parent):
        descriptor = os.open(name, os.O_RDONLY)
        os.fsync(descriptor)
        os.close(descriptor)


MEASURED = [
    "cold_column", "column_csc", "column_csr", "every_column_csc", "every_column_csr", "rows_csr", "rows_csc", "products",
    "turn", "fill", "market",
]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=ROOT / "reports" / "sparse")
    parser.add_argument("--data-dir", type=Path, default=Path("."))
    parser.add_argument("--only", default=",".join(MEASURED))
    parser.add_argument("--rounds", type=int, default=9)
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    results = arguments.out / "results.json"
    found = json.loads(results.read_text()) if results.exists() else {}
    names = [name for name in arguments.only.split(",") if name != "none"]
    if names:
        bench = Bench(arguments.data_dir, arguments.rounds, found)
        for name in names:
            getattr(bench, name)()
            results.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
