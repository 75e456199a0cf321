"""Whether a command line needs Docker: through shells and wrappers, as far as that can be told from its words.

A name is no need: `groupadd docker` works without any Docker, and `test -S /run/docker.sock || true` succeeds.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from enum import IntEnum
from functools import lru_cache


class Use(IntEnum):
    """What a command has to do with Docker, the weightier the larger."""

    NONE = 0
    UNKNOWN = 1
    """It names Docker, and what it does is not known."""
    TRIES = 2
    """It calls Docker, and it does not matter whether that works."""
    NEEDS = 3
    """It fails without Docker."""


_PREFIXES = "@-:+!|"
"""What systemd reads before a program (systemd.service(5))."""
_PROGRAM = re.compile(r"docker(?:d|-compose|-init|-proxy|-runc|-containerd(?:-\w+)?)?(?:-current)?|cri-dockerd")
_SOCKET = re.compile(r"/(?:docker|dockershim|cri-dockerd)\.(?:sock|pid)\b")
_PLACE = re.compile(r"(?:bin/docker|/var/lib/docker|/run/docker)(?![\w.-])")
"""What goes with Docker: its program, its data."""
_UNIT = re.compile(r"(?:cri-)?docker(?:\.service|\.socket)?")
_WORD = re.compile(r"(?<![\w.-])docker(?![\w.-])")
_PART = re.compile(r"(?:^|[-_.])docker(?:[-_.]|$)", re.IGNORECASE)
_SHELLS = frozenset({"sh", "bash", "dash", "ash", "ksh", "zsh"})
_SCRIPT = re.compile(r"-\w*c")
_SUBSTITUTED = re.compile(r"\$\(([^()]*)\)|`([^`]*)`")
_ASSIGNED = re.compile(r"\w+=.*", re.DOTALL)

_WRAPPERS: Mapping[str, tuple[frozenset[str], int]] = {
    name: (frozenset(options.split()), positions)
    for name, options, positions in (
        ("busybox", "", 0), ("chroot", "", 1), ("chrt", "", 1), ("command", "", 0), ("env", "-u -C", 0),
        ("exec", "", 0), ("flock", "-w -E", 1), ("ionice", "-c -n", 0), ("nice", "-n", 0), ("nohup", "", 0),
        ("nsenter", "-t --target", 0), ("numactl", "", 0), ("runuser", "-u -g -G", 0), ("setsid", "", 0),
        ("stdbuf", "-i -o -e", 0), ("sudo", "-u -g -h -p -C", 0), ("systemd-inhibit", "", 0),
        ("systemd-run", "-p -u -E", 0), ("taskset", "", 1), ("time", "", 0), ("timeout", "-s -k", 1),
        ("xargs", "-n -I -P -d", 0),
    )
}  # fmt: skip
"""Programs that start another one: their options that take the next word, and how many words come before it."""
_NOTHING = frozenset({":", "echo", "exit", "false", "logger", "mkdir", "printf", "return", "rm", "sleep", "true"})
"""What fares the same with Docker's socket and without."""
_SUCCEEDS = frozenset({":", "echo", "logger", "printf", "true"})
_ORDINARY = _NOTHING | {
    "[", "[[", "addgroup", "adduser", "awk", "cat", "cd", "chgrp", "chmod", "chown", "cp", "cut", "export", "find",
    "getent", "gpasswd", "grep", "groupadd", "head", "id", "install", "ip", "ip6tables", "iptables", "ln", "ls",
    "modprobe", "mount", "mv", "restorecon", "sed", "semodule", "set", "setfacl", "sort", "stat", "swapoff", "sysctl",
    "tail", "tee", "test", "touch", "tr", "umount", "unset", "useradd", "usermod", "wc", "wget",
}  # fmt: skip
"""Programs that do not speak with Docker, whatever names and files they are given."""
_TESTS = frozenset({"[", "[[", "test"})
_KUBELETS = frozenset({"kubelet", "hyperkube"})
"""What they are told of Docker's socket is judged with their flags."""
_STARTS = frozenset({"start", "restart", "reload", "is-active", "status", "is-enabled", "reload-or-restart", "enable"})
_BEFORE = frozenset({"!", "{", "do", "done", "elif", "else", "fi", "if", "then", "time", "until", "while"})
"""Words of a shell after which a command may begin."""
_LISTS = frozenset({"&&", "||"})
_LOOKS = re.compile(r"\b(?:command -v|which|type|hash) docker\b")


