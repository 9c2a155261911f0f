"""Measures the bounds that the dense engine is held to, and writes them as a table.

    python3 benches/bounds.py [--out reports/bounds] [--data-dir DIR] [--only NAME,NAME] [--quick]

Needs a release build (`cargo build --release`), Python 3.9 with NumPy for the peers, some 10 GB of disk, and the right to
make memory control groups. Every comparison is one run of `arraystore compare`, in which both sides take turns; its
records stay in the folder. `--quick` measures once each, `--large` adds the files of 16 GB. The table is made of the
records alone: `--only none` makes it again.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PROGRAM = ROOT / "target" / "release" / "arraystore"
PEERS = ROOT / "benches" / "peers"
MIB = 1 << 20
RECIPE = "1000000x100"
WIDE = "50000x20000"
OURS = ["memmap", "seek"]


class Run:
    """One `compare`: its arguments, and how many samples it takes."""

    def __init__(self, name, workloads, regimes, peers, samples, shape=RECIPE, extra=()):
        self.name, self.workloads, self.regimes, self.peers = name, workloads, regimes, peers
        self.samples, self.shape, self.extra = samples, shape, list(extra)

    def arguments(self, out, quick):
        peers = ",".join(str(PEERS / f"{peer}.json") for peer in self.peers)
        return [
            "compare", "--density", "1", "--backends", ",".join(OURS), "--shape", self.shape,
            "--workloads", self.workloads, "--regimes", self.regimes, "--samples", str(1 if quick else self.samples),
            *(["--peers", peers] if peers else []), *self.extra, "--quiet", "--force", "--out", str(out),
        ]


NAIVE, EXPERT, FLOOR = "numpy-memmap", "numpy-expert", "disk-floor"
# After so long `numpy-expert-900s` is given up.
ENDED_SECONDS = 900
RUNS = [
    Run("fill", "fill-columns", "warm", [NAIVE, EXPERT, FLOOR], 9),
    Run("fill-limited", "fill-columns", "limited:160MiB", [EXPERT], 9),
    Run("fill-limited-naive", "fill-columns", "limited:160MiB", [NAIVE], 3),
    Run("columns", "extract-columns", "warm", [NAIVE, EXPERT], 9),
    Run("columns-limited", "extract-columns", "limited:160MiB", [EXPERT], 9),
    Run("columns-limited-naive", "extract-columns", "limited:160MiB", [NAIVE], 3),
    Run("column-narrow", "extract-column", "cold", [FLOOR], 9),
    Run("column-wide", "extract-column", "cold", [NAIVE, EXPERT], 9, shape=WIDE),
    Run("rows", "extract-rows", "cold", [NAIVE, EXPERT], 9),
    Run("shuffle", "shuffle-epoch", "limited:100MiB", [EXPERT], 9),
    Run("scan-cold", "scan", "cold", [FLOOR, EXPERT], 9),
    Run("scan-one-thread", "scan", "warm", [EXPERT], 9, extra=["--threads", "1"]),
    Run("scan", "scan", "warm", [EXPERT], 9),
]
LARGE = [
    Run("fill-4gb", "fill-columns", "limited:768MiB", [EXPERT], 3, shape="10000000x100"),
    Run("fill-16gb", "fill-columns", "limited:768MiB", [], 3, shape="40000000x100"),
    # The expert has room for a column at a time: it is ended after a quarter of an hour.
    Run("fill-16gb-expert", "fill-columns", "limited:768MiB", ["numpy-expert-900s"], 1, shape="40000000x100"),
]


# ---------------------------------------------------------------- what a run found


class Found:
    """The records of a run."""

    def __init__(self, folder):
        if not folder.is_dir():
            raise Missing(f"{folder.name} was not run")
        lines = (folder / "results.jsonl").read_text().splitlines()
        records = [json.loads(line) for line in lines]
        self.trials = {record["backend"]: record for record in records if record["kind"] == "trial"}
        self.limits = next((record["limits"] for record in records if record.get("limits")), None)

    def samples(self, name):
        trial = self.trials.get(name)
        if trial is None or trial["status"] != "ok" or not all(sample["verified"] for sample in trial["samples"]):
            raise Missing(f"{name}: {trial and (trial['reason'] or trial['status'])}")
        return trial["samples"]

    def median(self, name, field="seconds"):
        return statistics.median(sample[field] for sample in self.samples(name))

    def device_bytes(self, name):
        """Bytes that the process read from the device and gave it to write."""
        return statistics.median(
            sample["device_bytes_read"] + sample["device_dirtied_bytes"] for sample in self.samples(name)
        )

    def ratio(self, slower, name):
        """How many times as long `slower` takes: the median of the rounds' ratios."""
        pairs = zip(self.samples(slower), self.samples(name))
        return statistics.median(slow["seconds"] / fast["seconds"] for slow, fast in pairs)

    def times(self, other, names=OURS):
        """`other`'s time and how many times as long it takes as each of `names`."""
        ended = self.ended(other)
        if ended is not None:
            return f"ended after {seconds(ended)}: " + " / ".join(f"> {ended / self.median(name):.1f}×" for name in names)
        return f"{seconds(self.median(other))}: " + " / ".join(f"{self.ratio(other, name):.2f}×" for name in names)

    def ended(self, name):
        """After how many seconds `name` was given up, if it was: `timeout` says so by its exit status."""
        return ENDED_SECONDS if "exit status: 124" in (self.trials[name]["reason"] or "") else None

    def shares(self, floor):
        """What share of `floor`'s time each backend takes."""
        return f"{seconds(self.median(floor))}: " + " / ".join(f"{1 / self.ratio(floor, name):.2f}×" for name in OURS)


