"""A peer in plain Python (trial protocol v1): rows of C-order `.npy` files, f32 or f64, read into `array.array`."""
import json, sys, time
from array import array
from pathlib import Path

def indices(selection, count):
    span = {"start": 0, "stop": count, "step": 1} if selection is None else selection
    return range(span["start"], span["stop"], span["step"]) if isinstance(span, dict) else span

def read_values():
    columns = indices(trial["columns"], width)
    with open(trial["path"], "rb") as file:
        begin = 10 + int.from_bytes(file.read(10)[8:], "little")
        for row in indices(trial["rows"], height):
            file.seek(begin + row * width * size)
            cells = array(code, file.read(width * size))
            yield from [cells[column] for column in columns]

trial = json.loads(sys.stdin.readline())["trial"]
height, width = trial["data"]["shape"]
code, size = {"f32": ("f", 4), "f64": ("d", 8)}.get(trial["data"]["dtype"], (None, 0))
if code is None or (trial["workload"] == "scan" and trial["memory"] < 3 * height * width * size):
    sys.exit(print('{"unsupported": "neither f32 nor f64, or more to scan than a third of the memory"}'))
print('{"ready": {"version": "1"}}', flush=True)
for message in map(json.loads, sys.stdin):
    if "go" in message:
        start = time.perf_counter()
        answer = array(code, read_values())
        if trial["workload"] == "scan":
            answer = array("d", [sum(answer[column::width]) for column in range(width)])
        print(json.dumps({"done": {"seconds": time.perf_counter() - start, "durable_seconds": None}}), flush=True)
    elif "answer" in message:
        Path(message["answer"]).write_bytes(answer)
        if message.get("values"):
            answer = array(code, read_values())
            Path(message["answer"] + ".values").write_bytes(b"".join(answer[column::width] for column in range(width)))
        print('{"answered": true}', flush=True)
    else:
        break
