"""A node whose files are anything at all: the planner says what is wrong with that node, and plans the others.

No program is asked. What must hold: no error of a library gets through, and the node beside this one has its plan.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from random import Random
from typing import Any

import tomlkit
import yaml

from lab.settings import Settings
from migrator.app import observe
from migrator.model.facts import CrioFacts, FileFact, NodeFacts, UnitFacts
from migrator.model.host_settings import HostSettings
from migrator.model.kubernetes import ClusterFacts
from migrator.model.observation import Observation
from migrator.planning import cleanup
from migrator.report import inspection
from tests.fakes import values
from tests.fuzz.case import Compare, Disagreement, Reader, Tally

_CRI = 'plugins."io.containerd.grpc.v1.cri"'
_HOSTS = "/etc/containerd/certs.d/registry.example:5000/hosts.toml"
_FILES = {
    "/etc/docker/daemon.json": json.dumps(
        {
            "registry-mirrors": ["https://mirror.example"], "insecure-registries": ["10.0.0.0/8"], "default-runtime": "nvidia",
            "runtimes": {"nvidia": {"path": "/usr/bin/nvidia-container-runtime", "runtimeArgs": ["--x"]}},
            "log-opts": {"max-size": "10m", "max-file": "3"}, "log-driver": "json-file", "exec-opts": ["native.cgroupdriver=systemd"],
            "default-ulimits": {"nofile": {"Name": "nofile", "Hard": 64000, "Soft": 64000}}, "storage-driver": "overlay2",
            "storage-opts": ["overlay2.size=1G"], "max-concurrent-downloads": 5, "live-restore": True, "data-root": "/var/lib/docker",
            "dns": ["10.0.0.1"], "proxies": {"http-proxy": "http://proxy:3128"}, "features": {"cdi": True}, "default-address-pools": [{"base": "10.1.0.0/16", "size": 24}],
        }
    ),
    "/etc/containerd/config.toml": f"""version = 2
