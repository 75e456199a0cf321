"""Secrets of every kind, planted in every file of a host, are found in nothing that is written or printed."""

from __future__ import annotations

import importlib
import json
import logging
import socketserver
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from migrator import masking
from migrator.app import observe
from migrator.cli import plan as plan_command
from migrator.cli.options import PlanOutput
from migrator.errors import MigratorError
from migrator.hosts import runner
from migrator.model.event import Event
from migrator.model.facts import NodeFacts
from migrator.model.host_settings import HostSettings
from migrator.model.kubernetes import ClusterFacts
from migrator.model.observation import Observation
from migrator.runtimes.registry import targets
from migrator.store import debug_log, fact_store
from migrator.store.run_log import RunLog
from tests.fakes import values
from tests.test_node_facts import UNITS, Handler, Tree, needs_root, node_facts, program, put

secrets = importlib.import_module("ansible.module_utils.migrator_inspect_secrets")
CNI, DOCKER, ENVIRONMENT, HOSTS, KUBELET, TOML, UNIT = (
    secrets.CNI, secrets.DOCKER, secrets.ENVIRONMENT, secrets.HOSTS, secrets.KUBELET, secrets.TOML, secrets.UNIT,
)  # fmt: skip

BEGIN, END = "QZX", "XZQ"
SECRETS = {
    "a word": "hunter2",
    "base64": "bWU6aHVudGVyMg+/==",
    "a path's look": "/aGVsbG8/d29ybGQ=",
    "a JWT": "eyJhbGciOi.eyJzdWIi.c2ln",
    "an address": "a@b:c",
    "a flag": "-x --y=z",
    "words": "two words",
    "quotes": "a'b\"c",
    "a backslash": "a\\nb\\",
    "JSON": '{"a": [1, "b"]}',
    "signs": "#;,&?%=${A}|<>",
    "a tab": "a\tb",
    "other letters": "pässwörd€",
    "an old hash": "sha256:0123456789abcdef",
}  # fmt: skip
"""What stands between the marks of each planted secret."""


def marks(secret: str) -> str:
    """Give a secret that is found again wherever a piece of it is left."""
    return f"{BEGIN}{secret}{END}"


def in_double(text: str) -> str:
    """Quote as systemd, shells and TOML read it."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\t", "\\t") + '"'


def in_single(text: str) -> str:
    """Quote without escapes; a text that cannot be is in double quotes."""
    return in_double(text) if "'" in text or "\\" in text else f"'{text}'"


def in_json(text: str) -> str:
    """Quote as JSON does, with every sign beyond ASCII and every slash escaped."""
    return json.dumps(text).replace("/", "\\/")


def url(text: str) -> str:
    """Write a text so that it can stand in a URL."""
    return quote(text, safe="")


ADDRESSES = (
    "https://{}@h.example/x", "https://me:{}@h.example:5000", "http://{}:@[fd00::1]:80/", "https://h.example/x?sig={}",
    "https://h.example/?a=1&token={}&b#c={}", "http://{}:pw@h",
)  # fmt: skip
NAMES = (
    "PROXY_PASS", "DB_PWD", "ENCRYPTION_KEY", "SIGN_PRIVATE_KEY", "VAULT_CREDENTIALS", "AZURE_STORAGE_SAS", "CONN", "X", "GITHUB_PAT",
    "API_TOKEN", "COOKIE", "MYSTERY", "MYSTERY_OPTIONS", "KUBELET_EXTRA_SECRET_ARGS",
)  # fmt: skip
FLAGS = (
    "--token={}", "--token {}", "--password={}", "--header={}", "-e FOO={}", "--env=FOO={}", "--env FOO={}", "--manifest-url-header={}",
    "--log-opt splunk-token={}", "--api-key {}", "--label a={}", "--cluster-store-opt kv.x={}",
)  # fmt: skip


def environment(secret: str) -> Iterator[str]:
    """Give an environment file's lines with a secret, in every spelling."""
    for name in NAMES:
        for spell in (in_double, in_single):
            yield f"{name}={spell(secret)}\n"
            yield f"export {name}={spell(secret)}\n"
        yield f"# {name}={in_double(secret)}\n"
        if not set(secret) & set("\\'\""):
            yield f"{name}={secret}\n#{name}={secret}\n"
    for flag in FLAGS:
        word = flag.partition("{")[0].rpartition(" ")
        quoted = word[0] + word[1] + in_double(word[2] + secret)
        yield f"KUBELET_EXTRA_ARGS={in_double('--v=2 ' + quoted)}\n"
    for address in ADDRESSES:
        yield f"HTTPS_PROXY={address.replace('{}', url(secret))}\n"
        yield f'KUBELET_EXTRA_ARGS="--x={address.replace("{}", url(secret))}"\n'
    yield f"http_proxy={url(secret)}@proxy:3128\n"


