"""Says whether two runs of one comparison agree: for which share of the trials the intervals of the medians overlap.

    python3 benches/agreement.py FOLDER FOLDER

Each is what `arraystore compare --out FOLDER` left. Exits with 1 where fewer than nine in ten overlap. Needs only the standard library.
"""

import json
import statistics
import sys
from pathlib import Path

LEAST_SHARE = 0.9

# How wide an interval may be, as a share of the median, for `compare` to take no more samples.
PRECISION = 0.05


def trials(folder):
    """The summary of each trial that was done, by what it was."""
    found = {}
    for line in Path(folder, "results.jsonl").read_text().splitlines():
        trial = json.loads(line)
        if trial["kind"] == "trial" and trial["status"] == "ok":
            data = trial["data"]
            where = (trial["regime"], data["density"], *data["shape"], data["dtype"])
            how = (trial.get("threads"), trial.get("columns_read"))
            found[trial["backend"], trial["workload"], *where, *how] = trial["summary"]
    return found


def main():
    first, second = (trials(folder) for folder in sys.argv[1:])
    both = sorted(first.keys() & second.keys())
    apart, ratios = [], []
    for key in both:
        one, other = first[key], second[key]
        ratios.append(other["median_seconds"] / one["median_seconds"])
        if one["low_seconds"] > other["high_seconds"] or other["low_seconds"] > one["high_seconds"]:
            apart.append((key, one["median_seconds"], other["median_seconds"]))
    if not both:
        print("no trial was done in both")
        return 1
    share = 1 - len(apart) / len(both)
    print(f"{len(both)} trials in both, {len(first.keys() ^ second.keys())} in one only")
    print(f"intervals overlap for {len(both) - len(apart)} of them: {share:.1%}")
    unsorted = list(ratios)
    ratios.sort()
    few = len(ratios) // 20
    low, middle, high = ratios[few], statistics.median(ratios), ratios[-1 - few]
    print(f"medians, second : first: {middle:.2f}, nine in ten between {low:.2f} and {high:.2f}")
    for name, run in (("first", first), ("second", second)):
        widths = [(run[key]["high_seconds"] - run[key]["low_seconds"]) / run[key]["median_seconds"] for key in both]
        narrow = sum(width <= PRECISION for width in widths)
        print(f"intervals of the {name}: in the middle {statistics.median(widths):.0%} of the median wide, {narrow} of {len(both)} within {PRECISION:.0%}")
    for regime in sorted({key[2] for key in both}):
        own = [ratio for key, ratio in zip(both, unsorted) if key[2] == regime]
        print(f"  {regime}: second : first {statistics.median(own):.2f}")
    for key, one, other in apart:
        names = " ".join(str(part) for part in key if part is not None)
        print(f"  apart: {names}: {one:.4g} s, {other:.4g} s")
    return 0 if share >= LEAST_SHARE else 1


if __name__ == "__main__":
    sys.exit(main())