imports = ["/etc/containerd/conf.d/*.toml"]
disabled_plugins = []
root = "/var/lib/containerd"
[{_CRI}]
sandbox_image = "registry.example/pause:3.2"
[{_CRI}.cni]
bin_dir = "/usr/lib/cni"
[{_CRI}.containerd]
default_runtime_name = "runc"
[{_CRI}.containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"
[{_CRI}.containerd.runtimes.runc.options]
SystemdCgroup = true
[{_CRI}.registry.mirrors."docker.io"]
endpoint = ["https://mirror.example"]
[{_CRI}.registry.configs."mirror.example".tls]
ca_file = "/etc/ssl/ca.crt"
""",
    "/etc/containerd/conf.d/more.toml": f"version = 2\n[{_CRI}]\nmax_concurrent_downloads = 3\n",
    _HOSTS: 'server = "https://registry.example:5000"\n[host."https://mirror.example"]\ncapabilities = ["pull"]\nca = "ca.crt"\nclient = [["a.crt", "a.key"]]\n',
    "/var/lib/kubelet/config.yaml": "cgroupDriver: systemd\ncontainerLogMaxSize: 10Mi\ncontainerLogMaxFiles: 5\nimageServiceEndpoint: ''\nsystemReserved:\n  cpu: 100m\ncontainerRuntimeEndpoint: ''\n",
    "/var/lib/kubelet/instance-config.yaml": "containerRuntimeEndpoint: unix:///var/run/cri-dockerd.sock\n",
    "/etc/crictl.yaml": "runtime-endpoint: unix:///var/run/dockershim.sock\ntimeout: 10\n",
    "/etc/containers/registries.conf": 'unqualified-search-registries = ["docker.io"]\n[[registry]]\nlocation = "docker.io"\n[[registry.mirror]]\nlocation = "mirror.example"\n',
    "/etc/containers/registries.conf.d/10.conf": '[[registry]]\nprefix = "a.example"\nlocation = "b.example"\ninsecure = true\n',
    "/etc/containers/policy.json": '{"default": [{"type": "insecureAcceptAnything"}]}',
    "/etc/containers/storage.conf": '[storage]\ndriver = "overlay"\n[storage.options]\nsize = "1G"\n',
    "/etc/crio/crio.conf": '[crio.runtime]\ncgroup_manager = "systemd"\n[crio.image]\npause_image = "x"\n',
    "/etc/crio/crio.conf.d/10.conf": '[crio.runtime.runtimes.crun]\nruntime_path = "/usr/bin/crun"\n',
    "/etc/sysctl.d/99-a.conf": "net.ipv4.ip_forward = 0\n-net.ipv4.conf.*.forwarding = 1\n",
    "/etc/sysctl.conf": "net.bridge.bridge-nf-call-iptables=1\n",
    "/etc/modules-load.d/migrator.conf": "overlay\n",
    "/etc/default/docker": 'DOCKER_OPTS="--log-level=debug"\n',
    "/etc/systemd/system/kubelet.service.d/zz-migrator.conf": "[Service]\nEnvironment=A=1\n",
}  # fmt: skip
_PRINTED = {
    "containerd config dump": ("containerd", "effective"), "crio config": ("crio", "effective"), "ctr oci spec": ("containerd", "oci_spec"),
}  # fmt: skip
"""What programs print, by where it is found in the facts."""
_SUFFIX = {"containerd config dump": ".toml", "crio config": ".toml", "ctr oci spec": ".json"}
PATHS = sorted({*values.files(), *_FILES, *_PRINTED})
_ODD: tuple[Any, ...] = (
    None, True, False, 0, -1, 1.5, float("inf"), 10**30, "", "x", "\0", "é\n", "[]", [], {}, [[]], [{}], [None], [1, "a"], {"": 1}, {"a": {"b": []}},
    "9" * 5000, "/" * 5000, "a:" * 3000, ["x"] * 200,
)  # fmt: skip
_TEXTS = (
    "", "\0", "\ufeff", "\ufeff\ufeff", "{", "[", "[]", "{}", "null", "1", '"', "[[", "= 1", "- a", "a: b: c", "&a [*a]", "!!python/object:x {}", "!!bool x",
    "!!binary x", "!!timestamp x", "? [a]\n: b", "{a: 1, a: 2}", "<<: [1]", "%YAML 9.9\n---", "--- a\n--- b", "[Service]\nExecStart=", "[Service\n", "a=\\",
    "\x01\x02\x7f\x80", "\ud7ff", "\u2028", "# \\\n", "1=2", "a.b.c = 1\na = 2", '[a]\nb = """', "x = 1979-05-27T07:32:00Z", "x = nan", "[a]\n[a]", '"" = 1',
    '{"a": 1, "a": 2}', '{"a": NaN}', '{"a": 1} x', "\r", "\r\n" * 10, "=" * 100, "'", "%", "$", "!include x", "a: !!set {x}", "a: 2001-01-01", "a: 0x7f", "a: 1_0",
)  # fmt: skip
DEEP = (
    "[" * 3000, "{" * 3000, '{"a":' * 3000, "a: {" * 500, "x = " + "[" * 3000 + "]" * 3000, "[" + "a." * 3000 + "b]\nc = 1", "x = " + "{a=" * 400 + "1" + "}" * 400,
    "- " * 2000, "9" * 6000, "x = " + "9" * 6000, '{"a": ' + "9" * 6000 + "}", "a: " + "9" * 6000, "\n".join(f"[t{n}]" for n in range(3000)), "a" * 200_000,
    "a0: &a0 [x,x]\n" + "".join(f"a{n}: &a{n} [*a{n - 1},*a{n - 1}]\n" for n in range(1, 40)), "a: &a [*a]", "&a {b: *a}", "[Service]\n" + "Environment=A=1\n" * 3000, "[Service]\nExecStart=/k " + "$A " * 3000,
    'imports = ["/etc/containerd/conf.d/' + "*a" * 40 + '*.toml", "/etc/containerd/[z-a]*"]', 'imports = ["/etc/containerd/*["]',
    "[Service]\nEnvironmentFile=-/etc/default/" + "*a" * 40 + "*b\nEnvironmentFile=-/etc/default/[z-a]*\nEnvironmentFile=-/etc/[",
    "a." * 300_000 + "b = 1", "[" + '"a" . ' * 150_000 + "b]", "[a]" + " " * 500_000 + "x", "A=1 " + "#" * 500_000, "x = '" + "#" * 500_000 + "' # c",
    "\\\n" * 3000, "A='" + "x" * 100_000, "#" * 100_000 + "\\\n=",
)  # fmt: skip
_TARGETS = (
    HostSettings(), HostSettings(runtime="crio"), HostSettings(kubernetes_target="1.36"),
)  # fmt: skip
_NEWER = ("1.6.20", "2.1.9", "1.4.13")


