#!/usr/bin/env python3
"""Checks a results.jsonl against docs/record-schema-v1.md: records.py FILE...

The fields are read from the page's own tables, so that page and check cannot part. Prints a line for each
finding and a last line that counts; exits with 1 where there are findings. Needs Python 3 and nothing else.
"""

import json
import math
import pathlib
import re
import sys

PAGE = pathlib.Path(__file__).resolve().parents[2] / "docs" / "record-schema-v1.md"

# Heading of the page, by the place in a record that the table below it describes.
TABLES = {
    "run": 'The run: `"kind": "run"`',
    "environment": "`environment`",
    "limits": "`limits`",
    "trial": 'A trial: `"kind": "trial"`',
    "data": "`data`",
    "sample": "A sample",
    "summary": "`summary`",
}

# What lies below a field that is an object or a list of objects.
INSIDE = {
    "environment": "environment",
    "limits": "limits",
    "limits_after": "limits",
    "data": "data",
    "samples": "sample",
    "summary": "summary",
}

WORDS = {
    "status": {"ok", "unsupported", "unavailable", "failed"},
    "order": {"c", "f", None},
    "layout": {"csr", "csc", "own", None},
}


def is_integer(value):
    return type(value) is int and 0 <= value < 2**64


def is_number(value):
    return type(value) in (int, float) and math.isfinite(value)


TYPES = {
    "text": lambda value: isinstance(value, str),
    "integer": is_integer,
    "number": is_number,
    "object": lambda value: isinstance(value, dict),
    "true": lambda value: value is True,
    "false": lambda value: value is False,
    "null": lambda value: value is None,
    "list of text": lambda value: isinstance(value, list) and all(isinstance(item, str) for item in value),
    "list of 2 integers": lambda value: isinstance(value, list) and len(value) == 2 and all(map(is_integer, value)),
    "list of objects": lambda value: isinstance(value, list) and all(isinstance(item, dict) for item in value),
}


def read_page():
    """The page's tables: place -> {field: names of its types}."""
    sections = re.split(r"^#+ (.*)$", PAGE.read_text(encoding="utf-8"), flags=re.M)
    bodies = dict(zip(sections[1::2], sections[2::2]))
    tables = {}
    for place, heading in TABLES.items():
        rows = re.findall(r"^\| `(\w+)` \| ([^|]+) \|", bodies[heading], flags=re.M)
        fields = {name: re.split(r", | or ", kinds.strip()) for name, kinds in rows}
        assert fields, f"no table below {heading}"
        for kinds in fields.values():
            assert all(kind in TYPES for kind in kinds), f"unknown type in {kinds}"
        tables[place] = fields
    return tables


def check_object(value, place, tables, where):
    """Findings on one object."""
    for name, kinds in tables[place].items():
        may_miss = "null" in kinds or place == "environment"
        if name not in value:
            if not may_miss:
                yield f"{where}: {name} is missing"
            continue
        found = value[name]
        if not any(TYPES[kind](found) for kind in kinds):
            yield f"{where}: {name} is {found!r}, not {' or '.join(kinds)}"
            continue
        if name in WORDS and found not in WORDS[name]:
            yield f"{where}: {name} is {found!r}"
        if name in INSIDE and found is not None:
            items = found if isinstance(found, list) else [found]
            for number, item in enumerate(items, 1):
                suffix = f"{name} {number}" if isinstance(found, list) else name
                yield from check_object(item, INSIDE[name], tables, f"{where}: {suffix}")


def check_trial(trial, where):
    """Findings that no single field shows."""
    samples, is_ok = trial["samples"], trial["status"] == "ok"
    if is_ok != (trial.get("reason") is None):
        yield f"{where}: status {trial['status']} with reason {trial.get('reason')!r}"
    if is_ok and not (samples and all(sample["verified"] for sample in samples)):
        yield f"{where}: status ok without samples that are all verified"
    if not 0 <= trial["data"]["density"] <= 1:
        yield f"{where}: density is {trial['data']['density']}"
    if (trial["data"].get("order") is None) == (trial["data"].get("layout") is None):
        yield f"{where}: data are either dense, with an order, or sparse, with a layout"
    for sample in samples:
        if sample["seconds"] < 0:
            yield f"{where}: seconds is {sample['seconds']}"
        resident = sample.get("resident_before")
        if resident is not None and not (0 <= resident <= 1 and trial["workload"] != "fill-columns"):
            yield f"{where}: resident_before is {resident} in {trial['workload']}"
        digest = sample.get("digest")
        if digest is not None and not re.fullmatch("[0-9a-f]{32}", digest):
            yield f"{where}: digest is {digest!r}"
    summary = trial.get("summary")
    if summary is not None:
        low, median, high = (summary[f"{name}_seconds"] for name in ("low", "median", "high"))
        if not (samples and low <= median <= high):
            yield f"{where}: the summary is {low} to {high} around {median}"


def refuse_constant(name):
    raise ValueError(f"{name} is no JSON number")


def check_line(line, number, tables):
    where = f"line {number}"
    try:
        record = json.loads(line, parse_constant=refuse_constant)
    except ValueError as error:
        return [f"{where}: {error}"]
    if not isinstance(record, dict) or record.get("schema") != 1:
        return [f"{where}: no record of schema 1"]
    kind = "run" if number == 1 else "trial"
    if record.get("kind") != kind:
        return [f"{where}: kind is {record.get('kind')!r}, not {kind}"]
    findings = list(check_object(record, kind, tables, where))
    if kind == "trial" and not findings:
        findings += check_trial(record, where)
    return findings


def check_text(text, tables):
    """Findings on a whole file, and how many lines it has."""
    lines = text.split("\n")
    findings = [] if lines.pop() == "" else [f"line {len(lines) + 1}: lacks its line feed"]
    if not lines:
        findings.append("holds no run")
    for number, line in enumerate(lines, 1):
        findings += check_line(line, number, tables)
    return findings, len(lines)


def main(paths):
    tables = read_page()
    any_findings = False
    for path in paths:
        try:
            text = pathlib.Path(path).read_bytes().decode("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            findings, many = [str(error)], 0
        else:
            findings, many = check_text(text, tables)
        for finding in findings:
            print(f"{path}: {finding}")
        print(f"{path}: {many} lines checked, {len(findings)} findings")
        any_findings = any_findings or bool(findings)
    return 1 if any_findings else 0


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    sys.exit(main(sys.argv[1:]))
