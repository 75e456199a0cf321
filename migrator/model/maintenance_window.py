"""Windows of time in which nodes may be taken out of service, such as "Mon-Fri 22:00-05:00" or "0:00-4:30"."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from migrator.model.base import Value

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_FORM = re.compile(r"(?:([A-Za-z,-]+) +)?(\d{1,2}):(\d{2}) *- *(\d{1,2}):(\d{2})")
_WEEK = 7


class Window(Value):
    """Hours of some days of the week. Those that end no later than they begin end on the next day."""

    days: frozenset[int]
    """On which it begins, 0 for Monday."""
    start: int
    """In minutes from midnight."""
    end: int
    """In minutes from the midnight before `start`; at most two days."""

    def span(self, day: date, zone: tzinfo) -> tuple[datetime, datetime]:
        """Give when it begins and ends that begins on `day`, by the clock on the wall of `zone`."""
        return _at(day, self.start, zone), _at(day, self.end, zone)


def parse(text: str) -> Window:
    """Read one. Raises `ValueError` with what is wrong."""
    match = _FORM.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text!r} is no window such as 'Mon-Fri 22:00-05:00'")
    start, end = (int(match[hour]) * 60 + int(match[hour + 1]) for hour in (2, 4))
    if max(int(match[3]), int(match[5])) > 59 or start >= 24 * 60 or end > 24 * 60:
        raise ValueError(f"{text!r} has an hour that no clock shows")
    return Window(days=frozenset(_days(match[1] or "Mon-Sun")), start=start, end=end if end > start else end + 24 * 60)


def timezone(name: str) -> tzinfo:
    """Give a time zone by its name in the tz database. Raises `ValueError`."""
    if name == "UTC":
        return UTC  # known where the machine has no database
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError(f"{name!r} is no time zone that this machine knows, such as 'Europe/Berlin'") from error


def until_open(windows: Sequence[Window], zone: tzinfo, moment: datetime) -> float:
    """Give the seconds from `moment`, which knows its zone, until one is open: 0 for now, and without any window."""
    if not windows:
        return 0.0
    today = moment.astimezone(zone).date()
    spans = [
        window.span(day, zone)
        for window in windows
        for day in (today + timedelta(days=number) for number in range(-1, _WEEK + 1))
        if day.weekday() in window.days
    ]
    return min(max(0.0, _seconds(moment, start)) for start, end in spans if _seconds(moment, end) > 0)


def _seconds(moment: datetime, later: datetime) -> float:
    return (later.astimezone(UTC) - moment.astimezone(UTC)).total_seconds()


def _at(day: date, minutes: int, zone: tzinfo) -> datetime:
    days, rest = divmod(minutes, 24 * 60)
    later = day + timedelta(days=days)
    return datetime(later.year, later.month, later.day, rest // 60, rest % 60, tzinfo=zone)


def _days(text: str) -> Iterator[int]:
    for part in text.split(","):
        first, _, last = part.partition("-")
        start, end = _day(first), _day(last or first)
        yield from ((start + number) % _WEEK for number in range((end - start) % _WEEK + 1))


def _day(name: str) -> int:
    if name.capitalize() not in _DAYS:
        raise ValueError(f"{name!r} is no day of the week: {', '.join(_DAYS)}")
    return _DAYS.index(name.capitalize())
