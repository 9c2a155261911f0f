"""Sizes in bytes: as people write them and read them."""

from __future__ import annotations

import re

_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12, "ki": 1 << 10, "mi": 1 << 20, "gi": 1 << 30, "ti": 1 << 40}


def in_bytes(size: int | str) -> int:
    """`size`, a number of bytes or words such as '256MiB' or '1.5GB', in bytes."""
    if isinstance(size, int) and not isinstance(size, bool):
        if size < 0:
            raise ValueError(f"a size of {size} bytes")
        return size
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([kmgt]i?)?b?\s*", size, re.IGNORECASE) if isinstance(size, str) else None
    if match is None:
        raise ValueError(f"{size!r} is no size such as '256MiB'")
    return int(float(match[1]) * _UNITS[(match[2] or "").lower()])


def in_words(size: int) -> str:
    """So many bytes, as a number of three digits and its unit."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if size < 1024:
            return f"{size:.3g} {unit}" if unit != "B" else f"{size} B"
        size /= 1024  # type: ignore[assignment]
    return f"{size:.3g} TiB"
