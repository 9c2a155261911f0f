"""Lets a virtual machine have its memory before something is measured on it.

    python3 benches/settle_memory.py

A host that takes free memory back (free page reporting) gives it again at the first touch, page by page, and whoever takes
memory or writes files is slowed down by that. This drops the page cache, touches nearly all memory once and, where it may,
keeps the kernel from reporting what becomes free. Where memory was the machine's all the time it does no harm.
"""

import mmap
import time
from pathlib import Path

REPORTING = Path("/sys/module/page_reporting/parameters/page_reporting_order")
# The largest order of free blocks that there is: hardly any are ever reported.
LARGEST_ORDER = "10"
SHARE = 0.9
GIB = 1 << 30


def tried(path, text):
    try:
        path.write_text(text)
    except OSError as error:
        print(f"{path}: {error.strerror}")


if REPORTING.exists():
    tried(REPORTING, LARGEST_ORDER)
tried(Path("/proc/sys/vm/drop_caches"), "1")
lines = dict(line.split(":") for line in Path("/proc/meminfo").read_text().splitlines())
available = int(lines["MemAvailable"].split()[0]) << 10
begun, held = time.perf_counter(), []
for _ in range(int(available * SHARE) // GIB):
    block = mmap.mmap(-1, GIB)
    for page in range(0, GIB, mmap.PAGESIZE):
        block[page] = 1
    held.append(block)
print(f"touched {len(held)} GiB in {time.perf_counter() - begun:.0f} s")