def _places(document: object, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Give the place of every value."""
    if at:
        yield at
    if isinstance(document, dict):
        for key, inner in document.items():
            yield from _places(inner, (*at, key))
    elif isinstance(document, list):
        for number, inner in enumerate(document):
            yield from _places(inner, (*at, number))


def _odd(chance: Random, path: str, text: str) -> str:
    """Give a document with another value somewhere; the text where it is no document."""
    load, dump = {
        ".json": (json.loads, json.dumps), ".yaml": (yaml.safe_load, yaml.safe_dump), ".toml": (tomllib.loads, _toml), ".conf": (tomllib.loads, _toml),
    }.get(path[path.rfind(".") :], (json.loads, json.dumps))  # fmt: skip
    try:
        document = load(text)
        places = [*_places(document)]
        for at in chance.sample(places, min(len(places), chance.choice((1, 1, 1, 2)))):
            inner = document
            for step in at[:-1]:
                inner = inner[step]
            inner[at[-1]] = chance.choice(_ODD)
        return str(dump(document))
    except (ValueError, TypeError, KeyError, IndexError, yaml.YAMLError, tomlkit.exceptions.TOMLKitError):
        return text + chance.choice(_TEXTS)


def _toml(document: Mapping[str, Any]) -> str:
    return tomlkit.dumps(document)


def _broken(chance: Random, path: str, text: str) -> str:
    """Give what stands in the file instead."""
    kind = chance.random()
    if kind < 0.5:
        return _odd(chance, path, text)
    if kind < 0.65:
        return text[: chance.randint(0, len(text))]
    if kind < 0.75:
        at = chance.randint(0, len(text))
        return text[:at] + chance.choice(_TEXTS) + text[at + chance.randint(0, 3) :]
    if kind < 0.85:
        return text + chance.choice(_TEXTS)
    return chance.choice(_TEXTS if kind < 0.95 else DEEP)


def _healthy() -> NodeFacts:
    files = {**values.files(), **{path: values.file(path, text) for path, text in _FILES.items()}}
    unit = UnitFacts(name="crio.service")
    return values.facts(
        files=files,
        crio=CrioFacts(version="1.20.6", unit=unit, effective=_FILES["/etc/crio/crio.conf"]),
        containerd=values.containerd(oci_spec='{"process": {"rlimits": []}}', effective=_FILES["/etc/containerd/config.toml"]),
    )  # fmt: skip


def _node(chance: Random) -> tuple[NodeFacts, str]:
    """Make a node with one file, or a few, that are not what they should be; tell which."""
    facts, told = _healthy(), []
    for path in chance.sample(PATHS, chance.choice((1, 1, 1, 2, 5))):
        text = _broken(chance, _SUFFIX.get(path, path), _text(facts, path))
        facts = with_file(path, text, facts)
        if chance.random() < 0.05 and path not in _PRINTED:
            problem = chance.choice(("it is a directory", "it is not UTF-8 text"))
            file = FileFact(path=path, exists=True, problem=problem)
            facts = facts.model_copy(update={"files": {**facts.files, path: file}})
        told.append(f"{path}: {text[:400]!r}")
    installed = facts.containerd.model_copy(update={"version": chance.choice(_NEWER)})
    return facts.model_copy(update={"containerd": installed}), "\n".join(told)


def with_file(path: str, text: str, facts: NodeFacts | None = None) -> NodeFacts:
    """Give a node with another text of a file, or of what a program printed."""
    facts = facts or _healthy()
    if path not in _PRINTED:
        file = facts.files[path].model_copy(update={"content": text})
        return facts.model_copy(update={"files": {**facts.files, path: file}})
    part, name = _PRINTED[path]
    return facts.model_copy(update={part: getattr(facts, part).model_copy(update={name: text})})


def _text(facts: NodeFacts, path: str) -> str:
    if path not in _PRINTED:
        return facts.files[path].content
    part, name = _PRINTED[path]
    return str(getattr(getattr(facts, part), name))


def tried(seed: int) -> Disagreement | None:
    """Plan a made-up node beside a healthy one; tell what is wrong with the plans."""
    chance = Random(seed)  # noqa: S311 - no secret
    facts, told = _node(chance)
    return planned(facts, told, chance.choice(_TARGETS), seed)


def planned(facts: NodeFacts, told: str, target: HostSettings = _TARGETS[0], seed: int = 0) -> Disagreement | None:
    """Plan a node beside a healthy one; tell what is wrong with the plans."""
    other = values.facts(hostname="worker-2", machine_id="f" * 32)
    now = values.situation()
    seen = [
        Observation(host="worker-1", target=target, facts=facts), Observation(host="worker-2", target=target, facts=other),
    ]  # fmt: skip
    around = ClusterFacts(nodes=(now.node, values.node(name="worker-2", machine_id="f" * 32)), pods=now.pods)
    for make in (observe.migration, observe.rollback, _cleanup):
        try:
            made = observe.plan_all(seen, around, (), make)
            inspection.text(seen, around)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is what is looked for
            return Disagreement(seed, told, "a plan", f"{type(error).__name__}: {error}")
        wrong = [entry.problem for entry in made.unplanned if "please report" in entry.problem]
        if wrong or "worker-2" not in {plan.host for plan in made.nodes}:
            return Disagreement(
                seed, told, "a finding, and a plan for the other node", "; ".join(wrong) or "no plan for it"
            )
    return None


def _cleanup(now: Any) -> Any:
    return cleanup.make(replace(now, removal=None), ())


def _compared(seeds: Sequence[int]) -> Tally:
    return Tally(len(seeds), 0, tuple(found for seed in seeds if (found := tried(seed))))


@contextmanager
def _start(_: Settings, __: str) -> Iterator[tuple[str, Compare]]:
    yield "the planner", _compared


READER = Reader("hostile", lambda _: ("planner",), _start)
