"""Measures what the harness itself takes: a sample's overhead, generating data, digesting answers.

    python3 benches/harness.py [--out reports/harness] [--data-dir DIR] [--rounds 3] [--rows 40000000]

A sample's overhead is what a run of many samples of a small array takes longer than one of few, for each more, without the
workload's own time. Generating 16 GB is `create --fill uniform`, in turn with writing as many bytes of one block past the page cache, and
syncing them. Digesting is `digest` of a file in the page cache, beside what `probe` says of reading memory on all threads. Medians. Needs a
release build and `--rows` × 400 bytes of disk, twice.
"""

import argparse
import json
import mmap
import os
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PROGRAM = ROOT / "target" / "release" / "arraystore"
COLS = 100
BLOCK_BYTES = 8 << 20
MANY, FEW = 110, 10
DIGESTED = {"f32": 4, "f64": 8, "u8": 1}
DIGESTED_BYTES = 2_000_000_000
BOUNDS = {"overhead": 0.05, "generating": 0.8, "digesting": 0.5}


def run(*arguments):
    """Seconds that the program takes, and what it prints."""
    begun = time.perf_counter()
    done = subprocess.run([PROGRAM, *map(str, arguments)], check=True, capture_output=True, text=True)
    return time.perf_counter() - begun, done.stdout


def overhead(folder, workload, regime):
    """Seconds of a sample beside the workload."""
    def wall(samples):
        with tempfile.TemporaryDirectory(dir=folder) as out:
            seconds, _ = run(
                "compare", "--shape", "20000x50", "--density", 1, "--backends", "memmap", "--workloads", workload,
                "--regimes", regime, "--samples", samples, "--no-probe", "--out", out, "--force",
            )  # fmt: skip
            trial = json.loads(Path(out, "results.jsonl").read_text().splitlines()[1])
        return seconds, sum(sample["seconds"] for sample in trial["samples"])

    (many, worked), (few, worked_few) = wall(MANY), wall(FEW)
    return (many - few - (worked - worked_few)) / (MANY - FEW)


def write_all(path, length):
    """Seconds of writing so many bytes and syncing them: by calls of 8 MiB past the page cache, into blocks that are there."""
    block = mmap.mmap(-1, BLOCK_BYTES)  # aligned, as such writes want it
    block.write(bytes(range(256)) * (BLOCK_BYTES // 256))
    begun = time.perf_counter()
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_DIRECT)
    os.posix_fallocate(descriptor, 0, length)
    for _ in range(length // BLOCK_BYTES):
        os.write(descriptor, block)
    os.fsync(descriptor)
    os.close(descriptor)
    return time.perf_counter() - begun


def generating(folder, rows, rounds):
    """The share of the speed of writing that generating has, for each round."""
    shares, length = [], rows * COLS * 4
    for _ in range(rounds):
        path = folder / "generated.npy"
        made, _ = run("create", path, "--shape", f"{rows}x{COLS}", "--fill", "uniform")
        path.unlink()
        path = folder / "written"
        written = write_all(path, length)
        path.unlink()
        shares.append({"generated_seconds": made, "written_seconds": written, "share": written / made})
    return shares


def digesting(folder, dtype, rounds):
    """Bytes a second."""
    rows = DIGESTED_BYTES // (COLS * DIGESTED[dtype])
    path = folder / "digested.npy"
    run("create", path, "--shape", f"{rows}x{COLS}", "--dtype", dtype, "--fill", "uniform")
    run("digest", path)  # from now on it is in the page cache
    found = [DIGESTED_BYTES / run("digest", path)[0] for _ in range(rounds)]
    path.unlink()
    return statistics.median(found)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=ROOT / "reports" / "harness")
    parser.add_argument("--data-dir", type=Path, help="where data files go [default: the output folder]")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--rows", type=int, default=40_000_000, help="of the generated matrix of 100 columns")
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    commit = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True).stdout.strip()
    with tempfile.TemporaryDirectory(dir=given.data_dir or given.out) as folder:
        folder = Path(folder)
        limits = json.loads(run("probe", folder, "--json")[1])
        works = [("extract-column", "warm"), ("extract-column", "cold"), ("scan", "warm"), ("fill-columns", "warm")]
        found = {
            "commit": commit,
            "limits": limits,
            "overhead_seconds": {f"{work}, {regime}": overhead(folder, work, regime) for work, regime in works},
            "generating": generating(folder, given.rows, given.rounds),
            "digesting_bytes_per_second": {dtype: digesting(folder, dtype, given.rounds) for dtype in DIGESTED},
        }
    (given.out / "results.json").write_text(json.dumps(found, indent=1) + "\n")
    table = "".join(lines(found, given.rows))
    (given.out / "table.md").write_text(table)
    print(table, end="")


def lines(found, rows):
    yield f"Of commit {found['commit'][:7]}; see benches/harness.py.\n\n"
    yield "| what | measured | bound | |\n|---|--:|--:|---|\n"

    def row(what, measured, bound, is_met):
        return f"| {what} | {measured} | {bound} | {'met' if is_met else '**not met**'} |\n"

    for what, seconds in found["overhead_seconds"].items():
        bound = BOUNDS["overhead"]
        yield row(f"a sample beside its workload: {what}", f"{seconds * 1e3:.1f} ms", f"{bound * 1e3:.0f} ms", seconds <= bound)
    share = statistics.median(sample["share"] for sample in found["generating"])
    seconds = statistics.median(sample["generated_seconds"] for sample in found["generating"])
    yield row(
        f"generating {rows * COLS * 4 / 1e9:.3g} GB ({seconds:.1f} s), of the speed of writing them", f"{share:.2f}",
        BOUNDS["generating"], share >= BOUNDS["generating"],
    )  # fmt: skip
    memory = found["limits"]["limits"]["memory_read_bytes_per_second"]
    for dtype, speed in found["digesting_bytes_per_second"].items():
        share = speed / memory
        yield row(
            f"digesting {dtype} ({speed / 1e9:.1f} GB/s), of reading memory", f"{share:.2f}", BOUNDS["digesting"],
            share >= BOUNDS["digesting"],
        )  # fmt: skip


if __name__ == "__main__":
    main()