@lru_cache(maxsize=1024)
def of_line(line: str) -> Use:
    """Judge a command of a unit, as its file has it."""
    try:
        words = shlex.split(line.lstrip(_PREFIXES))
    except ValueError:
        return Use.UNKNOWN if _WORD.search(line) else Use.NONE
    commands: list[list[str]] = [[]]
    for word in words:  # a semicolon alone parts commands (systemd.service(5))
        commands.append([]) if word == ";" else commands[-1].append(word)
    return max((_command(command) for command in commands), default=Use.NONE)


def program(line: str) -> str:
    """Give the name of the program that a command of a unit starts."""
    return _name(line.lstrip(_PREFIXES).split(maxsplit=1)[0]) if line.strip(_PREFIXES + " ") else ""


def is_docker(name: str) -> bool:
    """Tell whether a program is one of Docker's."""
    return _PROGRAM.fullmatch(name) is not None


def _name(word: str) -> str:
    return word.rpartition("/")[2]


def _command(words: Sequence[str]) -> Use:
    """Judge a program with its arguments."""
    while words and _ASSIGNED.fullmatch(words[0]):
        words = words[1:]
    if not words:
        return Use.NONE
    name, rest = _name(words[0]), words[1:]
    if is_docker(name):
        return Use.NEEDS
    if name in _SHELLS:
        script = next((place for place, word in enumerate(rest) if _SCRIPT.fullmatch(word)), len(rest))
        strict = any(re.fullmatch(r"-\w*e\w*", word) for word in rest[: script + 1])
        return _script(rest[script + 1], strict=strict) if script + 1 < len(rest) else _other(name, rest)
    if name in _WRAPPERS:
        return _command(_wrapped(rest, *_WRAPPERS[name]))
    if name == "systemctl":
        return _systemctl(rest)
    return _other(name, rest)


def _wrapped(words: Sequence[str], with_value: frozenset[str], positions: int) -> Sequence[str]:
    """Give the command that a wrapper starts."""
    place = 0
    while place < len(words) and words[place].startswith("-"):
        place += 2 if words[place] in with_value else 1
    return words[place + positions :]


def _systemctl(words: Sequence[str]) -> Use:
    if not any(_UNIT.fullmatch(word) for word in words):
        return Use.NONE
    return Use.NEEDS if _STARTS & set(words) else Use.UNKNOWN


def _other(name: str, words: Sequence[str]) -> Use:
    if name in _KUBELETS:
        return Use.NONE
    if name in _NOTHING:
        return Use.NONE
    placed = any(_PLACE.search(word) for word in words)
    if any(_SOCKET.search(word) for word in words) or (placed and name in _TESTS):
        return Use.NONE if name in _TESTS and "!" in words else Use.NEEDS
    if name in _ORDINARY:
        return Use.UNKNOWN if placed else Use.NONE
    named = _PART.search(name) or (name.startswith("$") and "docker" in name.lower())
    named = named or any(_WORD.search(word) for word in words)
    return Use.UNKNOWN if named else Use.NONE


def _script(text: str, *, strict: bool = False) -> Use:
    """Judge what a shell is given; a `strict` one ends with the first command that fails."""
    inner = max((_script(one or other) for one, other in _SUBSTITUTED.findall(text)), default=Use.NONE)
    text = _LOOKS.sub("docker", _SUBSTITUTED.sub(" ", text))
    try:
        chains = list(_chains(_tokens(text)))
    except ValueError:
        return Use.UNKNOWN if _WORD.search(text) else inner
    strict = strict or any(chain[:2] == ["set", "-e"] for chain in chains)
    succeeds = bool(chains) and not strict and all(_cannot_fail(_bare(last)) for last in _commands(chains[-1]))
    branches: list[bool | None] = []
    """For each open `if` whether its present branch is the one without Docker; None where it does not ask for it."""
    found = [Use.NONE, *(_in_branches(chain, branches, succeeds=succeeds) for chain in chains)]
    # What is put into a command by another one fails with it at most.
    return max(*found, min(inner, Use.TRIES) if Use.TRIES in found else inner)


