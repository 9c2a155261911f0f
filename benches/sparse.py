"""Measures the bounds that the sparse engine is held to, against SciPy, and writes them as a table.

    python3 benches/sparse.py [--out reports/sparse] [--data-dir DIR] [--only NAME,NAME] [--rounds 9]

Needs a release build of the program and of the example `operations` (`cargo build --release --examples --bins`), Python 3.9
with SciPy, some 10 GB of disk, and for `limited` the right to make memory control groups. Both sides work on files that
are open, or open them where that is the work, and take turns, of several calls where one is short; each answer of ours is compared with SciPy's. Samples are
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
# 160 million entries, 1.28 GB: ten times the limit.
BIG, LIMIT, BUDGET = "1000000x16000", 128 << 20, 64 << 20
MANY = "2200x1000000"


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

    def take_turns(self, name, ours, rivals, calls=1):
        """`ours` and each of `rivals` give seconds and a number that must agree. Where a turn is several calls, the median of
        these is its sample: warm is what was just done, and memory that nobody asked for a while answers late."""
        samples = {"ours": [], **{rival: [] for rival in rivals}}

        def turn(work):
            answers = [work() for _ in range(calls)]
            return statistics.median(seconds for seconds, _ in answers), answers[-1][1]

        for _ in range(self.rounds):
            seconds, right = turn(ours)
            samples["ours"].append(seconds)
            for rival, work in rivals.items():
                seconds, check = turn(work)
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
            # What is mapped cannot be evicted.
            self.ours.ask("close", "a")
            evict(path)
            before = self.ours.device_bytes()
            opened, _ = self.ours.ask("open", "a", path, "mapped", MEMORY, os.cpu_count())
            read, check = self.ours.ask("column", "a", index)
            bytes_read.append(self.ours.device_bytes() - before)
            assert bytes_read[-1] > 0, "nothing came from the device: it was not cold"
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

        self.take_turns(f"column-{layout}", ours, {"scipy": rival}, calls=5)

    def column_csc(self):
        self.columns_one_by_one("csc")

    def column_csr(self):
        self.columns_one_by_one("csr")

    # -- every column

    def every_column_csc(self):
        self.open("csc")
        expert = mapped(self.folder, "csc")
        self.take_turns("every-column-csc", lambda: self.ours.ask("columns", "a"), {"expert": lambda: blocks(expert)}, calls=3)

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
        self.take_turns("every-column-csr", ours, {"loop": loop, "tocsc": turned}, calls=3)

    # -- rows

    def rows(self, layout):
        self.open(layout)
        matrix = self.matrix(layout)
        picked = chosen_rows()

        def rival():
            seconds, rows = timed(lambda: matrix[picked].toarray())
            return seconds, total(rows)

        self.take_turns(f"rows-{layout}", lambda: self.ours.ask("rows", "a", SEED), {"scipy": rival}, calls=5)

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
                    self.take_turns(name, lambda word=word: self.ours.ask(word, "a"), {"scipy": rival}, calls=5)
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

            self.take_turns(f"turn-{threads}", lambda: self.ours.ask("turn", "a"), {"scipy": rival}, calls=3)

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


    # -- larger than memory

    def limited(self):
        """Every operation on a file eight times as large as the memory limit, evicted before each."""
        big, turned = self.folder / "big.csc.npz", self.folder / "big.csr.npz"
        if not big.exists():
            run("create", big, "--shape", BIG, "--density", DENSITY, "--fill", "uniform", "--layout", "csc")
        out, small = self.folder / "out.npz", self.folder / "small.npy"
        column = self.folder / "column.npy"
        run("extract", big, "--columns", "5", "--out", column, "--force")
        probed = subprocess.run([PROGRAM, "probe", self.folder, "--json"], check=True, capture_output=True, text=True)
        rows = {"bytes": big.stat().st_size, "probe": json.loads(probed.stdout)["limits"]}
        commands = {
            "convert to csr": ["convert", big, turned, "--layout", "csr", "--force"],
            "convert csr to csc": ["convert", turned, out, "--layout", "csc", "--force"],
            "convert to coo": ["convert", big, out, "--layout", "coo", "--force"],
            "convert coo to csr": ["convert", self.folder / "coo.npz", out, "--layout", "csr", "--force"],
            "digest": ["digest", big],
            "digest of csr": ["digest", turned],
            "check": ["check", big],
            "info": ["info", big],
            "a column": ["extract", big, "--columns", "5", "--out", small, "--force"],
            "a column of csr": ["extract", turned, "--columns", "5", "--out", small, "--force"],
            "a row": ["extract", big, "--rows", "5", "--out", small, "--force"],
            "a block": ["extract", big, "--rows", "::100", "--columns", "::100", "--out", small, "--force"],
            "set a column": ["assign", big, "--columns", "5", "--from", column],
            "append a column": ["append", self.folder / "grown.npz", "--from", column],
        }
        for work, command in commands.items():
            if work == "convert coo to csr":
                out.rename(self.folder / "coo.npz")
            if work == "append a column":
                subprocess.run(["cp", big, self.folder / "grown.npz"], check=True)
            for word in command:
                if isinstance(word, Path) and word.exists():
                    evict(word)
            with MemoryLimit(LIMIT) as group:
                rows[work] = group.measure([PROGRAM, *map(str, command), "--memory", str(BUDGET), "--quiet"])
            print(work, rows[work], flush=True)
        for word in 5 * ["read", "multiply", "transposed"]:
            evict(big)
            if word == "read":
                rows.setdefault(word, []).append(cold_read(big))
                continue
            with MemoryLimit(LIMIT) as group:
                rows.setdefault(word, []).append(group.operation([
                    ("open", "a", big, "positioned", BUDGET, os.cpu_count()), (word, "a")
                ]))
            print(word, rows[word][-1], flush=True)
        self.found["limited"] = rows
        for name in ["coo.npz", "out.npz", "grown.npz", "big.csr.npz", "small.npy", "column.npy"]:
            (self.folder / name).unlink(missing_ok=True)

    def many_entries(self):
        """More entries than 32 bits can count: written, opened, read, checked."""
        path = self.folder / "many.csr.npz"
        rows = {}

        def step(name, *arguments):
            seconds, done = timed(lambda: subprocess.run(
                [PROGRAM, *map(str, arguments)], check=True, capture_output=True, text=True))
            rows[name] = seconds
            print(name, round(seconds, 1), flush=True)
            return done.stdout

        step("create", "create", path, "--shape", MANY, "--dtype", "u8", "--fill", "uniform", "--layout", "csr", "--seed", 3, "--force")
        info = json.loads(step("info", "info", path, "--json"))
        rows["entries"], rows["bytes"] = info["nnz"], info["bytes_on_disk"]
        assert info["nnz"] > 2**31 - 1
        dense = self.folder / "many.npy"
        step("create dense", "create", dense, "--shape", MANY, "--dtype", "u8", "--fill", "uniform", "--seed", 3, "--force")
        for name, pick in [("last row", ["--rows", "-1"]), ("last column", ["--columns", "-1"])]:
            both = [self.folder / "one.npy", self.folder / "other.npy"]
            for file, out in zip([path, dense], both):
                step(f"{name} of {file.suffix}", "extract", file, *pick, "--out", out, "--force")
            assert np.array_equal(*map(np.load, both)), name
        step("verify", "verify", path, dense)
        self.found["many"] = rows
        for name in ["many.csr.npz", "many.npy", "one.npy", "other.npy"]:
            (self.folder / name).unlink()


class MemoryLimit:
    """A memory control group (version 1) of so many bytes, page cache included."""

    ROOT = Path("/sys/fs/cgroup/memory")

    def __init__(self, limit):
        self.folder = self.ROOT / f"arraystore-sparse-{os.getpid()}"
        self.limit = limit

    def __enter__(self):
        self.folder.mkdir()
        (self.folder / "memory.limit_in_bytes").write_text(str(self.limit))
        return self

    def __exit__(self, *_):
        for _ in range(100):
            try:
                return self.folder.rmdir()
            except OSError:
                time.sleep(0.05)

    def start(self, command, **options):
        enter = lambda: (self.folder / "cgroup.procs").write_text(str(os.getpid()))
        return subprocess.Popen(command, preexec_fn=enter, **options)

    def measure(self, command):
        """Seconds, and the largest anonymous memory that was seen."""
        start = time.perf_counter()
        process = self.start(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        most = watch(process, lambda: process.poll() is not None)
        seconds = time.perf_counter() - start
        if process.returncode != 0:
            raise RuntimeError(f"{command}: {process.stderr.read()}")
        return {"seconds": seconds, "anonymous": most}

    def operation(self, lines):
        """What the last of these operations takes, in a process of its own."""
        process = self.start([OPERATIONS], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        process.stdin.write("".join(" ".join(map(str, line)) + "\n" for line in lines))
        process.stdin.close()
        most = watch(process, lambda: process.poll() is not None)
        reply = json.loads(process.stdout.read().splitlines()[-1])
        if "error" in reply:
            raise RuntimeError(reply["error"])
        return {"seconds": reply["seconds"], "anonymous": most}


def watch(process, is_over):
    """The largest anonymous memory of a process, looked at every few milliseconds."""
    most = 0
    while not is_over():
        try:
            text = Path(f"/proc/{process.pid}/status").read_text()
            most = max([most] + [int(line.split()[1]) << 10 for line in text.splitlines() if line.startswith("RssAnon")])
        except OSError:
            pass
        time.sleep(0.004)
    return most


def cold_read(path):
    """Seconds to read a file from front to back that is not cached."""
    evict(path)
    buffer = bytearray(1 << 20)

    def work():
        with open(path, "rb", buffering=0) as file:
            while file.readinto(buffer):
                pass

    return timed(work)[0]


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


# ---------------------------------------------------------------- the table


def milliseconds(value):
    return f"{value:.2f} s" if value >= 1 else f"{value * 1e3:.3g} ms"


def table(found):
    """(work, bound, what was found) as Markdown."""

    def ours(name):
        return statistics.median(found[name]["ours"])

    def ratio(name, rival):
        pairs = zip(found[name][rival], found[name]["ours"])
        return statistics.median(slow / fast for slow, fast in pairs)

    def against(*parts):
        return "; ".join(
            f"{label}{milliseconds(ours(name))}, {rival} {ratio(name, rival):.2f}×" for label, name, rival in parts
        )

    cores = os.cpu_count()
    rows = []

    def row(work, bound, make):
        try:
            rows.append((work, bound, make()))
        except KeyError as missing:
            rows.append((work, bound, f"not measured ({missing.args[0]})"))

    row("open a file and read one column (csc), cold", "≥ 25× load_npz, ≥ 4× expert", lambda: against(
        ("", "cold-column", "load_npz"), ("", "cold-column", "expert")))
    row("the same: bytes from the device", "≤ indptr + the column + 64 pages", lambda:
        f"{found['cold-column-bytes']:.0f} of {found['cold-column-allowed']}")
    row("one column, dense, warm", "≥ 5×", lambda: against(
        ("csc ", "column-csc", "scipy"), ("csr ", "column-csr", "scipy")))
    row("every column in turn, dense, warm: csc", "≥ 2× expert's blocks", lambda: against(
        ("", "every-column-csc", "expert")))
    row("every column in turn, dense, warm: csr", "≥ 20× SciPy's loop, ≥ 1.5× tocsc() and blocks", lambda: against(
        ("", "every-column-csr", "loop"), ("", "every-column-csr", "tocsc")))
    row("2000 random rows, dense", "csr ≥ 1.5×, csc ≥ 3×", lambda: against(
        ("csr ", "rows-csr", "scipy"), ("csc ", "rows-csc", "scipy")))

    def products(threads):
        return against(*((f"{name} ", f"{word}-{layout}-{threads}", "scipy") for name, word, layout in [
            ("A·x csr", "multiply", "csr"), ("csc", "multiply", "csc"),
            ("Aᵀ·x csr", "transposed", "csr"), ("csc", "transposed", "csc")]))

    def bandwidth():
        limit = found["probe"]["limits"]["memory_read_bytes_per_second"]
        bytes_read = ROWS * COLS * DENSITY * 8
        return "; ".join(
            f"{layout} {bytes_read / ours(f'multiply-{layout}-{cores}') / limit:.2f}" for layout in ["csr", "csc"])

    row("A·x, Aᵀ·x, all cores", "share of memory bandwidth ≥ 0.8", lambda: bandwidth() + "; " + products(cores))
    row("the same, one thread", "≥ 1× SciPy", lambda: products(1))
    row("csc → csr in memory", "≥ 2× tocsr, one thread ≥ 1×", lambda: against(
        ("", f"turn-{cores}", "scipy"), ("one thread ", "turn-1", "scipy")))
    row("filling by columns, durable", "≥ 1.5× SciPy + save_npz", lambda: against(
        ("csc ", "fill-csc", "scipy"), ("csr ", "fill-csr", "scipy")))
    row("Matrix Market read into CSR", "≥ 1× mmread (into COO)", lambda: against(
        ("", "market", "mmread"), ("", "market", "mmread-tocsr")))
    limited = found.get("limited", {})

    def streamed():
        def against_reading(word):
            taken = [one["seconds"] for one in limited[word]]
            ratio = statistics.median(read / seconds for read, seconds in zip(limited["read"], taken))
            seconds = statistics.median(taken)
            return f"{word} {milliseconds(seconds)}, {ratio:.2f}× a read in turn, {probed / seconds:.2f}× what probe says"

        probed = limited["bytes"] / limited["probe"]["cold_read_bytes_per_second"]
        return "; ".join(against_reading(word) for word in ["multiply", "transposed"])

    row("A·x, Aᵀ·x on 1.28 GB within 128 MiB, cold", "≥ 0.9× a cold sequential read", streamed)

    def turned():
        probe, size = limited["probe"], limited["bytes"]
        cost = size / probe["cold_read_bytes_per_second"] + size / probe["write_sync_bytes_per_second"]
        seconds = limited["convert to csr"]["seconds"]
        return f"{milliseconds(seconds)}, {seconds / cost:.1f}× of {milliseconds(cost)}"

    row("csc → csr of these 1.28 GB within 128 MiB", "≤ 4× what probe says its bytes cost", turned)
    operations = [(name, value) for name, value in limited.items() if isinstance(value, dict) and "anonymous" in value]

    def completed():
        if not operations:
            raise KeyError("limited")
        most = max(value["anonymous"] for _, value in operations)
        return f"{len(operations)} operations, at most {most >> 20} MiB of {(BUDGET >> 20) + 16}"

    row("every operation on these 1.28 GB within 128 MiB", "completes; own memory ≤ budget (64 MiB) + 16 MiB", completed)
    def counted():
        many = found["many"]
        steps = ["create", "last row of .npz", "last column of .npz", "verify"]
        taken = ", ".join(f"{step.removesuffix(' of .npz')} {milliseconds(many[step])}" for step in steps)
        return f"{many['entries'] / 1e9:.1f} billion entries, {many['bytes'] / 1e9:.1f} GB: {taken}, all right"

    row("more entries than 32 bits count (2200×1000000 u8, csr)", "written, read, verified against a dense file", counted)
    lines = ["| work, 1000000×1000 f32 at 1 % unless said | bound | found |", "|---|---|---|"]
    lines += [f"| {work} | {bound} | {what} |" for work, bound, what in rows]
    lines += ["", "| operation on 1.28 GB within 128 MiB, evicted before | seconds | own memory, MiB |", "|---|--:|--:|"]
    lines += [f"| {name} | {value['seconds']:.2f} | {value['anonymous'] / (1 << 20):.1f} |" for name, value in operations]
    machine = found.get("machine", "")
    return f"# Sparse bounds\n\nMade by `python3 benches/sparse.py`. {machine}\n\n" + "\n".join(lines) + "\n"


def sync(path):
    for name in (path, path.parent):
        descriptor = os.open(name, os.O_RDONLY)
        os.fsync(descriptor)
        os.close(descriptor)


MEASURED = [
    "cold_column", "column_csc", "column_csr", "every_column_csc", "every_column_csr", "rows_csr", "rows_csc", "products",
    "turn", "fill", "market", "limited",
]
# Not among them: 20 GB and some minutes.
LARGE = ["many_entries"]


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
        commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True).stdout
        found["machine"] = (
            f"Commit {commit.strip()}, SciPy {scipy.__version__}, NumPy {np.__version__}, Python {platform.python_version()}, "
            f"{os.cpu_count()} cores; medians of the rounds' ratios, {arguments.rounds} rounds."
        )
        for name in names:
            getattr(bench, name)()
            results.write_text(json.dumps(found, indent=1) + "\n")
    (arguments.out / "table.md").write_text(table(found))


if __name__ == "__main__":
    main()
