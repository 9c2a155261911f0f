"""safetensors, through its map (`mmap`) or its positioned reads (`pread`).

A tensor for each chunk: a slice of one tensor, read by `pread`, is read as that whole tensor. The library writes a file
only from tensors that are all in memory, so the header is written here, and the chunks into the place that it gives them.
"""

import json
import os
import sys
from contextlib import contextmanager
from importlib.metadata import version

import numpy as np
from safetensors import safe_open

from chunked import Chunked, parts
from trial import serve

KINDS = {"b": "BOOL", "i": "I", "u": "U", "f": "F", "c": "C"}


class SafeTensors(Chunked):
    def __init__(self, backend):
        self.backend = backend

    def declines(self, trial):
        if trial.dtype == np.complex128:
            return "safetensors has no complex128"
        return super().declines(trial)

    @contextmanager
    def create(self, trial, chunks):
        bits = "" if trial.dtype.kind == "b" else 8 * trial.dtype.itemsize
        kind, entries, end = f"{KINDS[trial.dtype.kind]}{bits}", {}, 0
        for col in parts(range(trial.cols), chunks[1], 1):
            for row in parts(range(trial.rows), chunks[0], 1):
                start, end = end, end + len(row) * len(col) * trial.dtype.itemsize
                entries[name(row, col)] = {"dtype": kind, "shape": [len(row), len(col)], "data_offsets": [start, end]}
        metadata = {"chunks": json.dumps(chunks)}
        header = json.dumps({"__metadata__": metadata, **entries}, separators=(",", ":")).encode()
        header += b" " * (-len(header) % 8)
        with open(trial.path, "wb", buffering=0) as file:
            file.write(len(header).to_bytes(8, "little") + header)
            begin = file.tell()
            os.posix_fallocate(file.fileno(), 0, begin + end)
            places = {key: begin + entry["data_offsets"][0] for key, entry in entries.items()}
            yield Places(file.fileno(), chunks, places)

    @contextmanager
    def open(self, trial):
        with safe_open(trial.path, "numpy", backend=self.backend) as file:
            yield Tensors(file, tuple(json.loads(file.metadata()["chunks"])), trial, self.backend == "mmap")


def name(row, col):
    return f"{row.start},{col.start}"


class Places:
    """The chunks of a file that is being written."""

    def __init__(self, descriptor, chunks, places):
        self.descriptor, self.chunks, self.places = descriptor, chunks, places

    def write(self, rows, cols, block):
        for row in parts(rows, self.chunks[0], 1):
            for col in parts(cols, self.chunks[1], 1):
                chunk = block[row.start - rows.start : row.stop - rows.start, col.start - cols.start : col.stop - cols.start]
                os.pwrite(self.descriptor, np.ascontiguousarray(chunk), self.places[name(row, col)])


class Tensors:
    def __init__(self, file, chunks, trial, sliced):
        self.file, self.chunks, self.trial, self.sliced = file, chunks, trial, sliced

    def read(self, rows, cols, out=None):
        if out is None:
            out = np.empty((len(rows), len(cols)), self.trial.dtype)
        for row in parts(rows, self.chunks[0], 1):
            for col in parts(cols, self.chunks[1], 1):
                chunk = self.part(row, col)
                out[row.start - rows.start : row.stop - rows.start, col.start - cols.start : col.stop - cols.start] = chunk
        return out

    def part(self, row, col):
        """Of one chunk: a slice of its map, or what is wanted of all of it."""
        height, width = self.chunks
        top, left = row.start // height * height, col.start // width * width
        within = np.s_[row.start - top : row.stop - top, col.start - left : col.stop - left]
        key = f"{top},{left}"
        return self.file.get_slice(key)[within] if self.sliced else self.file.get_tensor(key)[within]


if __name__ == "__main__":
    backend, *rest = sys.argv[1:]
    serve(f"safetensors {version('safetensors')}, {backend}", SafeTensors(backend), layouts=("own",), arguments=rest)