def unit(secret: str) -> Iterator[str]:
    """Give a unit's lines likewise."""
    for name in NAMES:
        yield f'Environment={in_double(f"{name}={secret}")} "PATH=/bin" \\\n  {in_single(f"{name}={secret}")}\n'
        yield f"#Environment={in_double(f'{name}={secret}')}\n"
    for flag in FLAGS:
        word = flag.partition("{")[0].rpartition(" ")
        quoted = word[0] + word[1] + in_double(word[2] + secret)
        yield f"ExecStartPre=/usr/bin/x {quoted} --v=2\n"
        yield f"ExecStartPre=/bin/sh -c {in_double(f'exec /usr/bin/x {quoted}')}\n"
    for address in ADDRESSES:
        yield f"ExecStartPre=/usr/bin/curl {address.replace('{}', url(secret))}\n"
        yield f"Documentation={address.replace('{}', url(secret))}\n"
    yield f"SetCredential=x:{secret}\nX-Any={secret}\n"


def hosts(secret: str) -> Iterator[str]:
    """Give files of hosts.toml with a secret in a header, in every spelling of TOML."""
    for name in ("X-JFrog-Art-Api", "Cookie", "x-registry-auth", "PRIVATE-TOKEN", '"a b"', "anything"):
        for spell in (in_double, in_single, json.dumps):
            yield f'[host."https://r".header]\n  {name} = {spell(secret)}\n'
            yield f'[host."https://r".header]\n  {name} = [ {spell(secret)},\n # more\n {spell(secret)} ]\n'
            yield f'[host."https://r"]\n  header = {{ {name} = {spell(secret)}, b = [{spell(secret)}] }}\n'
            yield f'host."https://r".header.{name} = [{spell(secret)}]\n'
            yield f'# [host."https://r".header]\n#   {name} = {spell(secret)}\n'
            yield f"{name} = {spell(secret)}\n"
    for address in ADDRESSES:
        yield f'server = "{address.replace("{}", url(secret))}"\n[host."{address.replace("{}", url(secret))}"]\n  ca = "x"\n'


def daemon(secret: str) -> Iterator[str]:
    """Give daemon.json likewise."""
    places: list[Any] = [
        {"log-opts": {"splunk-token": secret}}, {"log-opts": {"anything": secret, "max-size": "1m"}}, {"labels": [f"a={secret}"]},
        {"cluster-store-opts": {"kv.x": secret}}, {"unknown": secret}, {"unknown": {"deep": [{"er": secret}]}}, {"builder": {"x": {"y": secret}}},
        {"runtimes": {"r": {"path": "/r", "runtimeArgs": ["--token", secret, f"--key={secret}"]}}},
        {"runtimes": {"r": {"runtimeType": "io.containerd.kata.v2", "options": {"ConfigBody": secret}}}},
        {"storage-opts": [f"x={secret}"]}, {"exec-opts": [f"x={secret}"]}, {"default-network-opts": {"bridge": {"x": secret}}},
        {"proxies": {"http-proxy": f"{url(secret)}@p", "https-proxy": f"http://{url(secret)}@p"}},
    ]  # fmt: skip
    places += [{"registry-mirrors": [address.replace("{}", url(secret))]} for address in ADDRESSES]
    places += [{"unknown-url": address.replace("{}", url(secret))} for address in ADDRESSES]
    for place in places:
        yield json.dumps(place)
        yield json.dumps(place, indent=2, ensure_ascii=False)
        yield json.dumps(place).replace("/", "\\/")
        yield json.dumps(place)[:-1] + ",}"  # which Docker refuses


