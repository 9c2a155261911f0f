"""Plays the harness's part of docs/vectors/trial-v1.jsonl to a trial program and checks its answers.

    python3 tests/python/dialogue.py PROGRAM [ARGUMENT...]

Each line of the vector is one step: `begin` starts the program anew, `send` writes a message to it, `receive` reads one
("*" stands for any value, fields that the vector does not name may be there), `check` compares digest v1 of what lies
in a file, `remove` removes a file. Stops at the first step that goes wrong and exits with 1. Needs only the
standard library; files are read as they are specified, not as NumPy sees them.
"""

import ast
import json
import struct
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

from vectors import SIZE, chosen, digest

VECTOR = Path(__file__).resolve().parents[2] / "docs" / "vectors" / "trial-v1.jsonl"
PATIENCE_SECONDS = 60


def elements(data, size):
    return [data[start : start + size] for start in range(0, len(data), size)]


def npy_cells(data, dtype):
    """Shape and cells of an .npy file of version 1 in either order."""
    (length,) = struct.unpack_from("<H", data, 8)
    header = ast.literal_eval(data[10 : 10 + length].decode("latin-1"))
    rows, cols = header["shape"]
    values = elements(data[10 + length :], SIZE[dtype])
    step_row, step_col = (1, rows) if header["fortran_order"] else (cols, 1)
    return [rows, cols], [
        (i, j, values[i * step_row + j * step_col]) for i in range(rows) for j in range(cols)
    ]


def found_digest(check, path, trial):
    """The digest of what the program left at `path`."""
    data, dtype = Path(path).read_bytes(), trial["data"]["dtype"]
    rows, cols = trial["data"]["shape"]
    if check["what"] == "file":
        shape, cells = npy_cells(data, dtype)
        return digest(shape, dtype, cells)
    if check["what"] == "sums":
        return digest([1, cols], "f64", [(0, j, x) for j, x in enumerate(elements(data, 8))])
    if check["what"] == "values of all columns":
        values = elements(data, SIZE[dtype])
        return digest([rows, cols], dtype, [(k % rows, k // rows, x) for k, x in enumerate(values)])
    width = 1 if check["what"] == "last column" else len(chosen(trial["columns"], cols))
    values = elements(data, SIZE[dtype])
    cells = [(k // width, k % width, x) for k, x in enumerate(values)]
    return digest([len(values) // width, width], dtype, cells)


def matches(pattern, message):
    if pattern == "*":
        return message is not None
    if isinstance(pattern, dict):
        return isinstance(message, dict) and all(
            key in message and matches(part, message[key]) for key, part in pattern.items()
        )
    return pattern == message


class Program:
    def __init__(self, command):
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8"
        )
        self.alarm = threading.Timer(PATIENCE_SECONDS, self.process.kill)
        self.alarm.start()

    def send(self, message):
        self.process.stdin.write(json.dumps(message) + "\n")
        self.process.stdin.flush()

    def receive(self):
        line = self.process.stdout.readline()
        return json.loads(line) if line else "nothing: the program ended or was silent too long"

    def end(self):
        """Whether the program ended by itself, without saying more."""
        try:
            self.process.stdin.close()
            return self.process.stdout.read() == "" and self.process.wait() == 0
        finally:
            self.alarm.cancel()
            self.process.kill()


def play(steps, command):
    """None, or what went wrong."""
    program = trial = None
    for number, step in enumerate(steps, 1):
        (kind, content), wrong = next(iter(step.items())), None
        if kind == "begin":
            if program and not program.end():
                return f"line {number}: the program did not end as it should"
            program = Program(command)
        elif kind == "send":
            trial = content.get("trial", trial)
            program.send(content)
        elif kind == "receive":
            message = program.receive()
            if not matches(content, message):
                wrong = f"{message} where {content} is expected"
        elif kind == "check":
            found = found_digest(content, content["path"], trial)
            if found != content["digest"]:
                wrong = f"the {content['what']} has digest {found} where {content['digest']} is right"
        elif kind == "remove":
            Path(content).unlink()
        if wrong:
            program.end()
            return f"line {number}: {wrong}"
    return None if program.end() else "the program did not end as it should"


def main():
    with tempfile.TemporaryDirectory() as folder:
        text = VECTOR.read_text(encoding="utf-8").replace("{folder}", json.dumps(folder)[1:-1])
        steps = [json.loads(line) for line in text.splitlines()]
        wrong = play(steps, sys.argv[1:])
    print(wrong or f"{len(steps)} steps as expected")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