def _in_branches(chain: Sequence[str], branches: list[bool | None], *, succeeds: bool) -> Use:
    """Judge a chain where it stands, and keep account of the branches."""
    begins, use = chain[0], _chain(chain)
    if begins == "fi" and branches:
        branches.pop()
    elif begins == "else" and branches and branches[-1] is not None:
        branches[-1] = not branches[-1]
    if begins in {"if", "elif"}:
        positive, negated = _asked(chain)
        if begins == "elif" and branches:
            branches.pop()
        branches.append(negated if positive else None)
        return min(positive, Use.TRIES) if _name((*_bare(chain), "")[0]) not in _TESTS else Use.NONE
    if begins in {"while", "until"}:
        positive, negated = _asked(chain)
        endless = negated if begins == "while" else not negated
        return positive if endless else min(positive, Use.TRIES)
    if _gives_up(chain) or (True in branches and any(map(_exits_badly, _commands(chain)))):
        return Use.NEEDS
    guarded = any(branch is not None for branch in branches)
    return _borne(use, chain) if guarded or succeeds else use


def _tokens(text: str) -> list[str]:
    lexer = shlex.shlex(text.replace("\n", " ; "), posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    lexer.commenters = ""
    return list(lexer)


def _chains(tokens: Sequence[str]) -> Iterator[list[str]]:
    """Give each chain of `&&` and `||`."""
    chain: list[str] = []
    for token in (*tokens, ";"):
        parts = token not in _LISTS and bool(token) and set(token) <= set(";&|()")
        if parts and chain:
            yield chain
            chain = []
        elif not parts:
            chain.append(token)


def _commands(chain: Sequence[str]) -> list[list[str]]:
    found: list[list[str]] = [[]]
    for token in chain:
        found.append([]) if token in _LISTS else found[-1].append(token)
    return found


def _chain(chain: Sequence[str]) -> Use:
    """Judge a chain: what follows `||` and cannot fail makes up for what is before it."""
    joints = ["", *(token for token in chain if token in _LISTS)]
    uses: list[Use] = []
    for joint, command in zip(joints, _commands(chain), strict=True):
        bare = _bare(command)
        if joint == "||" and _cannot_fail(bare):
            uses = [_borne(use, chain) for use in uses]
        positive, negated = _asked(command)
        uses.append(Use.NONE if positive and negated and _name(bare[0]) in _TESTS else positive)
    return max(uses)


def _gives_up(chain: Sequence[str]) -> bool:
    """Tell whether a chain ends the script where Docker is not there, as `[ ! -S … ] && exit 1` does."""
    joints = [token for token in chain if token in _LISTS]
    commands = _commands(chain)
    for joint, before, after in zip(joints, commands, commands[1:], strict=False):
        positive, negated = _asked(before)
        if positive is Use.NEEDS and negated is (joint == "&&") and _exits_badly(after):
            return True
    return False


def _asked(command: Sequence[str]) -> tuple[Use, bool]:
    """Give what the first command of a chain has to do with Docker, and whether it asks for the contrary."""
    bare = _bare(_commands(command)[0])
    negated = "!" in command[: len(command) - len(bare)] and command[0] != "[" if bare else False
    if bare and _name(bare[0]) in _TESTS and "!" in bare:
        return _command([word for word in bare if word != "!"]), not negated
    return _command(bare), negated


def _borne(use: Use, chain: Sequence[str]) -> Use:
    """Give what is left of a need where the script goes on, and fares well, without it."""
    if use is not Use.NEEDS:
        return use
    return Use.NONE if _name((*_bare(chain), "")[0]) in _TESTS else Use.TRIES


def _bare(command: Sequence[str]) -> list[str]:
    """Give a command without the words of the shell before it."""
    place = 0
    while place < len(command) and command[place] in _BEFORE:
        place += 1
    return list(command[place:])


def _cannot_fail(bare: Sequence[str]) -> bool:
    return bool(bare) and (_name(bare[0]) in _SUCCEEDS or bare[:2] == ["exit", "0"])


def _exits_badly(command: Sequence[str]) -> bool:
    bare = _bare(command)
    return bare[:1] == ["false"] or (bare[:1] in (["exit"], ["return"]) and bare[1:2] not in ([], ["0"]))
