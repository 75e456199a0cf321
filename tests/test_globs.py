"""Patterns of file names, as Go and the C library take them; none takes long, whatever a node has written."""

from __future__ import annotations

import time
from fnmatch import fnmatchcase

import pytest
from hypothesis import given
from hypothesis import strategies as st

from migrator.nodeconf.globs import Dialect, fitting

GO, GLOB = Dialect.GO, Dialect.GLOB


@pytest.mark.parametrize(
    ("pattern", "name", "go", "glob"),
    [
        ("/a/*.toml", "/a/b.toml", True, True), ("/a/*.toml", "/a/.b.toml", True, False),
        ("/a/*", "/a/b/c", False, False), ("/*/c", "/a/c", True, True), ("/a/?", "/a/b", True, True),
        ("/a/?", "/a/.", True, False), ("/a/.*", "/a/.b", True, True), ("/a/**b*", "/a/ab", True, True),
        ("/a/[a-c]x", "/a/bx", True, True), ("/a/[z-a]x", "/a/bx", False, False), ("/a/[^z-a]", "/a/b", True, True),
        ("/a/[!b]", "/a/!", True, True), ("/a/[!b]", "/a/c", False, True), ("/a/[^b]", "/a/c", True, True),
        ("/a/[^b]c", "/a//c", False, False), ("/a/[a\\-c]", "/a/-", True, True), ("/a/[a&&b]", "/a/&", True, True),
        ("/a/\\*", "/a/*", True, True), ("/a/\\*", "/a/b", False, False), ("/a/b.c", "/a/bxc", False, False),
        ("/a/x*yx*y", "/a/xyxy", True, True), ("/a/*ab", "/a/aab", True, True), ("/a/*a*ab", "/a/aab", True, True),
        ("/a/*", "/a/b\nc", True, True), ("/a/x\0y", "/a/x.y", True, True), ("/a/\0x", "/a/.x", True, True),
    ],
)  # fmt: skip
def test_a_pattern_in_both_dialects(pattern: str, name: str, *, go: bool, glob: bool) -> None:
    """A star, a question mark, classes, and a backslash."""
    assert bool(fitting(pattern, [name], GO)) is go
    assert bool(fitting(pattern, [name], GLOB)) is glob


@pytest.mark.parametrize("pattern", ["/a/[", "/a/[]a]*", "/a/[a", "/a/[a-]", "/a/[-a]", "/a/b*\\"])
def test_what_go_takes_for_no_pattern(pattern: str) -> None:
    """Containerd does not start with it; the C library looks for a file of that name."""
    with pytest.raises(ValueError, match="no pattern"):
        fitting(pattern, [], GO)
    fitting(pattern, ["/a/b"], GLOB)


def test_glob_7_keeps_a_bracket_that_does_not_end() -> None:
    """And takes a closing one in the first place, and a dash in the last, for themselves."""
    assert fitting("/a/[b", ["/a/[b", "/a/b"], GLOB) == ["/a/[b"]
    assert fitting("/a/x[]a-]", ["/a/x]", "/a/x-", "/a/xa", "/a/xb"], GLOB) == ["/a/x-", "/a/x]", "/a/xa"]


@given(st.text(alphabet="ab*?", max_size=12), st.text(alphabet="ab", min_size=1, max_size=12))
def test_it_finds_what_pythons_own_finds(pattern: str, name: str) -> None:
    """Names without a dot are the same for all of them."""
    for dialect in Dialect:
        assert bool(fitting(pattern, [name], dialect)) is fnmatchcase(name, pattern)


@given(st.text(max_size=20), st.text(max_size=20))
def test_no_pattern_is_too_strange(pattern: str, name: str) -> None:
    """It fits, or not, or is none; no error of a library."""
    fitting(pattern, [name], GLOB)
    try:
        fitting(pattern, [name], GO)
    except ValueError as error:
        assert "no pattern" in str(error)  # noqa: PT017 - most patterns raise nothing


@pytest.mark.parametrize(
    "pattern", ["*a" * 40 + "b", "*" * 50_000 + "b", "*?" * 100 + "b", "*a" * 50_000, "*[a-b]" * 99 + "c"]
)
def test_many_stars_end_soon(pattern: str) -> None:
    """A node's file may hold them."""
    started = time.process_time()

    for dialect in Dialect:
        assert not fitting(pattern, ["a" * 255] * 20, dialect)
    assert time.process_time() - started < 5
