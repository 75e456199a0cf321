"""The command line that systemd makes of a service's files.

Sources: systemd.service(5) "COMMAND LINES", systemd.exec(5) "ENVIRONMENT", systemd.syntax(7); each case was compared
with what systemd 252's own functions (extract_first_word, load_env_file, replace_env_argv) give.
"""

import pytest

from migrator.nodeconf.systemd import syntax as systemd_syntax
from migrator.nodeconf.systemd import unit
from migrator.nodeconf.systemd.positions import PositionedText
from migrator.nodeconf.systemd.unit import Unit, Word

MAIN, DROP_IN, LATER = "/lib/systemd/system/k.service", "/etc/systemd/system/k.service.d/10.conf", "/etc/k.d/20.conf"
ENV, MORE = "/etc/default/k", "/var/lib/k/flags.env"


def service(body: str) -> str:
    """Give a unit file with this [Service]."""
    return f"[Service]\n{body}\n"


# case: [Service] of the unit file, text of its environment file (None: there is none), words of the command line
CASES: dict[str, tuple[str, str | None, list[str]]] = {
    "plain words": ("ExecStart=/k --a=1 --b", None, ["/k", "--a=1", "--b"]),
    "an empty ExecStart resets": ("ExecStart=/old\nExecStart=\nExecStart=/k --a", None, ["/k", "--a"]),
    "blanks around the equals sign": ("ExecStart = /k --a", None, ["/k", "--a"]),
    "a continued line": ("ExecStart=/k \\\n  --a \\\n  --b", None, ["/k", "--a", "--b"]),
    "a continued word is two words": ("ExecStart=/k --a\\\n--b", None, ["/k", "--a", "--b"]),
    "a comment between continued lines": ("ExecStart=/k \\\n# not this\n; nor this\n --a", None, ["/k", "--a"]),
    "an empty line ends a continued line": ("ExecStart=/k \\\n\n--a", None, ["/k"]),
    "two backslashes continue nothing": ("ExecStart=/k a\\\\\nX=1", None, ["/k", "a\\"]),
    "a comment": ("# ExecStart=/old\n;ExecStart=/old\nExecStart=/k", None, ["/k"]),
    "other sections do not count": ("ExecStart=/k\n[Install]\nExecStart=/other", None, ["/k"]),
    "lines of Windows": ("ExecStart=/k --a\r\nType=simple\r", None, ["/k", "--a"]),
    "double quotes": ('ExecStart=/k "--a=1 2"', None, ["/k", "--a=1 2"]),
    "single quotes": ("ExecStart=/k '--a=1 2'", None, ["/k", "--a=1 2"]),
    "quotes in the middle of a word": ('ExecStart=/k --a="1 2"3', None, ["/k", "--a=1 23"]),
    "an empty word": ('ExecStart=/k ""', None, ["/k", ""]),
    "escapes": ("ExecStart=/k a\\x20b\\sc\\td \\u00e9 \\101", None, ["/k", "a b c\td", "é", "A"]),
    "an unknown escape is kept": ("ExecStart=/k a\\qb", None, ["/k", "a\\qb"]),
    "a semicolon that is a word": ("ExecStart=/k a \\; b", None, ["/k", "a", ";", "b"]),
    "a percent sign, and a specifier left alone": ("ExecStart=/k 5%% --name=%H", None, ["/k", "5%", "--name=%H"]),
    "prefixes of the program": ("ExecStart=-+/k --a", None, ["/k", "--a"]),
    "another name for the process": ("ExecStart=@/k kubelet --a", None, ["/k", "--a"]),
    "no variables behind a colon": ("Environment=A=1\nExecStart=:/k $A ${A}", None, ["/k", "$A", "${A}"]),
    "a variable is split": ("Environment='A=1 2'\nExecStart=/k $A", None, ["/k", "1", "2"]),
    "a variable in braces is not": ("Environment='A=1 2'\nExecStart=/k ${A}", None, ["/k", "1 2"]),
    "a variable in a word": ("Environment=A=1\nExecStart=/k x${A}y", None, ["/k", "x1y"]),
    "without braces only as a word of its own": ("Environment=A=1\nExecStart=/k x$A", None, ["/k", "x$A"]),
    "two dollars are one": ("Environment=A=1\nExecStart=/k $$A x$$", None, ["/k", "$A", "x$"]),
    "an unset variable": ("ExecStart=/k $A x${A} ${A}", None, ["/k", "x", ""]),
    "a shell's default is no variable": ("Environment=A=1\nExecStart=/k ${A:-2}", None, ["/k", "${A:-2}"]),
    "quotes inside a variable": ("Environment='A=\"1 2\" 3'\nExecStart=/k $A", None, ["/k", "1 2", "3"]),
    "a backslash inside a variable": ("Environment='A=1\\\\ 2'\nExecStart=/k $A", None, ["/k", "1 2"]),
    "several assignments in one line": ('Environment=A=1 "B=2 3"\nExecStart=/k ${A} ${B}', None, ["/k", "1", "2 3"]),
    "the later assignment wins": ("Environment=A=1\nEnvironment=A=2\nExecStart=/k $A", None, ["/k", "2"]),
    "an empty Environment resets": ("Environment=A=1\nEnvironment=\nExecStart=/k $A", None, ["/k"]),
    "no dollar in Environment": ("Environment=A=1 B=$A\nExecStart=/k $B", None, ["/k", "$A"]),
    "what follows an open quote is ignored": ("Environment=A=1 'B=2\nExecStart=/k $A $B", None, ["/k", "1"]),
    "a name that is none": ("Environment=1A=1 A-B=2\nExecStart=/k $1A", None, ["/k"]),
    "a file beats Environment": ("EnvironmentFile=/etc/default/k\nEnvironment=A=1\nExecStart=/k $A", "A=2\n", ["/k", "2"]),
    "an optional file that is missing": ("EnvironmentFile=-/etc/default/k\nExecStart=/k $A", None, ["/k"]),
    "an empty EnvironmentFile resets": ("EnvironmentFile=/etc/default/k\nEnvironmentFile=\nExecStart=/k $A", "A=1", ["/k"]),
    "a path with two slashes": ("EnvironmentFile=-/etc/default//k\nExecStart=/k $A", "A=1", ["/k", "1"]),
    "a path with a dot": ("EnvironmentFile=/etc/./default/k\nExecStart=/k $A", "A=1", ["/k", "1"]),
    "a path with a slash behind": ("EnvironmentFile=-/etc/default/k/\nExecStart=/k $A", "A=1", ["/k", "1"]),
    "a path that climbs is ignored": ("EnvironmentFile=/etc/x/../default/k\nExecStart=/k $A", "A=1", ["/k"]),
    "a path with the unit's name": ("EnvironmentFile=-/etc/default/%N\nExecStart=/k $A", "A=1", ["/k", "1"]),
    "a path with the unit's prefix": ("EnvironmentFile=/etc/default/%p\nExecStart=/k $A", "A=1", ["/k", "1"]),
    "a path below a folder that only systemd knows": ("EnvironmentFile=%E/default/k\nExecStart=/k $A", "A=1", ["/k", "1"]),
    "a path with an unknown specifier is ignored": ("EnvironmentFile=/etc/%Z\nExecStart=/k $A", "A=1", ["/k"]),
    "a path in quotes is ignored": ('EnvironmentFile="/etc/default/k"\nExecStart=/k $A', "A=1", ["/k"]),
    "a relative path is ignored": ("EnvironmentFile=relative.env\nExecStart=/k $A", "A=1", ["/k"]),
    "an unknown escape ends Environment": ('Environment=C=0 "A=net\\.core" "B=2"\nExecStart=/k $A $B $C', None, ["/k", "0"]),
    "an unknown specifier takes its assignment away": ("Environment=A=%Z B=1\nExecStart=/k $A $B", None, ["/k", "1"]),
    "a percent sign before no letter": ("Environment=A=5%. B=%\nExecStart=/k $A $B", None, ["/k", "5%.", "%"]),
    "the indent of a continued line": ('Environment="A=a \\\n   b"\nExecStart=/k ${A}', None, ["/k", "a     b"]),
    "a lone carriage return ends a line": ("Type=simple\rEnvironment=A=1\rExecStart=/k $A", None, ["/k", "1"]),
    "a null byte ends a line": ("Environment=A=1\0ExecStart=/k $A", None, ["/k", "1"]),
    "control characters in a value": ("Environment=A=\x01\nExecStart=/k $A", None, ["/k", "\x01"]),
    "a name with a dot is no file of a pattern": ("EnvironmentFile=-/etc/default*/[!k]\nExecStart=/k $A", "A=1", ["/k"]),
    "files by pattern": ("EnvironmentFile=-/etc/default/*\nExecStart=/k $A", "A=1", ["/k", "1"]),
}  # fmt: skip


