"""daemon.json together with dockerd's flags beside real dockerds: what they start with, and what they refuse.

A dockerd does not print what it has read. Compared is whether it takes the file and the flags together: kinds of values,
unknown keys, conflicts between both.
"""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any

from lab import dockerds
from lab.dockerds import Dockerd
from lab.settings import Settings
from migrator.runtimes.docker import options
from tests.fuzz.case import Compare, Disagreement, Reader, Tally

_VALUES: dict[str, tuple[Any, ...]] = {
    "debug": (True, False), "live-restore": (True, False), "icc": (True,), "ipv6": (False,), "iptables": (True,), "userland-proxy": (False,),
    "no-new-privileges": (True,), "selinux-enabled": (False,), "raw-logs": (True,), "experimental": (False,), "tls": (False,),
    "max-concurrent-downloads": (3, 0, 10), "max-concurrent-uploads": (5,), "mtu": (1500,), "shutdown-timeout": (15,), "max-download-attempts": (5,),
    "log-level": ("info", "debug", "warn", "trace", "loud"), "log-driver": ("json-file", "local", "journald", "none", "odd"), "storage-driver": ("overlay2", "vfs"),
    "data-root": ("/srv/docker", "relative"), "exec-root": ("/run/x",), "pidfile": ("/run/x.pid",), "group": ("docker",), "bip": ("10.1.0.1/24",), "bridge": ("none",),
    "cgroup-parent": ("/x", "x.slice"), "default-cgroupns-mode": ("host", "private", "odd"), "default-ipc-mode": ("private", "shareable"), "default-shm-size": ("64M", 67108864),
    "default-runtime": ("runc", "nvidia"), "init": (True,), "seccomp-profile": ("", "unconfined"), "userns-remap": ("",), "metrics-addr": ("127.0.0.1:9323",),
    "hosts": (["unix:///var/run/docker.sock"], ["fd://"], []), "insecure-registries": (["10.0.0.0/8"], ["r.example:5000"], ["http://r.example"], []),
    "registry-mirrors": (["https://m.example"], ["https://m.example/"], ["m.example"], ["https://m.example/path"], []), "dns": (["10.0.0.1"], ["x"]), "dns-search": (["a.example"],),
    "dns-opts": (["ndots:1"],), "labels": (["a=b"], ["a"], ["a=b", "a=c"]), "storage-opts": (["overlay2.size=1G"],), "exec-opts": (["native.cgroupdriver=systemd"], ["x"]),
    "log-opts": ({"max-size": "10m"}, {"max-file": 3}, {}), "default-ulimits": ({"nofile": {"Name": "nofile", "Hard": 10, "Soft": 5}}, {"nofile": {"Name": "nofile", "Hard": 5, "Soft": 10}}),
    "runtimes": ({"nvidia": {"path": "/usr/bin/n"}}, {"nvidia": {"path": "/usr/bin/n", "runtimeArgs": ["--x"]}}, {"runc": {"path": "/x"}}, {}),
    "default-address-pools": ([{"base": "10.1.0.0/16", "size": 24}], [{"base": "x", "size": 24}]), "features": ({"buildkit": True}, {"x": False}),
    "proxies": ({"http-proxy": "http://p:3128"}, {"odd": "x"}), "builder": ({"gc": {"enabled": True, "defaultKeepStorage": "10GB"}},), "oom-score-adjust": (-500,),
    "graph": ("/srv/graph",), "cluster-store": ("consul://x",), "tlsverify": (False,), "allow-nondistributable-artifacts": (["r.example"],), "containerd": ("/run/x.sock",),
    "node-generic-resources": (["gpu=1"],), "ip": ("10.0.0.1", "x"), "fixed-cidr": ("10.1.0.0/25",), "default-gateway": ("10.1.0.254",), "authorization-plugins": (["x"], []),
    "unknown-key": ("x",), "Debug": (True,), "log_level": ("info",),
}  # fmt: skip
_ODD: tuple[Any, ...] = (None, True, 1, -1, 1.5, "", "x", [], ["x"], [1], {}, {"a": "b"}, {"a": 1})
_FLAGS = (
    "--debug", "-D", "--debug=false", "-l debug", "--log-level=info", "-ldebug", "-H fd://", "--host=unix:///x.sock", "--data-root /srv/d", "-g /srv/g", "--graph=/x",
    "--insecure-registry=r.example:5000", "--registry-mirror https://m.example", "--log-opt max-size=1m", "--log-opt=max-file=2", "--log-driver json-file", "-s overlay2",
    "--storage-opt overlay2.size=2G", "--exec-opt native.cgroupdriver=cgroupfs", "--default-ulimit nofile=5:10", "--default-ulimit=nofile=10", "--add-runtime nvidia=/usr/bin/n",
    "--default-runtime=nvidia", "--dns 10.0.0.2", "--dns-search=b.example", "--label a=b", "--mtu 1400", "--mtu=x", "--max-concurrent-downloads=4", "--live-restore",
    "--live-restore=x", "--icc=false", "--bip 10.2.0.1/24", "--default-address-pool base=10.1.0.0/16,size=24", "--cgroup-parent=/x", "--userns-remap=default",
    "--selinux-enabled", "--unknown-flag", "-x", "word", "--pidfile", "--containerd=/run/containerd/containerd.sock", "--feature x=true", "--http-proxy=http://p:1", "--init",
    "--default-shm-size 64M", "--shutdown-timeout=1.5", "--group=x", "--bridge none", "--ip 10.0.0.1", "--iptables=false", "--experimental", "--tls=false", "-p /x.pid",
)  # fmt: skip
_TEXTS = ("", " ", "{}", "[]", "null", '"x"', "{", '{"debug": true,}', '{"debug": true} x', '{"debug": true, "debug": false}', "\ufeff{}", '{"debug": tru}', "{'debug': true}", '{"debug" true}', "// x\n{}", '{"mtu": 1e3}', '{"mtu": 9223372036854775808}', '{"log-level": "\\ud800"}')  # fmt: skip
_REFUSED = re.compile("specified both|cannot unmarshal|invalid character(?! 'ï')|unexpected end|unexpected EOF")
"""Complaints of a dockerd that we must share: two places for one setting, values of another kind, what is no JSON.

Others are about what values mean (a runtime that is not there, a flag that this release does not have), and a running
Docker has passed them. A byte order mark and an empty file are refused by 20.10 alone.
"""
_KIND = re.compile(r"must be (an?|true|whole) [a-z ]+, is |stands both in|must be a JSON object")
"""Refusals of ours that a dockerd must share. The others are of values that stop it, or a container, later."""