def network(secret: str) -> Iterator[str]:
    """Give a network's configuration likewise."""
    for place in (
        {"etcd_password": secret}, {"policy": {"k8s_auth_token": secret}}, {"args": {"any": [secret]}}, {"kubernetes": {"client_key": secret}},
        {"kubeconfig": f"https://{url(secret)}@h"}, {"any": {"thing": secret}},
    ):  # fmt: skip
        document = {"name": "x", "cniVersion": "0.3.1", "plugins": [{"type": "calico", **place}]}
        yield json.dumps(document)
        yield json.dumps(document, indent=1)


def toml(secret: str) -> Iterator[str]:
    """Give a configuration of containerd or CRI-O likewise."""
    registry = 'plugins."io.containerd.grpc.v1.cri".registry'
    for spell in (in_double, in_single, json.dumps):
        yield f"[{registry}.headers]\n  Foo = [{spell(secret)}]\n"
        yield f'[{registry}.configs."r".auth]\n  password = {spell(secret)}\n  any = {spell(secret)}\n'
        yield f'[{registry}]\n  configs."r".auth = {{ token = {spell(secret)} }}\n'
        for name in (
            "db_pw",
            "api_key",
            "sas",
            "cookie",
            "client_secret",
            "storage_credentials",
            "bearer",
            "dbPassword",
        ):
            yield f"[x]\n  {name} = {spell(secret)}\n# {name} = {spell(secret)}\n"
        yield f"[x]\n  env = [{spell(f'FOO={secret}')}, 'PATH=/bin']\n  args = ['--token', {spell(secret)}]\n"
    for address in ADDRESSES:
        yield f'[{registry}.mirrors."r"]\n  endpoint = ["{address.replace("{}", url(secret))}"] # {address.replace("{}", url(secret))}\n'
        yield f'[{registry}.mirrors."{address.replace("{}", url(secret))}"]\n  endpoint = []\n'


def kubelet(secret: str) -> Iterator[str]:
    """Give the kubelet's configuration likewise."""
    document: dict[str, Any] = {
        "staticPodURLHeader": {"Authorization": [secret], "X": [secret, secret]},
        "clientToken": secret,
        "apiKey": secret,
    }
    document |= {
        "staticPodURL": ADDRESSES[0].replace("{}", url(secret)),
        "registerWithTaints": [{"key": "a", "effect": "NoSchedule"}],
    }
    for flow in (False, True, None):
        yield yaml.safe_dump(document, default_flow_style=flow, allow_unicode=True, width=10_000)
    yield yaml.safe_dump(document, default_style='"')
    yield yaml.safe_dump(document, width=20)
    yield json.dumps(document)
    yield json.dumps(document, indent=2).replace("/", "\\/")
    if "\t" not in secret:
        yield f"staticPodURLHeader:\n  Authorization:\n  - |\n    {secret}\n  X:\n  - >-\n    {secret}\n    {secret}\n"
        yield f"clientSecret: |\n  {secret}\n  {secret}\nport: 1\n"


WRITERS: Mapping[str, Callable[[str], Iterator[str]]] = {
    ENVIRONMENT: environment, UNIT: unit, HOSTS: hosts, DOCKER: daemon, CNI: network, TOML: toml, KUBELET: kubelet,
}  # fmt: skip


def told(text: str) -> bool:
    """Tell whether a text has a piece of a planted secret in it."""
    return BEGIN in text or END in text


