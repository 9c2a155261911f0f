"""The command line, as `python -m arraystore` and `arraystore`: the same program, in this interpreter."""

from __future__ import annotations

import sys


def main() -> int:
    from ._arraystore import _run

    return _run([sys.executable, "-m", "arraystore"], sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
