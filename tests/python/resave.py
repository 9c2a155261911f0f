"""Loads sparse files with SciPy and saves them again, as SciPy does it.

    python3 tests/python/resave.py FILE.npz...

Beside each file NAME.npz it leaves NAME-stored.npz and NAME-compressed.npz by `save_npz`, and NAME.mtx by `mmwrite`.
"""

import sys
from pathlib import Path

import scipy.io
import scipy.sparse

for name in sys.argv[1:]:
    path = Path(name)
    matrix = scipy.sparse.load_npz(path)
    scipy.sparse.save_npz(path.with_name(f"{path.stem}-stored.npz"), matrix, compressed=False)
    scipy.sparse.save_npz(path.with_name(f"{path.stem}-compressed.npz"), matrix, compressed=True)
    scipy.io.mmwrite(path.with_suffix(".mtx"), matrix)
