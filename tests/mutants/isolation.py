"""A checkout that a mutant may destroy: an overlay over a copy, in namespaces where nothing else can be reached.

A mutant may send signals to all processes that it finds, or delete a folder. So it sees only its own processes, has no
network but a loopback, and may write only to its overlay and to a private /tmp and /run, which all end with it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

TREE = Path(__file__).resolve().parents[2]

_NAMESPACES = ("--mount", "--pid", "--net", "--ipc", "--fork", "--kill-child", "--mount-proc")
_SCRIPT = r"""
set -eu
tree=$1 copy=$2 changed=$3 out=$4 alone=$5 compiled=$6
shift 6
mount --make-rprivate /
mkdir -p "$out/.mounts"
mount -t tmpfs mutant "$out/.mounts"
mkdir "$out/.mounts/upper" "$out/.mounts/work" "$out/.mounts/venv" "$out/.mounts/out"
mount --bind "$tree/.venv" "$out/.mounts/venv"
mkdir -p "$out/compiled"
if [ "$compiled" ]; then mount --bind "$compiled" "$out/compiled"; fi
mount --rbind "$out" "$out/.mounts/out"
mount -t overlay mutant -o "lowerdir=$copy,upperdir=$out/.mounts/upper,workdir=$out/.mounts/work" "$tree"
mkdir -p "$tree/.venv"
mount --bind "$out/.mounts/venv" "$tree/.venv"
cp -r "$changed/." "$tree/"
if [ "$alone" = yes ]; then
    ip link set lo up
    kept=$out/.mounts/out
    for place in $(cut -d ' ' -f 2 /proc/self/mounts | sort -u); do
        case $place in "$tree" | "$out" | "$out"/.mounts* | /proc | /proc/*) ;;
        *) mount -o remount,bind,ro "$place" 2>/dev/null || true ;; esac
    done
    for place in /proc/sys /proc/sysrq-trigger; do
        [ ! -e "$place" ] || { mount --bind "$place" "$place"; mount -o remount,bind,ro "$place"; }
    done
    mount --rbind "$kept" /mnt
    if [ "$compiled" ]; then mount -o remount,bind,ro /mnt/compiled; fi
    for place in /tmp /run /var/tmp /dev/shm; do mount -t tmpfs -o mode=1777 mutant "$place"; done
    out=/mnt
fi
export OUT="$out" PYTHONDONTWRITEBYTECODE= PYTHONPYCACHEPREFIX="$out/compiled"
cd "$tree"
code=0
touch "$OUT/begun"
"$@" || code=$?  # no exec: the first process of a namespace takes no signals
exit $code
"""


class IsolationError(Exception):
    """The namespaces could not be made, so that nothing was run."""


def copy(to: Path) -> Path:
    """Copy what git knows of the checkout, and what it would not ignore."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=TREE,
        check=True,
        capture_output=True,
    )
    for name in filter(None, listed.stdout.decode().split("\0")):
        if (TREE / name).is_file():
            (to / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(TREE / name, to / name, follow_symlinks=False)
    return to


def run(
    words: Sequence[str], copied: Path, changed: Path, out: Path, *, limit: float, alone: bool = True,
    compiled: Path | None = None,
) -> int | None:  # fmt: skip
    """Run a command in a checkout made of `copied` and the files in `changed`; give its exit code, None after `limit`.

    Raises `IsolationError` when it could not be begun.

    `$OUT` is a folder that it may leave files in, `out` of this side. `alone` is everything but the overlay. Python
    keeps what it has compiled in `$OUT/compiled`, or finds it in `compiled`, which stays as it is.
    """
    namespaces = _NAMESPACES if alone else ("--mount", "--pid", "--fork", "--kill-child", "--mount-proc")
    script = [
        "sh",
        "-c",
        _SCRIPT,
        "mutant",
        *map(str, (TREE, copied, changed, out)),
        "yes" if alone else "no",
        str(compiled or ""),
    ]
    with (out / "log").open("wb") as log:
        process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", "unshare", *namespaces, *script, *words],  # it ends with us
            stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
            env=os.environ | {"HOME": "/tmp" if alone else os.environ.get("HOME", "/")},  # noqa: S108 - a private one
        )  # fmt: skip
        try:
            code: int | None = process.wait(limit)
        except subprocess.TimeoutExpired:
            process.kill()  # and with it everything in its namespaces
            process.wait()
            code = None
    if not (out / "begun").exists():
        raise IsolationError((out / "log").read_text(encoding="utf-8"))
    return code