@pytest.mark.parametrize(("body", "file", "words"), CASES.values(), ids=CASES)
def test_the_command_line(body: str, file: str | None, words: list[str]) -> None:
    """The words are those that systemd would start."""
    found = unit.command([(MAIN, service(body))], {ENV: file})

    assert [word.text for word in found] == words


# case: text of an environment file, value of A
FILES = {
    "plain": ("A=--x=1 --y\n", "--x=1 --y"),
    "no newline at the end": ("A=1", "1"),
    "blanks around": ("  A =  1 2  \n", "1 2"),
    "comments": ("# A=0\n; A=0\nA=1\n#A=2", "1"),
    "the later one wins": ("A=1\nA=2\n", "2"),
    "double quotes": ('A="1 2"\n', "1 2"),
    "single quotes": ("A='1 $x \\n'\n", "1 $x \\n"),
    "pieces in quotes": ("A=\"1\" '2'3\n", "123"),
    "quotes behind plain text are text": ('A=--x="1 2"\n', '--x="1 2"'),
    "escapes in double quotes": (r'A="\"\$\`\\ \n"', '"$`\\ \\n'),
    "escapes without quotes": ('A=1\\ \\"2\n', '1 "2'),
    "a continued line": ("A=1 \\\n2\n", "1 2"),
    "a continued line in double quotes": ('A="1 \\\n2"\n', "1 2"),
    "a newline in quotes": ('A="1\n2"\n', "1\n2"),
    "lines of Windows": ("A=1\r\nB=2\r\n", "1"),
    "an export is not understood": ("A=1\nexport A=2\n", "1"),
    "a line without an equals sign": ("rubbish\nA=1\n", "1"),
    "a quote that stays open takes the rest": ('A="1\nB=2\n', "1\nB=2\n"),
    "nothing": ("A=\n", ""),
}