class Missing(Exception):
    """There is no such measurement."""


def seconds(value):
    return f"{value * 1000:.0f} ms" if value < 1 else f"{value:.2f} s"


def ours(found):
    return " / ".join(seconds(found.median(name)) for name in OURS)


def moved(found, size):
    return " / ".join(f"{found.device_bytes(name) / size:.2f} S" for name in OURS)


# ---------------------------------------------------------------- the table


def rows(load, probe, convert, elements, tell):
    """(work, bound, what was found), each found by a function that may say that it is missing."""
    size = 400_000_000
    limit = 160 * MIB
    budget = (limit - 32 * MIB) // 3 * 2
    bound = 1.15 * (1 + 2 * (1 - budget / size))

    def fill():
        found = load("fill")
        return ours(found), [
            ("≤ 1.3 × writing and syncing the same bytes", found.shares(FLOOR)),
            ("≥ 6 × naive", found.times(NAIVE)),
            ("≥ 1.7 × expert", found.times(EXPERT)),
        ]

    def fill_limited():
        found = load("fill-limited")
        return ours(found), [
            ("≥ 45 × naive", load("fill-limited-naive").times(NAIVE)),
            ("≥ 2 × expert", found.times(EXPERT)),
            (f"device bytes ≤ {bound:.2f} S", moved(found, size)),
        ]

    def fill_large():
        small, large = load("fill-4gb"), load("fill-16gb")
        writing, reading = (probe()[key] for key in ("write_sync_bytes_per_second", "cold_read_bytes_per_second"))
        cost = 16e9 * (2 / writing + 1 / reading)
        share = " / ".join(f"{large.median(name) / cost:.2f}×" for name in OURS)
        each = " / ".join(f"{large.median(name) / 4 / small.median(name):.2f}×" for name in OURS)
        try:
            rival = load("fill-16gb-expert").times(EXPERT)
        except Missing as error:
            rival = str(error)
        return ours(large), [
            ("≥ 6 × expert", rival),
            ("the same at 4 GB", small.times(EXPERT)),
            ("≤ 1.4 × what 3 S cost by the probe", f"{seconds(cost)}: {share}"),
            ("per byte ≤ 1.25 × the same at 4 GB", each),
        ]

    def columns():
        found = load("columns")
        return ours(found), [("≥ 4 × naive", found.times(NAIVE)), ("(the expert, no bound)", found.times(EXPERT))]

    def columns_limited():
        found = load("columns-limited")
        return ours(found), [
            ("≥ 20 × naive", load("columns-limited-naive").times(NAIVE)),
            ("≥ 2 × expert", found.times(EXPERT)),
            ("device bytes ≤ 3.2 S", moved(found, size)),
        ]

    def narrow():
        found = load("column-narrow")
        return ours(found), [("≤ 1.15 × reading the file cold", found.shares(FLOOR))]

    def wide():
        found = load("column-wide")
        pages = 50_000 * 4096
        read = " / ".join(f"{found.median(name, 'device_bytes_read') / pages:.2f}" for name in OURS)
        return ours(found), [
            ("≥ 6 × naive", found.times(NAIVE)),
            ("≥ 2 × expert", found.times(EXPERT)),
            ("device bytes ≤ 1.3 × 50000 pages", f"{read} × 50000 pages"),
        ]

    def scattered():
        found = load("rows")
        # 400 bytes lie in one page or in two.
        pages = 2000 * (1 + 399 / 4096) * 4096
        read = " / ".join(f"{found.median(name, 'device_bytes_read') / pages:.2f}" for name in OURS)
        return ours(found), [
            ("≥ 5 × naive", found.times(NAIVE)),
            ("≥ 1.3 × expert", found.times(EXPERT)),
            ("device bytes ≤ 2 × the pages asked for", f"{read} × the pages"),
        ]

    def shuffle():
        found = load("shuffle")
        return ours(found), [("≥ 3 × expert", found.times(EXPERT))]

    def scan():
        cold, one, all_cores = load("scan-cold"), load("scan-one-thread"), load("scan")
        memory = probe()["memory_read_bytes_per_second"]
        share = " / ".join(f"{size / all_cores.median(name) / memory:.2f}×" for name in OURS)
        return f"cold {ours(cold)}, warm {ours(all_cores)}", [
            ("cold ≤ 1.15 × reading the file", cold.shares(FLOOR)),
            ("warm, one thread ≥ 1.5 × NumPy by row blocks", one.times(EXPERT)),
            ("warm ≥ 0.7 × reading memory on all cores", share),
        ]

    def converted():
        found = {name: sorted(convert()[name], key=lambda sample: sample["seconds"])[1] for name in OURS}

        def cost(sample):
            reading = sample["device_read"] / probe()["cold_read_bytes_per_second"]
            return reading + sample["device_written"] / probe()["write_sync_bytes_per_second"]

        def each(show):
            return " / ".join(show(found[name]) for name in OURS)

        return each(lambda sample: seconds(sample["seconds"])), [
            ("device bytes ≤ 3.2 S", each(lambda it: f"{(it['device_read'] + it['device_written']) / 4e9:.2f} S")),
            (
                "≤ 1.5 × what these bytes cost by the probe",
                each(lambda it: f"{seconds(cost(it))}: {it['seconds'] / cost(it):.2f}×"),
            ),
        ]

    def element():
        found = elements()
        return "", [
            ("borrowed ≤ 5 ns", f"{found['borrowed']:.1f} ns"),
            ("through `dyn ArrayStore`, memmap ≤ 60 ns", f"{found['memmap']:.0f} ns"),
            ("seek ≤ 1.5 × one pread", f"{found['seek']:.0f} ns: {found['seek'] / found['pread']:.2f}×"),
        ]

    def explained():
        found = {}
        for it in tell():
            what = f"{it['shape']} {it['order']}: {it['what']}"
            found.setdefault(what, []).append(f"{it['device_bytes'] / it['planned_bytes']:.2f}")
        return "", [(what, "moved ÷ planned: " + " / ".join(shares)) for what, shares in found.items()]

    def memory():
        worst = 0
        for run in RUNS + LARGE:
            try:
                found = load(run.name)
                # A fill's workload holds two columns of its own: the one in the making, and the last one to be compared.
                columns = 2 * 4 * int(run.shape.split("x")[0]) if run.workloads == "fill-columns" else 0
                of_run = (max(s["peak_anonymous_bytes"] or 0 for s in found.samples(name)) for name in OURS)
                limit = run.regimes.partition(":")[2].removesuffix("MiB")
                budget = min(256 * MIB, (int(limit) - 32) * MIB * 2 // 3) if limit else 256 * MIB
                worst = max(worst, *(peak - columns - budget for peak in of_run))
            except Missing:
                pass
        return "", [("≤ effective budget + 16 MiB over the start, beside the caller's columns", f"at most budget {worst / MIB:+.1f} MiB")]

    return [
        ("fill 1000000×100, C order, warm, durable", fill),
        ("the same within 160 MiB", fill_limited),
        ("fill 40000000×100 (16 GB) within 768 MiB", fill_large),
        ("every column once, warm", columns),
        ("every column once within 160 MiB", columns_limited),
        ("one column, cold, rows of 400 B", narrow),
        ("one column, cold, 50000×20000 (4 GB)", wide),
        ("2000 random rows, cold", scattered),
        ("every row once in random batches of 256, array 4 × a limit of 100 MiB", shuffle),
        ("sum of each column", scan),
        ("convert C → Fortran, 50000×20000, `--memory 512MiB` within 768 MiB", converted),
        ("a resident element", element),
        ("`explain --analyze --cold`: within 10 %", explained),
        ("own memory", memory),
    ]


def table(sources):
    lines = ["| work | memmap / seek | bound | found |", "|---|---|---|---|"]
    for work, find in rows(*sources):
        try:
            own, bounds = find()
        except Missing as error:
            lines.append(f"| {work} | not measured | | {error} |")
            continue
        for index, (bound, value) in enumerate(bounds):
            lines.append(f"| {work if index == 0 else ''} | {own if index == 0 else ''} | {bound} | {value} |")
    return "\n".join(lines) + "\n"


# ---------------------------------------------------------------- measurements that are no comparison


def program(*arguments, **options):
    return subprocess.run([PROGRAM, *map(str, arguments)], check=True, **options)


def evict(path):
    descriptor = os.open(path, os.O_RDONLY)
    os.fsync(descriptor)
    os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    os.close(descriptor)


def device_counters(path):
    """(bytes read, bytes written) by the block device below `path`."""
    device = os.stat(path).st_dev
    text = Path(f"/sys/dev/block/{os.major(device)}:{os.minor(device)}/stat").read_text().split()
    return int(text[2]) * 512, int(text[6]) * 512


def measure_convert(data):
    """C → Fortran of 4 GB in a memory control group of 768 MiB (version 1)."""
    source, target = data / "wide.npy", data / "turned.npy"
    program("create", source, "--shape", WIDE, "--fill", "uniform", "--quiet", "--force")
    group = Path(f"/sys/fs/cgroup/memory/arraystore-bounds-{os.getpid()}")
    group.mkdir()
    try:
        (group / "memory.limit_in_bytes").write_text(str(768 * MIB))
        samples = {name: [] for name in OURS}
        for name in OURS * 3:
            evict(source)
            before = device_counters(data)
            enter = f'echo $$ > "{group}/cgroup.procs"; exec "$@"'
            command = ["sh", "-c", enter, "sh", PROGRAM, "convert", source, target, "--order", "f", "--backend", name]
            begun = os.times().elapsed
            subprocess.run([*command, "--memory", "512MiB", "--quiet", "--force"], check=True)
            taken = os.times().elapsed - begun
            after = device_counters(data)
            samples[name].append({
                "seconds": taken, "device_read": after[0] - before[0], "device_written": after[1] - before[1],
            })
        program("verify", source, target, "--quiet", stdout=subprocess.DEVNULL)
    finally:
        group.rmdir()
        source.unlink()
        target.unlink(missing_ok=True)
    return samples


# (shape, order, what is read): narrow rows and wide ones, along the file's lines and across them.
EXPLAINED = [
    (RECIPE, "c", ["--columns", "7"]),
    (RECIPE, "c", ["--rows", "5::500"]),
    ("5000x20000", "c", ["--columns", "7"]),
    ("5000x20000", "c", ["--rows", "7"]),
    (RECIPE, "f", ["--columns", "7"]),
    (RECIPE, "f", ["--rows", "1000:900000", "--columns", "3:60:4"]),
    (RECIPE, "c", ["--workload", "extract-columns", "--memory", "40MiB"]),
]


def measure_explained(data):
    """What plans say comes from a cold file's device, and what does."""
    found = []
    for shape, order, what in EXPLAINED:
        source = data / "explained.npy"
        program("create", source, "--shape", shape, "--order", order, "--fill", "uniform", "--quiet", "--force")
        try:
            for name in OURS:
                told = program("explain", source, *what, "--backend", name, "--analyze", "--cold", "--json", capture_output=True)
                told = json.loads(told.stdout)
                found.append({
                    "shape": shape, "order": order, "what": " ".join(what), "backend": name,
                    "planned_bytes": told["bytes_paged"], "device_bytes": told["analysis"]["device_bytes"],
                    "steps": told["steps"],
                })
        finally:
            source.unlink()
    return found


def measure_elements():
    """Nanoseconds for an element, by the benchmarks of the kernels."""
    command = ["cargo", "bench", "--quiet", "--bench", "kernels", "--", "element", "--output-format", "bencher"]
    text = subprocess.run(command, check=True, cwd=ROOT, capture_output=True, text=True).stdout
    found = {}
    for line in text.splitlines():
        if line.startswith("test "):
            name, value = line.removeprefix("test ").split(" ... bench:")
            found[name.strip()] = float(value.split("ns/iter")[0].replace(",", ""))
    return {key: next(value for name, value in found.items() if key in name) for key in ("borrowed", "memmap", "seek", "pread")}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=ROOT / "reports" / "bounds")
    parser.add_argument("--data-dir", type=Path, help="where data files go [default: the output folder]")
    parser.add_argument("--only", help="only these measurements")
    parser.add_argument("--quick", action="store_true", help="one sample each")
    parser.add_argument("--large", action="store_true", help="the files of 4 and 16 GB too")
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    data = given.data_dir or given.out
    data.mkdir(parents=True, exist_ok=True)
    wanted = given.only.split(",") if given.only else None
    commit = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True).stdout.strip()

    def wants(name):
        return wanted is None or name in wanted

    def keep(name, measure):
        if wants(name):
            print(name, file=sys.stderr, flush=True)
            document = {"commit": commit, "found": measure()}
            (given.out / f"{name}.json").write_text(json.dumps(document, indent=2) + "\n")

    keep("probe", lambda: json.loads(program("probe", data, "--json", capture_output=True).stdout))
    for run in RUNS + (LARGE if given.large or wanted else []):
        if wants(run.name):
            print(run.name, file=sys.stderr, flush=True)
            place = ["--data-dir", str(data)]
            # A run in which a rival failed still has its records.
            subprocess.run([PROGRAM, *run.arguments(given.out / run.name, given.quick), *place], stdout=subprocess.DEVNULL)
    keep("convert", lambda: measure_convert(data))
    keep("elements", measure_elements)
    keep("explained", lambda: measure_explained(data))

    def load(name):
        return Found(given.out / name)

    def kept(name):
        path = given.out / f"{name}.json"
        if not path.exists():
            raise Missing(f"{name} was not measured")
        return json.loads(path.read_text())["found"]

    limits = lambda: kept("probe")["limits"]
    made = table((load, limits, *(lambda name=name: kept(name) for name in ("convert", "elements", "explained"))))
    (given.out / "table.md").write_text(made)
    print(made)


if __name__ == "__main__":
    main()
