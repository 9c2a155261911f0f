"""Makes the golden files: what NumPy and SciPy write, and what nobody should accept.

    python3 tests/golden/make.py

writes tests/golden/files/ and tests/golden/expected.json anew. The result is the same on every run with the
same NumPy, SciPy and zlib, whose versions stand in expected.json; the files are committed, so that
the tests need none of them. Each entry of expected.json tells of one file:

    file    its path under files/
    kind    "dense", "sparse" (CSR and CSC) or "foreign" (what is neither)
    why     what it is there for
  and for a good file
    dtype, shape, order or layout    of the matrix as which arraystore sees it; what is neither CSR nor CSC is
                    seen as what it is read into
    file_shape   the shape in the file, where it has another number of axes than two
    index_bits      of a CSR or CSC file: width of its indices
    stored          of a file that is not dense: the number of entries, or values, that it states
    values  the matrix's elements as little-endian bytes in C order, in hexadecimal; the entries of a
            sparse matrix that are stored twice are summed in the order in which they are stored
  or for a bad one
    error   the kinds (ErrorKind) with one of which it must be refused
"""

import json
import shutil
from pathlib import Path

import numpy as np
import scipy

import dense
import foreign
import sparse
from manifest import FILES, entries


def main():
    shutil.rmtree(FILES, ignore_errors=True)
    for folder in ["npy", "npy-bad", "npz", "npz-bad", "mtx", "mtx-bad"]:
        (FILES / folder).mkdir(parents=True)
    dense.good_npy()
    dense.bad_npy()
    sparse.good_npz()
    sparse.bad_npz()
    foreign.good_npz()
    foreign.bad_npz()
    foreign.good_mtx()
    foreign.bad_mtx()
    lines = ",\n".join(json.dumps(entry) for entry in entries)
    versions = f'"numpy": "{np.__version__}", "scipy": "{scipy.__version__}"'
    text = f'{{{versions}, "files": [\n{lines}\n]}}\n'
    Path(__file__).with_name("expected.json").write_text(text)


if __name__ == "__main__":
    main()