@pytest.mark.parametrize(("text", "value"), FILES.values(), ids=FILES)
def test_a_file_of_variables(text: str, value: str) -> None:
    """Values are those that systemd reads, and each character knows where it stands."""
    found = {entry.name: entry for entry in systemd_syntax.environment_file(text)}["A"].value

    assert found.text == value
    assert all(letter in text[start:end] for letter, start, end in zip(*_columns(found), strict=True))


def _columns(found: PositionedText) -> tuple[str, list[int], list[int]]:
    return found.text, list(found.starts), list(found.ends)


def test_a_byte_order_mark_is_skipped() -> None:
    """In a unit file, and in a drop-in, which would else say nothing."""
    found = unit.command(
        [(MAIN, "\ufeff[Service]\nExecStart=/k $A"), (DROP_IN, "\ufeff[Service]\nEnvironment=A=1")], {}
    )

    assert [word.text for word in found] == ["/k", "1"]


def test_a_header_without_its_end() -> None:
    """Systemd refuses a unit file for it, and reads a drop-in up to it."""
    half = "[Service]\nEnvironment=A=1\n[Unit\n[Service]\nEnvironment=A=2\n"

    found = unit.command([(MAIN, service("ExecStart=/k $A")), (DROP_IN, half)], {})

    assert [word.text for word in found] == ["/k", "1"]
    with pytest.raises(ValueError, match="header without its end"):
        unit.command([(MAIN, f"{half}ExecStart=/k")], {})


@pytest.mark.parametrize("text", ["#x \\\ny \\\nA=1\n", "#x \\\n\\\nA=1\n", "# x\\\n#\\\nA=1\n", "# \\\nA=1"])
def test_a_comment_that_some_releases_continue(text: str) -> None:
    """Before v254 a backslash makes the next line a part of the comment, and so on from line to line."""
    with pytest.raises(ValueError, match="releases of systemd disagree"):
        systemd_syntax.environment_file(text)