def places(value: Any, path: str = "") -> Iterator[str]:
    """Say where in a document pieces of a planted secret are."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, entry in inner:
        yield from places(entry, f"{path}/{key}")
    if isinstance(value, str):
        yield from (f"{path}: {line}" for line in value.splitlines() if told(line))


@pytest.mark.parametrize("kind", WRITERS)
@pytest.mark.parametrize("secret", SECRETS.values(), ids=SECRETS)
def test_no_spelling_gives_a_secret_away(kind: str, secret: str) -> None:
    """Each secret in each place of each kind of file, alone; again on what is left changes nothing."""
    leaks, restless = [], []
    for text in WRITERS[kind](marks(secret)):
        said = secrets.redact_file(text, [kind])
        leaks += [text] if told(said) else []
        restless += [text] if secrets.redact_file(said, [kind]) != said else []

    assert leaks == []
    assert restless == []


ANY = st.text(
    st.characters(min_codepoint=32, max_codepoint=0x17F) | st.sampled_from("\t\"'\\{}[],:#=@/ |>-&*!%$;?<>^~`"),
    max_size=14,
)


@given(ANY, st.sampled_from(sorted(WRITERS)), st.integers(0, 1000))
def test_no_secret_of_any_signs_is_given_away(secret: str, kind: str, number: int) -> None:
    """Whatever it consists of, some place of every kind of file."""
    texts = list(WRITERS[kind](marks(secret)))
    for text in texts[number % 5 :: 5]:
        said = secrets.redact_file(text, [kind])

        assert not told(said), text
        assert secrets.redact_file(said, [kind]) == said, text


# Whole hosts.

PLACES = {
    ENVIRONMENT: (
        "/etc/default/kubelet", "/etc/sysconfig/kubelet", "/var/lib/kubelet/kubeadm-flags.env", "/etc/default/docker", "/etc/my docker",
        "/etc/sysconfig/crio", "/etc/kubernetes/kubelet.env",
    ),
    UNIT: (
        "/lib/systemd/system/docker.service", "/etc/systemd/system/docker.service.d/a.conf", "/lib/systemd/system/containerd.service",
        "/etc/systemd/system/kubelet.service.d/zz-migrator.conf", "/etc/systemd/system/containerd.service.d/zz-migrator.conf",
    ),
    HOSTS: ("/etc/containerd/certs.d/r.example/hosts.toml", "/srv/certs/r:5000/hosts.toml"),
    DOCKER: ("/etc/docker/daemon.json",),
    CNI: ("/etc/cni/net.d/10-lab.conflist", "/etc/cni/net.d/20-other.conf", "/etc/cni/net.d/30-other.json"),
    TOML: (
        "/etc/containerd/config.toml", "/etc/containerd/conf.d/x.toml", "/etc/crio/crio.conf", "/etc/crio/crio.conf.d/10-x",
        "/etc/containers/registries.conf", "/etc/containers/registries.conf.d/x.conf", "/etc/containers/storage.conf",
    ),
    KUBELET: ("/var/lib/kubelet/config.yaml", "/var/lib/kubelet/instance-config.yaml", "/etc/kubernetes/kubelet-config.yaml", "/etc/crictl.yaml"),
}  # fmt: skip
"""Files of each kind that an inspection reads."""
JOINED = frozenset({ENVIRONMENT, UNIT, HOSTS, TOML})
"""Kinds of which several texts may stand below each other, although not every program would take them then."""


def contents(secret: str, turn: int) -> dict[str, str]:
    """Give every file of a host with the secret in it: in all places, or in one of them by turns."""
    found = {}
    for kind, paths in PLACES.items():
        texts = list(WRITERS[kind](secret))
        for number, path in enumerate(paths):
            whole = kind in JOINED and turn == 0
            found[path] = "".join(texts) if whole else texts[(turn * 7 + number * 3) % len(texts)]
    found["/etc/containerd/config.toml"] += '[plugins.x]\nconfig_path = "/srv/certs"\n'
    return found


def processes(secret: str) -> dict[str, str]:
    """Give the command lines and environments of the processes."""
    words = [word.replace("{}", secret) for flag in FLAGS for word in flag.split(" ")]
    addresses = [address.replace("{}", url(secret)) for address in ADDRESSES]
    words += [f"--registry-mirror={address}" for address in addresses]
    variables = [f"{name}={secret}" for name in NAMES] + [
        f"HTTP_PROXY={addresses[0]}",
        f"https_proxy={url(secret)}@p:1",
    ]
    dump = "".join(toml(secret))
    return {
        "proc/42/cmdline": "\0".join(["/usr/sbin/dockerd", *words, ""]),
        "proc/42/environ": "\0".join([*variables, ""]),
        "proc/43/cmdline": "\0".join(["/usr/bin/containerd", *words, ""]),
        "proc/43/environ": "\0".join([*variables, f"ALL_PROXY={addresses[1]}", ""]),
        "usr/bin/systemctl!": program(show=UNITS),
        "usr/bin/kubelet!": "#!/bin/sh\necho Kubernetes v1.20.2\n",
        "usr/bin/containerd!": program(**{"--version": "containerd x 1.6.20", "config_dump": dump}),
        "usr/bin/crio!": program(**{"--version": "crio version 1.28.0", "config": dump}),
        "run/systemd/system/x": "",
        "proc/self/mounts": "a / ext4 rw 0 0\ncgroup2 /sys/fs/cgroup cgroup2 rw 0 0\n",
        "var/lib/kubelet/config.json": json.dumps({"auths": {f"https://{url(secret)}@r": {"auth": secret}}}),
    }


def inspected(secret: str, turn: int) -> NodeFacts:
    """Inspect such a host, with a Docker whose answers have the secret in them too."""
    with tempfile.TemporaryDirectory() as folder:
        root = put(Path(folder), contents(secret, turn) | processes(secret))
        (root / "proc/42/exe").symlink_to("/usr/sbin/dockerd")
        (root / "proc/43/exe").symlink_to("/usr/bin/containerd")
        (root / "var/run").mkdir(parents=True)
        with socketserver.ThreadingUnixStreamServer(str(root / "var/run/docker.sock"), Handler) as server:
            threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
            document = node_facts.facts(Tree(str(root)))
            server.shutdown()
    assert list(places(document)) == []
    assert not told(json.dumps(document, ensure_ascii=False))
    return NodeFacts.model_validate(document)


def docker_answers(secret: str) -> dict[str, Any]:
    """Give what Docker says; what is not asked for has the secret in it."""
    mirrors = [ADDRESSES[0].replace("{}", url(secret)), f"http://{url(secret)}@m:80/"]
    return {
        "/info": {
            "ServerVersion": "20.10.24", "DockerRootDir": "/var/lib/docker", "CgroupDriver": "systemd", "Runtimes": {"runc": {"path": "runc"}},
            "RegistryConfig": {"Mirrors": mirrors}, "HttpProxy": mirrors[0], "Labels": [secret],
        },
        "/images/json?all=0&digests=1": [{"Id": "sha256:1", "RepoTags": ["web:1"], "Labels": {"a": secret}}],
        "/containers/json?all=1": [{"Id": "c1", "Names": ["/x"], "State": "running", "Command": secret, "Labels": {"a": secret}}],
    }  # fmt: skip


LOGGED = {"debug.log", "ansible.log"}


def fails(error: Exception) -> None:
    """Stand in for what goes wrong."""
    raise error


def logged(secret: str, observation: Observation) -> None:
    """Have the logs of a run hear of it in each way in which one may come there, and of one of the inventory's."""
    ours = marks(f"ours {secret}")
    masking.learn({"ansible_become_password": ours, "registries": {"auth_token": [ours]}})
    words = [ours, in_double(ours), in_json(ours), url(ours), *docker_answers(ours)["/info"]["Labels"]]
    theirs = [
        f"password={in_double(secret)}",
        f"--token {in_double(secret)}",
        *(address.replace("{}", url(secret)) for address in ADDRESSES),
    ]
    result = {
        "msg": "\n".join(words + theirs), "stdout": ours, "rc": 1,
        "module_stderr": f'Traceback (most recent call last):\n  File "x.py", line 1, in f\n    int(text)\nKeyError: {secret!r}\n',
        "content": secret, "invocation": {"module_args": {"text": secret}},
    }  # fmt: skip
    for kind in ("runner_on_ok", "runner_on_failed", "runner_on_unreachable", "runner_item_on_failed"):
        event = {
            "event": kind,
            "stdout": f"fatal: [w1]: FAILED! => {json.dumps(result)}",
            "event_data": {"res": result},
        }
        logging.getLogger(debug_log.ANSIBLE).debug("%s", runner.printed(event))
    logging.getLogger(debug_log.ANSIBLE).debug(
        "%s", runner.printed({"event": "verbose", "stdout": f"<w1> SSH: {words}"})
    )
    log = logging.getLogger("migrator.test")
    log.debug("%s was observed: %r", observation.host, observation)
    log.debug("it cannot be read: %s", words)
    for error in (KeyError(ours), ValueError(words)):
        try:
            fails(error)
        except (KeyError, ValueError):
            log.debug("it cannot be read", exc_info=True)
    try:
        NodeFacts.model_validate({"hostname": [secret]})
    except ValidationError:
        log.debug("it does not fit", exc_info=True)


