"""Checks that a run of `arraystore compare` did all it should, and that all of it was right.

    check_results.py RESULTS.JSONL

Every backend at every workload in every regime, every sample verified, every regime proved: no page of the input
was resident before a cold sample, all were before a warm one, and a fill has no input. The records' schema is
in docs/record-schema-v1.md. Prints what is not so, one line each; exits 1 if there is something.
"""

import json
import sys
from collections import defaultdict

SCHEMA = 1
BACKENDS = ["memmap", "seek", "sparse-csr", "sparse-csc"]
FILL = "fill-columns"
WORKLOADS = [FILL, "extract-column", "extract-columns", "extract-rows", "extract-block", "scan"]
REGIMES = ["warm", "cold"]

# Shares of an input's pages.
COLD_BELOW = 0.01
WARM_ABOVE = 0.99

# What a trial may take beside its budget, over what it had when it was ready.
BESIDE_BUDGET_BYTES = 16 << 20


def problems(lines):
    """What is wrong with the records that `lines` hold."""
    records = [json.loads(line) for line in lines if line.strip()]
    if not records or records[0].get("kind") != "run":
        yield "the first line is not the run's"
        return
    run, trials = records[0], records[1:]
    yield from (f"line {number}: schema {record.get('schema')}"
                for number, record in enumerate(records, 1) if record.get("schema") != SCHEMA)
    yield from (f"line {number}: a {record.get('kind')} where a trial belongs"
                for number, record in enumerate(trials, 2) if record.get("kind") != "trial")
    trials = [record for record in trials if record.get("kind") == "trial"]

    done = {(trial["backend"], trial["workload"], trial["regime"]) for trial in trials}
    for backend in BACKENDS:
        for workload in WORKLOADS:
            for regime in REGIMES:
                if (backend, workload, regime) not in done:
                    yield f"{backend} {workload} {regime}: was not run"
    for trial in trials:
        yield from trial_problems(trial, run)
    yield from fill_problems(trials)


def name_of(trial):
    density = trial["data"]["density"]
    return f"{trial['backend']} {trial['workload']} {trial['regime']} at density {density}"


def trial_problems(trial, run):
    name = name_of(trial)
    if trial["status"] != "ok":
        yield f"{name}: {trial['status']}: {trial['reason']}"
        return
    if not trial["samples"] or trial["summary"] is None:
        yield f"{name}: no samples"
    for number, sample in enumerate(trial["samples"], 1):
        for problem in sample_problems(trial, sample, run):
            yield f"{name}, sample {number}: {problem}"


def sample_problems(trial, sample, run):
    if sample["verified"] is not True:
        yield "not verified"
    if not sample["seconds"] > 0:
        yield f"took {sample['seconds']} s"
    resident = sample["resident_before"]
    if trial["workload"] == FILL:
        if resident is not None:
            yield f"a fill has no input, but {resident} of it was resident"
        if sample["durable_seconds"] is None:
            yield "a fill that does not say how long it took to be durable"
    elif resident is None:
        yield "nothing is known of what was resident"
    elif trial["regime"] != "warm" and not resident < COLD_BELOW:
        yield f"not cold: {resident} of the input was resident"
    elif trial["regime"] == "warm" and not resident > WARM_ABOVE:
        yield f"not warm: {resident} of the input was resident"
    anonymous, budget = sample["peak_anonymous_bytes"], run["memory_effective_bytes"]
    if anonymous is not None and anonymous > budget + BESIDE_BUDGET_BYTES:
        yield f"took {anonymous} bytes of memory, of a budget of {budget}"


def fill_problems(trials):
    """Whatever filled it, the same data are the same matrix."""
    digests = defaultdict(set)
    for trial in trials:
        if trial["workload"] == FILL and trial["status"] == "ok":
            data = trial["data"]
            key = (tuple(data["shape"]), data["dtype"], data["density"])
            digests[key].update(sample["digest"] for sample in trial["samples"])
    for (shape, dtype, density), found in digests.items():
        if len(found) != 1 or None in found:
            yield f"fills of {shape} {dtype} at density {density} differ: {sorted(map(str, found))}"


def main(path):
    with open(path, encoding="utf-8") as file:
        lines = file.readlines()
    found = list(problems(lines))
    for problem in found:
        print(problem)
    print(f"{path}: {len(lines)} records, {len(found)} problems")
    return 1 if found else 0


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    sys.exit(main(sys.argv[1]))
