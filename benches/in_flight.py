"""Measures who keeps a disk busiest with scattered reads: threads that pread, io_uring, or announcing them (what we do).

    python3 benches/in_flight.py [--out reports/in-flight] [--data-dir DIR] [--rounds 5]

One 4 KiB page in 80 KiB of a cold file of 4 GB, as a column of wide rows lies: by `fio` (with `psync` on so many
threads, and with `io_uring` at so many in flight, through the page cache and past it), and by `arraystore explain
--cold --analyze` of a column, which asks for pages by `posix_fadvise` and then reads them on one thread. They take turns;
medians of reads per second. Needs a release build and fio 3.
"""

import argparse
import json
import os
import statistics
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PROGRAM = ROOT / "target" / "release" / "arraystore"
SHAPE = "50000x20000"
FILE_BYTES = 4_000_000_000
PAGE = 4096
STRIDE = 80 << 10
THREADS = [1, 4, 16, 32]
DEPTHS = [1, 16, 32, 128, 512]


def fio(path, engine, in_flight, direct):
    """Reads per second: `in_flight` threads of psync, or so many at once by io_uring from one thread."""
    jobs = in_flight if engine == "psync" else 1
    depth = 1 if engine == "psync" else in_flight
    part = FILE_BYTES // jobs // PAGE * PAGE
    command = [
        "fio", "--name=scattered", f"--filename={path}", f"--rw=read:{STRIDE - PAGE}", "--bs=4k", f"--ioengine={engine}",
        f"--iodepth={depth}", f"--numjobs={jobs}", f"--size={part}", f"--offset_increment={part}",
        # Once through the part: without this, it would begin anew until so much was read.
        f"--io_size={part // STRIDE * PAGE}",
        f"--direct={int(direct)}", "--fadvise_hint=random", "--invalidate=1", "--thread", "--readonly",
        "--group_reporting", "--output-format=json",
    ]
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    found = json.loads(text)["jobs"][0]["read"]
    return found["total_ios"] / (found["runtime"] / 1000)


def ours(path, backend):
    command = [PROGRAM, "explain", path, "--columns", "7", "--cold", "--analyze", "--json", "--backend", backend]
    found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    pages = found["analysis"]["device_bytes"] / PAGE
    assert pages > 40_000, f"only {pages} pages came from the device"
    return pages / found["analysis"]["seconds"]


def evict(path):
    descriptor = os.open(path, os.O_RDONLY)
    os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    os.close(descriptor)


def ways(path):
    """(who, in flight, how to measure reads per second)."""
    for threads in THREADS:
        yield "threads that pread", threads, lambda n=threads: fio(path, "psync", n, False)
    for direct in (False, True):
        who = "io_uring, O_DIRECT" if direct else "io_uring, page cache"
        for depth in DEPTHS:
            yield who, depth, lambda n=depth, direct=direct: fio(path, "io_uring", n, direct)
    for backend in ("memmap", "seek"):
        yield f"arraystore, {backend}", "512 to 1024", lambda backend=backend: ours(path, backend)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=ROOT / "reports" / "in-flight")
    parser.add_argument("--data-dir", type=Path, help="where the data file goes [default: the output folder]")
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    path = (given.data_dir or given.out) / "in-flight.npy"
    commit = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True).stdout.strip()
    version = subprocess.run(["fio", "--version"], check=True, capture_output=True, text=True).stdout.strip()
    found = {}
    try:
        command = [PROGRAM, "create", path, "--shape", SHAPE, "--fill", "uniform", "--quiet", "--force"]
        subprocess.run(command, check=True)
        for _ in range(given.rounds):
            for who, in_flight, measure in ways(path):
                evict(path)
                found.setdefault((who, in_flight), []).append(measure())
    finally:
        path.unlink(missing_ok=True)
    records = [
        {"who": who, "in_flight": in_flight, "reads_per_second": [round(value) for value in values]}
        for (who, in_flight), values in found.items()
    ]
    document = {"commit": commit, "fio": version, "kernel": os.uname().release, "found": records}
    (given.out / "results.json").write_text(json.dumps(document, indent=1) + "\n")
    lines = ["| who | in flight | reads per second, thousands (least to most) |", "|---|--:|--:|"]
    for record in records:
        values = [value / 1000 for value in record["reads_per_second"]]
        middle = f"{statistics.median(values):.0f} ({min(values):.0f} to {max(values):.0f})"
        lines.append(f"| {record['who']} | {record['in_flight']} | {middle} |")
    (given.out / "table.md").write_text("\n".join(lines) + "\n")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
