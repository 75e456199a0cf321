"""Addresses as values, since the same one has several spellings."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable


def parsed(words: Iterable[str]) -> set[ipaddress.IPv4Address | ipaddress.IPv6Address]:
    """Give the addresses among some words, without prefix lengths and zones; a Node's have its host name too."""
    found = set()
    for word in words:
        try:
            found.add(ipaddress.ip_address(word.partition("/")[0].partition("%")[0]))
        except ValueError:
            continue
    return found
