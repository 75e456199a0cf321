"""Docker's way to write sizes (docker/go-units, size.go)."""

from __future__ import annotations

import re
from decimal import Decimal

_UNITS = {"": 1, "b": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12, "p": 10**15}
_SIZE = re.compile(r"(?P<number>\d+(?:\.\d*)?|\.\d+) ?(?:(?P<unit>[kmgtp])(?:i?b)?|b)?", re.ASCII | re.IGNORECASE)


def human(size: str) -> int:
    """Give the bytes of a size such as "100m", "1.5gb" or "4096": decimal, even when it says "kib".

    -1 when it is no size, or one beyond 63 bits (`units.FromHumanSize`).
    """
    match = _SIZE.fullmatch(size)
    if match is None:
        return -1
    found = int(Decimal(match["number"]) * _UNITS[(match["unit"] or "").lower()])
    return found if found < 2**63 else -1
