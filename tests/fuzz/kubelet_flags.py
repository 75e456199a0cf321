"""Our tables of the kubelet's flags beside real kubelets: which of them each one knows, however it is spelled."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from lab.settings import Settings
from migrator import versions
from tests.fuzz.case import Compare, Disagreement, Reader, Tally

_FLAGS = (*versions.DOCKERSHIM_FLAGS, *versions.CADVISOR_FLAGS, *versions.OTHER_FLAGS)
_STAYING = (
    "--container-runtime-endpoint",
    "--runtime-cgroups",
    "--node-ip",
    "--config",
    "--kubeconfig",
    "-v",
    "--root-dir",
)
"""Flags that every kubelet up to now knows, as far as we read them."""
_NAMES = (*(flag.name for flag in _FLAGS), *_STAYING, "--no-such-flag", "--docker-no-such-flag")
_SPELLED = ("{}=x", "{}", "{}=")
_UNKNOWN = re.compile("unknown (shorthand )?flag")


def programs(settings: Settings) -> list[str]:
    """Give the kubelets that are at hand: those that somebody named, and the one that the lab has built."""
    named = [settings.kubernetes, *(node.kubernetes for node in settings.nodes)]
    built = [str(path.parent) for path in settings.cache.glob("artefacts/kubernetes-*[0-9a-f]/kubelet")]
    folders = dict.fromkeys(folder for folder in [*named, *built] if folder)
    return [f"{folder}/kubelet" for folder in folders if Path(folder, "kubelet").exists()]


def _compared(program: str, kubelet: versions.Version, seeds: Sequence[int]) -> Tally:
    unknown = {flag.name for flag in versions.unknown_flags(kubelet)}
    unknown |= {name for name in _NAMES if name.endswith("no-such-flag")}
    found = []
    for seed in seeds:
        name = _NAMES[seed % len(_NAMES)]
        turn = seed // len(_NAMES)
        spelled = name if turn % 2 == 0 else "--" + name.lstrip("-").replace("-", "_") if name != "-v" else name
        word = _SPELLED[turn // 2 % len(_SPELLED)].format(spelled)
        # All flags are read, then the version is printed, and nothing else is done. It comes first: a flag that lacks its
        # value would take it for one, and the kubelet would start.
        done = subprocess.run([program, "--version", word], capture_output=True, text=True, check=False, timeout=60)
        theirs = bool(_UNKNOWN.search(done.stderr + done.stdout))
        if theirs is not (name in unknown):
            words = ("knows it", "does not know it")
            found.append(Disagreement(seed, word, words[theirs], words[name in unknown]))
    return Tally(len(seeds), 0, tuple(found))


@contextmanager
def _start(_: Settings, program: str) -> Iterator[tuple[str, Compare]]:
    said = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout.split()[-1]
    yield f"kubelet {said}", lambda seeds: _compared(program, versions.parse(said), seeds)


READER = Reader(
    "kubelet-flags", programs, _start, missing="MIGRATOR_KUBERNETES names a folder with one", batch=len(_NAMES)
)
