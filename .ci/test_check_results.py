"""check_results.py finds what is wrong with made-up records, and nothing in good ones."""

import copy
import json
import unittest

import check_results
from check_results import BACKENDS, FILL, REGIMES, WORKLOADS


def records():
    run = {"kind": "run", "schema": 1, "memory_effective_bytes": 256 << 20}
    sample = {"seconds": 0.5, "durable_seconds": None, "verified": True, "digest": "00", "peak_anonymous_bytes": 1000}
    trials = []
    for backend in BACKENDS:
        for workload in WORKLOADS:
            for regime in REGIMES:
                own = dict(sample, resident_before={"warm": 1.0, "cold": 0.0}[regime])
                if workload == FILL:
                    own.update(resident_before=None, durable_seconds=0.1)
                trials.append({
                    "kind": "trial", "schema": 1, "backend": backend, "workload": workload, "regime": regime,
                    "data": {"shape": [10, 3], "dtype": "f32", "density": 1.0},
                    "status": "ok", "reason": None, "samples": [own, dict(own)], "summary": {},
                })
    return [run, *trials]


def found_in(changed):
    return list(check_results.problems(json.dumps(record) for record in changed))


class CheckResults(unittest.TestCase):
    def test_good_records_pass(self):
        self.assertEqual(found_in(records()), [])

    def test_nothing_is_not_good(self):
        self.assertEqual(len(found_in([])), 1)
        self.assertEqual(len(found_in(records()[1:])), 1)
        missing = len(BACKENDS) * len(WORKLOADS) * len(REGIMES)
        self.assertEqual(len(found_in(records()[:1])), missing)

    def test_every_wrong_thing_is_found_once(self):
        def at(workload, regime, **fields):
            def change(changed):
                trial = next(record for record in changed[1:]
                             if (record["workload"], record["regime"]) == (workload, regime))
                trial["samples"][1].update(fields)
            return change

        for expected, change in [
            ("was not run", lambda changed: changed.pop()),
            ("schema 2", lambda changed: changed[3].update(schema=2)),
            ("a note where", lambda changed: changed.append({"kind": "note", "schema": 1})),
            ("unavailable: no cache", lambda changed: changed[2].update(status="unavailable", reason="no cache")),
            ("no samples", lambda changed: changed[5].update(samples=[])),
            ("not verified", at("scan", "warm", verified=False)),
            ("not verified", at("scan", "warm", verified=None)),
            ("took 0", at("scan", "warm", seconds=0)),
            ("not warm: 0.98", at("scan", "warm", resident_before=0.98)),
            ("not cold: 0.02", at("extract-column", "cold", resident_before=0.02)),
            ("nothing is known", at("extract-rows", "cold", resident_before=None)),
            ("a fill has no input", at(FILL, "warm", resident_before=1.0)),
            ("to be durable", at(FILL, "cold", durable_seconds=None)),
            ("differ", at(FILL, "cold", digest="01")),
            ("differ", at(FILL, "cold", digest=None)),
            ("bytes of memory", at("scan", "cold", peak_anonymous_bytes=1 << 40)),
        ]:
            with self.subTest(expected):
                changed = copy.deepcopy(records())
                change(changed)
                found = found_in(changed)
                self.assertEqual(len(found), 1, found)
                self.assertIn(expected, found[0])


if __name__ == "__main__":
    unittest.main()