def _document(chance: Random) -> str:
    if chance.random() < 0.1:
        return chance.choice(_TEXTS)
    found = {}
    for key in chance.sample([*_VALUES], chance.randint(0, 4)):
        found[key] = chance.choice(_ODD) if chance.random() < 0.12 else chance.choice(_VALUES[key])
    return json.dumps(found)


def _words(chance: Random) -> list[str]:
    flags = chance.sample(_FLAGS, chance.choice((0, 0, 1, 1, 2, 3)))
    return [word for flag in flags for word in flag.split(" ")]


def _compared(release: Dockerd, seeds: Sequence[int]) -> Tally:
    refused, found = 0, []
    for seed in seeds:
        chance = Random(seed)  # noqa: S311 - no secret
        text, words = _document(chance), _words(chance)
        with tempfile.TemporaryDirectory() as folder:
            config = Path(folder) / "daemon.json"
            config.write_text(text)
            Path(folder).chmod(0o755)
            theirs = release.complaint(config, words)
        try:
            options.read(text, words)
            ours = ""
        except ValueError as error:
            ours = str(error)
        if (_REFUSED.search(theirs) and not ours) or (_KIND.search(ours) and not theirs):
            found.append(Disagreement(seed, f"{text}\n{words}", theirs[-300:] or "it starts", ours or "it starts"))
        refused += bool(ours) and not theirs
    return Tally(len(seeds), refused, tuple(found))


@contextmanager
def _start(settings: Settings, suite: str) -> Iterator[tuple[str, Compare]]:
    release = dockerds.dockerd(settings, suite)
    yield f"dockerd {'.'.join(map(str, release.version))}", lambda seeds: _compared(release, seeds)


READER = Reader("dockerd", lambda _: dockerds.SUITES, _start, batch=20)
