"""safetensors, through its map (`mmap`) or its positioned reads (`pread`).

A tensor for each chunk, so that columns lie close together; and a slice of one tensor, read by `pread`, is read as that
whole tensor. Through the map only what is wanted is read, scattered rows after the kernel was told of them. The library
writes a file only from tensors that are all in memory, so the header is written here, and the chunks into the place that
it gives them.
"""

import json
import os
import sys
from contextlib import contextmanager
from importlib.metadata import version

import numpy as np
from safetensors import safe_open

from chunked import Chunked, announce, parts, pieces_of
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
                shape, start, end = [len(row), len(col)], end, end + len(row) * len(col) * trial.dtype.itemsize
                entries[name(row.start, col.start)] = {"dtype": kind, "shape": shape, "data_offsets": [start, end]}
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
            kind = Mapped if self.backend == "mmap" else Tensors
            yield kind(file, tuple(json.loads(file.metadata()["chunks"])), trial)


def name(row, col):
    return f"{row},{col}"


class Places:
    """The chunks of a file that is being written."""

    def __init__(self, descriptor, chunks, places):
        self.descriptor, self.chunks, self.places = descriptor, chunks, places

    def write(self, rows, cols, block):
        for row in parts(rows, self.chunks[0], 1):
            for col in parts(cols, self.chunks[1], 1):
                chunk = block[row.start - rows.start : row.stop - rows.start, col.start - cols.start : col.stop - cols.start]
                os.pwrite(self.descriptor, np.ascontiguousarray(chunk), self.places[name(row.start, col.start)])


class Tensors:
    def __init__(self, file, chunks, trial):
        self.file, self.chunks, self.trial = file, chunks, trial

    def read(self, rows, cols, out=None):
        if out is None:
            out = np.empty((len(rows), len(cols)), self.trial.dtype)
        for row in parts(rows, self.chunks[0], 1):
            for col in parts(cols, self.chunks[1], 1):
                chunk = self.part(row, col)
                out[row.start - rows.start : row.stop - rows.start, col.start - cols.start : col.stop - cols.start] = chunk
        return out

    def part(self, row, col):
        """What is wanted of one chunk."""
        height, width = self.chunks
        top, left = row.start // height * height, col.start // width * width
        within = np.s_[row.start - top : row.stop - top, col.start - left : col.stop - left]
        return self.tensor(name(top, left))[within]

    def tensor(self, key):
        return self.file.get_tensor(key)


class Mapped(Tensors):
    def tensor(self, key):
        return self.file.get_slice(key)

    def take(self, rows, cols):
        out = np.empty((len(rows), len(cols)), self.trial.dtype)
        with open(self.trial.path, "rb", buffering=0) as file:
            header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
            begin = file.tell()
            for top, left, own, _ in pieces_of(self.chunks, rows, cols):
                entry = header[name(top, left)]
                row_bytes = entry["shape"][1] * self.trial.dtype.itemsize
                announce(file.fileno(), begin + entry["data_offsets"][0] + (rows[own] - top) * row_bytes, row_bytes)
        for top, left, own, col in pieces_of(self.chunks, rows, cols):
            tensor, within = self.tensor(name(top, left)), slice(col.start - left, col.stop - left)
            place = slice(col.start - cols.start, col.stop - cols.start)
            for to, row in zip(out[own, place], (rows[own] - top).tolist()):
                to[:] = tensor[row, within]
        return out


if __name__ == "__main__":
    backend, *rest = sys.argv[1:]
    serve(f"safetensors {version('safetensors')}, {backend}", SafeTensors(backend), layouts=("own",), arguments=rest)