@pytest.mark.parametrize("text", ["#x \\\\\nA=1\n", "#x \\\r\nA=1\n", "#x \\\ny\nA=1\n", "#x \\ \nA=1\n"])
def test_a_comment_that_no_release_continues(text: str) -> None:
    """Two backslashes are none, and what a line's end of Windows follows is taken by the carriage return."""
    (found,) = systemd_syntax.environment_file(text)

    assert (found.name, found.value.text) == ("A", "1")


def test_each_word_names_its_place() -> None:
    """A word knows the file and the variable that it comes from."""
    fragments = [
        (MAIN, service("ExecStart=/old")),
        (DROP_IN, service("EnvironmentFile=-/etc/default/k\nEnvironmentFile=-/var/lib/k/flags.env")),
        (LATER, service("Environment=C=--c D=--d\nExecStart=\nExecStart=/k --x $A $B ${C} --y=${D}")),
    ]

    found = unit.command(fragments, {ENV: "A=--a1 --a2\nB=no\n", MORE: "B=--b\n"})

    assert found == (
        Word("/k", LATER, ""),
        Word("--x", LATER, ""),
        Word("--a1", ENV, "A"),
        Word("--a2", ENV, "A"),
        Word("--b", MORE, "B"),
        Word("--c", LATER, "C"),
        Word("--y=--d", LATER, ""),
    )


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("ExecStart=/k 'open", "a ' is never closed"),
        ("ExecStart=/k\nExecStart=/l", "a second ExecStart"),
        ("ExecStart=/k ; /l", "several commands"),
        ("EnvironmentFile=/etc/default/k\nExecStart=/k", "needs the environment file /etc/default/k"),
    ],
)
def test_what_systemd_refuses_is_refused(body: str, message: str) -> None:
    """A unit that systemd would not start is named with its file."""
    with pytest.raises(ValueError, match=message) as caught:
        unit.command([(MAIN, service(body))], {ENV: None})

    assert MAIN in str(caught.value)


def test_a_comment_that_releases_read_differently_is_refused() -> None:
    """Before v254 a backslash at the end of a comment went on with it (env-file.c): nothing is guessed."""
    with pytest.raises(ValueError, match="a comment ends with a backslash"):
        unit.command([(MAIN, service("EnvironmentFile=/etc/default/k\nExecStart=/k $A"))], {ENV: "# no\\\nA=1\n"})


def test_no_unit_has_no_command() -> None:
    """Where there is no ExecStart there are no words."""
    assert unit.command([], {}) == ()
    assert unit.command([(MAIN, service("Type=simple"))], {}) == ()


def test_a_new_drop_in_is_read_where_its_name_puts_it() -> None:
    """Drop-ins are read by name, whatever folder they are in (systemd.unit(5))."""
    known = Unit(((MAIN, ""), ("/lib/k.service.d/10.conf", ""), ("/etc/k.service.d/zz.conf", "")))

    paths = [path for path, _ in known.replaced("/etc/k.service.d/50.conf", "").fragments]

    assert paths == [MAIN, "/lib/k.service.d/10.conf", "/etc/k.service.d/50.conf", "/etc/k.service.d/zz.conf"]


HOSTILE = ["", ";", "$A", "${A}", "$$", "%H", "a b", "it's", 'say "x"', "a\\b", "a\\", "$(reboot)", "{{ x }}", "a\nb", "`x`", "é"]  # fmt: skip


@pytest.mark.parametrize("word", HOSTILE)
def test_quoted_words_stay_data(word: str) -> None:
    """Whatever a word says, quoted it is that one word again: in ExecStart, and in both kinds of variables."""
    value = systemd_syntax.quote_in_variable(word)
    start = f"ExecStart=/k {systemd_syntax.quote_word(word)} $A $B"
    body = f"EnvironmentFile=/etc/default/k\nEnvironment={systemd_syntax.quote_assignment('A', value)}\n{start}"

    found = unit.command([(MAIN, service(body))], {ENV: f"B={systemd_syntax.quote_value(value)}\n"})

    assert [entry.text for entry in found[1:]] == [word] * 3