def printed(
    observation: Observation, cluster: ClusterFacts, folder: Path, secret: str, capsys: pytest.CaptureFixture[str]
) -> str:
    """Do with an observation all that writes or prints something of it; give every word of that."""
    plan = observe.plan_all([observation], cluster, ())
    fact_store.save(folder / "saved", [observation], cluster)
    plan_command.write(folder / "plan.json", plan)
    for form in PlanOutput:
        plan_command.show(plan, form)
    kept = RunLog(folder / "runs", plan, "20260101-000000-1")
    kept.around(cluster)
    kept.facts([observation])
    try:
        plan_command.refuse(plan)
    except MigratorError as error:
        print(error)  # noqa: T201 - as the command line does
        kept.event(Event(node="worker-1", step="plan", kind="failed", message=str(error)))
    logged(secret, observation)
    kept.close()
    again = observe.plan_all(fact_store.observations(folder / "saved", runtimes=targets()), cluster, ())
    assert again == plan, "what was recorded gives the same plan"
    out = capsys.readouterr()
    return "\n".join([out.out, out.err, *(path.read_text() for path in folder.rglob("*") if path.is_file())])


@needs_root
@pytest.mark.parametrize("turn", [0, 1])
@pytest.mark.parametrize("secret", SECRETS.values(), ids=SECRETS)
def test_no_host_gives_its_secrets_away(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, secret: str, turn: int
) -> None:
    """Neither what is recorded, planned, written nor printed has one in it, also where a file cannot be parsed."""
    monkeypatch.setattr(Handler, "answers", docker_answers(marks(secret)))
    facts = inspected(marks(secret), turn)
    cluster = ClusterFacts(nodes=(values.node(),), pods=(values.pod("web"),))
    healthy = values.facts(
        files=dict(facts.files)
        | {path: values.facts().file(path) for path in (values.KUBELET_UNIT, values.KUBELET_DROP_IN)}
    )
    assert facts.docker is not None
    assert {path for path in contents("x", turn) if not facts.file(path).exists} == set()

    for name, seen in {"as it is": facts, "else healthy": healthy}.items():
        observation = Observation(host="worker-1", target=HostSettings(), facts=seen)
        (tmp_path / name).mkdir()
        text = printed(observation, cluster, tmp_path / name, marks(secret), capsys)
        assert "worker-1" in text
        assert {path.name for path in (tmp_path / name).rglob("*.log")} >= LOGGED
        assert not told(text), name


@needs_root
def test_what_goes_wrong_is_told_without_the_text_that_it_went_wrong_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """Errors of Python quote what they could not read."""
    secret = marks("a")

    def fails(*_: object) -> None:
        int(secret)

    monkeypatch.setattr(Handler, "answers", {"/info": {"Runtimes": {"a": secret}}})
    monkeypatch.setattr(node_facts.network, "cni_fact", fails)
    monkeypatch.setattr(node_facts.history, "leftovers", lambda *_: {}[secret])
    monkeypatch.setattr(node_facts.host, "identity", lambda *_: (_ for _ in ()).throw(OSError(5, secret)))
    with tempfile.TemporaryDirectory() as folder:
        document = node_facts.facts(Tree(folder))

    assert [problem.partition(" could")[0] for problem in document["problems"]] == [
        "the host's addresses",
        "leftovers",
        "CNI",
    ]
    assert "ValueError in test_secrets_planted.py, line" in document["problems"][2]
