"""Docker's effective configuration, read from its file and its command line."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from migrator.runtimes.docker import flags as docker_flags
from migrator.runtimes.docker import options as docker_options
from migrator.runtimes.docker import sizes as docker_sizes
from migrator.runtimes.docker.keys import KEYS

DEBIAN = ["-H", "fd://", "--containerd=/run/containerd/containerd.sock"]
"""What the unit of Debian's docker.io passes."""
BOTH = {"hosts": ["fd://"], "containerd": "/run/containerd/containerd.sock"}

# case: daemon.json, command line, what Docker runs with
READS: dict[str, tuple[str, list[str], dict[str, Any]]] = {
    "no file and no flags": ("", [], {}),
    "white space only": (" \n\t\n", [], {}),
    "an empty object": ("{}", [], {}),
    "a byte order mark": ('\ufeff{"debug": true}', [], {"debug": True}),
    "null alone": ("null", [], {}),
    "null is kept, and means the default": ('{"log-opts": null}', [], {"log-opts": None}),
    "Debian's unit": ("", DEBIAN, BOTH),
    "Debian's unit and a file": ('{"live-restore": true}', DEBIAN, {**BOTH, "live-restore": True}),
    "a value as a word of its own": ("", ["--log-level", "warn"], {"log-level": "warn"}),
    "the last of a single value wins": ("", ["--bip=a", "--bip=b"], {"bip": "b"}),
    "a switch": ("", ["--live-restore"], {"live-restore": True}),
    "a switch that is off": ("", ["--live-restore=false", "--icc=0"], {"live-restore": False, "icc": False}),
    "a switch takes no word after it": ("", ["--debug", "--bip=a"], {"debug": True, "bip": "a"}),
    "every short flag": (
        "",
        ["-D", "-G", "docker", "-H", "fd://", "-b", "none", "-l", "info", "-p", "/p", "-s", "overlay2", "-g", "/d"],
        {
            "debug": True,
            "group": "docker",
            "hosts": ["fd://"],
            "bridge": "none",
            "log-level": "info",
            "pidfile": "/p",
            "storage-driver": "overlay2",
            "graph": "/d",
        },
    ),
    "short flags in one word": ("", ["-DHfd://", "-l=info"], {"debug": True, "hosts": ["fd://"], "log-level": "info"}),
    "mirrors in their order": (
        "",
        ["--registry-mirror=https://b", "--registry-mirror", "https://a"],
        {"registry-mirrors": ["https://b", "https://a"]},
    ),
    "insecure registries": ("", ["--insecure-registry=10.0.0.0/8"], {"insecure-registries": ["10.0.0.0/8"]}),
    "options of the log": (
        "",
        ["--log-driver=local", "--log-opt", "max-size=10m", "--log-opt=tag={{.Name}}=x", "--log-opt=compress"],
        {"log-driver": "local", "log-opts": {"max-size": "10m", "tag": "{{.Name}}=x", "compress": ""}},
    ),
    "the cgroup driver": (
        "",
        ["--exec-opt", "native.cgroupdriver=systemd"],
        {"exec-opts": ["native.cgroupdriver=systemd"]},
    ),
    "storage": (
        "",
        ["--storage-driver=overlay2", "--storage-opt=overlay2.size=1G", "--data-root=/d"],
        {"storage-driver": "overlay2", "storage-opts": ["overlay2.size=1G"], "data-root": "/d"},
    ),
    "limits": (
        "",
        ["--default-ulimit", "nofile=1:2", "--default-ulimit=nproc=-1"],
        {
            "default-ulimits": {
                "nofile": {"Name": "nofile", "Soft": 1, "Hard": 2},
                "nproc": {"Name": "nproc", "Soft": -1, "Hard": -1},
            }
        },
    ),
    "runtimes": ("", ["--add-runtime=Crun=/usr/bin/crun"], {"runtimes": {"crun": {"path": "/usr/bin/crun"}}}),
    "runtimes are merged, and the file's count": (
        '{"runtimes": {"a": {"path": "/file"}}}',
        ["--add-runtime=a=/flag", "--add-runtime=b=/b"],
        {"runtimes": {"a": {"path": "/file"}, "b": {"path": "/b"}}},
    ),
    "namespaces of containerd, the flag in the plural": (
        "",
        ["--containerd-namespace=m", "--containerd-plugins-namespace=p"],
        {"containerd-namespace": "m", "containerd-plugin-namespace": "p"},
    ),
    "address pools": (
        "",
        ["--default-address-pool", "base=172.30.0.0/16,size=24"],
        {"default-address-pools": [{"base": "172.30.0.0/16", "size": 24}]},
    ),
    "labels and resolving": (
        "",
        ["--label=a=b", "--dns=1.1.1.1,8.8.8.8", "--dns-opt=ndots:1", "--dns-search=x", "--host-gateway-ip=10.0.0.1"],
        {
            "labels": ["a=b"],
            "dns": ["1.1.1.1", "8.8.8.8"],
            "dns-opts": ["ndots:1"],
            "dns-search": ["x"],
            "host-gateway-ip": "10.0.0.1",
        },
    ),
    "proxies are one key": (
        '{"proxies": {"no-proxy": "localhost"}}',
        ["--http-proxy=http://p:1", "--https-proxy", "http://p:2"],
        {"proxies": {"http-proxy": "http://p:1", "https-proxy": "http://p:2", "no-proxy": "localhost"}},
    ),
    "features": ("", ["--feature=cdi", "--feature=buildkit=false"], {"features": {"cdi": True, "buildkit": False}}),
    "flags of 24 and 29": (
        "",
        ["--default-network-opt=bridge=mtu=9000", "--nri-opts=enable=true,socket-path=/s"],
        {
            "default-network-opts": {"bridge": {"mtu": "9000"}},
            "nri-opts": {"enable": True, "socket-path": "/s"},
        },
    ),
    "numbers": (
        "",
        ["--mtu=1400", "--max-concurrent-downloads", "5"],
        {"mtu": 1400, "max-concurrent-downloads": 5},
    ),
    "flags that are no settings": ("", ["--config-file", "/x.json", "--validate", "-v", "--help"], {}),
    "unknown flags keep their names": (
        "",
        ["--future=1", "--other", "two", "--third", "-D", "-z"],
        {"future": "1", "other": "two", "third": True, "debug": True, "z": True},
    ),
    "unknown keys stay as they are": ('{"a.b": [1, {"c": null}]}', [], {"a.b": [1, {"c": None}]}),
    "hostile text is text": (
        r'{"labels": ["a=\"$(id)\" {{ x }} ../..\n"], "x\"\n": "%s"}',
        [],
        {"labels": ['a="$(id)" {{ x }} ../..\n'], 'x"\n': "%s"},
    ),
}


@pytest.mark.parametrize(("text", "arguments", "options"), READS.values(), ids=READS)
def test_both_places_are_one_configuration(text: str, arguments: list[str], options: dict[str, Any]) -> None:
    """Whatever stands in the file or on the command line is an option under its key in the file."""
    assert docker_options.read(text, arguments) == options


# case: daemon.json, command line, what the message says
REFUSED: dict[str, tuple[str, list[str], str]] = {
    "broken JSON": ('{\n  "a": 1,\n}', [], r"daemon.json, line 3, column 1: .*; repair the JSON"),
    "a comment": ('{"a": 1} // x', [], r"line 1, column 10: Extra data"),
    "a list": ("[]", [], r"daemon.json must be a JSON object, is a list"),
    "a number that is none": ('{"mtu": NaN}', [], r"NaN is no JSON"),
    "a number without end": (f'{{"mtu": {"9" * 5000}}}', [], r"daemon.json: "),
    "a key twice": ('{\n"bip": "a",\n"bip": "b"}', [], r"'bip' twice in one object \(lines 2, 3\)"),
    "a later key twice": ('{\n"mtu": 1,\n"bip": "a",\n"bip": "b"}', [], r"'bip' twice in one object \(lines 3, 4\)"),
    "an inner key twice": ('{"log-opts": {"tag": "a",\n"tag": "b"}}', [], r"'tag' twice .*\(lines 1, 2\)"),
    "too deep for anybody": ("[" * 100_000, [], r"more than 64 objects and lists"),
    "too deep for an option": ('{"x": ' + "[" * 70 + "]" * 70 + "}", [], r"more than 64 objects and lists"),
    "half a character": (r'{"x": "\ud800"}', [], r"half a character"),
    "a list for an object": (
        '{"log-opts": []}',
        [],
        r"daemon.json: log-opts must be an object of strings, is a list",
    ),
    "a number for a string": ('{"log-opts": {"max-file": 3}}', [], r"log-opts.max-file must be a string, is a number"),
    "a string for a switch": ('{"debug": "true"}', [], r"debug must be a boolean, is a string"),
    "a switch for a number": ('{"mtu": true}', [], r"mtu must be a whole number, is a boolean"),
    "a number of too many bits": ('{"mtu": 9223372036854775808}', [], r"mtu is 9223372036854775808: .* 64 bits"),
    "a fraction": ('{"shutdown-timeout": 1.5}', [], r"shutdown-timeout must be a whole number, is a number"),
    "a negative count": ('{"max-concurrent-downloads": -1}', [], r"it must not be negative"),
    "a string for a list": ('{"hosts": "fd://"}', [], r"hosts must be a list of strings, is a string"),
    "a number in a list": ('{"dns": [1]}', [], r"dns\[0\] must be a string, is a number"),
    "an object in features": ('{"features": {"cdi": {}}}', [], r"features.cdi must be a boolean, is an object"),
    "a list of runtimes": ('{"runtimes": {"a": "/a"}}', [], r"runtimes.a must be an object, is a string"),
    "a runtime without a program": ('{"runtimes": {"a": {}}}', [], r"runtimes.a must have either a path or a runtimeT"),
    "a runtime with both": (
        '{"runtimes": {"a": {"path": "/a", "runtimeType": "b"}}}',
        [],
        r"either a path or a runtimeT",
    ),
    "options that are no scalars": (
        '{"runtimes": {"a": {"runtimeType": "t", "options": {"x": []}}}}',
        [],
        r"runtimes.a.options.x must be a string, a number or a boolean, is a list",
    ),
    "an unknown limit": ('{"default-ulimits": {"files": {"Soft": 1, "Hard": 1}}}', [], r"'files' is no limit"),
    "limits the wrong way round": (
        '{"default-ulimits": {"nofile": {"Soft": 2, "Hard": 1}}}',
        [],
        r"soft limit 2 is above the hard limit 1",
    ),
    "no size": ('{"log-opts": {"max-size": "ten"}}', [], r"max-size is 'ten': it must be a size such as 100m"),
    "a size of nothing": ('{"log-opts": {"max-size": "0"}}', [], r"max-size is '0': it must be a size such as 100m"),
    "no files": ('{"log-opts": {"max-file": "0"}}', [], r"max-file is '0'"),
    "no level": ('{"log-level": "loud"}', [], r"log-level is 'loud'"),
    "a port beyond the last": ('{"metrics-addr": "127.0.0.1:65536"}', [], r"metrics-addr is '127.0.0.1:65536'"),
    "the port zero": ('{"metrics-addr": "127.0.0.1:0"}', [], r"metrics-addr is '127.0.0.1:0'"),
    "no address": ('{"metrics-addr": "9323"}', [], r"metrics-addr is '9323'"),
    "a mirror without a scheme": ('{"registry-mirrors": ["mirror:5000"]}', [], r"registry-mirrors has 'mirror:5000'"),
    "the same option in both places": ('{"hosts": ["fd://"]}', DEBIAN, r"hosts stands both in .*: take it out of one"),
    "lists are not merged either": ('{"labels": ["a=b"]}', ["--label=c=d"], r"labels stands both in"),
    "the same proxy in both places": (
        '{"proxies": {"http-proxy": "a"}}',
        ["--http-proxy=b"],
        r"proxies.http-proxy stands both in",
    ),
    "the newer key for an older flag": (
        '{"host-gateway-ips": []}',
        ["--host-gateway-ip=1"],
        r"host-gateway-ips stands",
    ),
    "a word that is no flag": ("", ["daemon"], r"'daemon', which is neither a flag nor"),
    "a flag without its value": ("", ["--log-level"], r"ends with --log-level, which needs a value"),
    "a switch with another value": ("", ["--debug=maybe"], r"--debug of dockerd is 'maybe'"),
    "a number with letters": ("", ["--mtu=big"], r"--mtu of dockerd is 'big': it must be a whole number"),
    "a limit with letters": ("", ["--default-ulimit=nofile=many"], r"'many': it must be a whole number"),
    "a pool without a base": ("", ["--default-address-pool=24"], r"it must be base=network,size=number"),
    "a runtime without a path": ("", ["--add-runtime=crun"], r"it must be name=path"),
    "a value from the command line is checked too": (
        "",
        ["--registry-mirror=x"],
        r"dockerd's command line: registry-m",
    ),
}


@pytest.mark.parametrize(("text", "arguments", "message"), REFUSED.values(), ids=REFUSED)
def test_what_docker_would_refuse_is_refused(text: str, arguments: list[str], message: str) -> None:
    """A configuration that Docker cannot run with is an error that says where it is wrong and what to do."""
    with pytest.raises(ValueError, match=message):
        docker_options.read(text, arguments)


HOSTILE: dict[str, tuple[str, Any]] = {
    "a mirror with a line break": ("registry-mirrors", ["https://m\n[host]"]),
    "a mirror with a quote": ("registry-mirrors", ['https://m"]']),
    "a mirror with a template": ("registry-mirrors", ["https://{{ m }}"]),
    "a mirror with a shell's words": ("registry-mirrors", ["https://m/$(id)"]),
    "a mirror with dots for a host": ("registry-mirrors", ["https://../etc"]),
    "a mirror that climbs": ("registry-mirrors", ["https://m/../../etc"]),
    "a mirror with a query": ("registry-mirrors", ["https://m/?a=b"]),
    "a mirror of another kind": ("registry-mirrors", ["file:///etc"]),
    "a mirror's port out of range": ("registry-mirrors", ["https://m:70000"]),
    "an insecure registry that climbs": ("insecure-registries", ["../../etc"]),
    "an insecure registry with a path": ("insecure-registries", ["m:5000/x"]),
    "an insecure registry with a line break": ("insecure-registries", ["m\n"]),
    "a network that is none": ("insecure-registries", ["10.0.0.0/33"]),
    "a runtime with a slash": ("runtimes", {"../a": {"path": "/a"}}),
    "a runtime with a line break": ("runtimes", {"a\n": {"path": "/a"}}),
    "a runtime with a quote": ("runtimes", {'a"': {"path": "/a"}}),
    "a runtime without a name": ("runtimes", {"": {"path": "/a"}}),
    "a program with a line break": ("runtimes", {"a": {"path": "/a\n"}}),
    "a program that climbs": ("runtimes", {"a": {"path": "/a/../b"}}),
    "a default runtime with a slash": ("default-runtime", "/bin/sh"),
    "a data folder that climbs": ("data-root", "/data/../etc"),
    "a data folder that is not absolute": ("data-root", "data"),
    "a data folder with a line break": ("data-root", "/data\nx"),
    "a profile with a line break": ("seccomp-profile", "/p\n"),
    "a CDI folder that climbs": ("cdi-spec-dirs", ["/a/.."]),
    "a storage option with a line break": ("storage-opts", ["overlay2.size=1\n2"]),
    "a proxy with a line break": ("proxies", {"http-proxy": "http://p\nUser=root"}),
    "an address with a template": ("metrics-addr", "{{ a }}:1"),
}


@pytest.mark.parametrize(("key", "value"), HOSTILE.values(), ids=HOSTILE)
def test_hostile_values_are_refused_by_name(key: str, value: object) -> None:
    """A value that would break out of the file it goes into is refused, and the message names its key."""
    with pytest.raises(ValueError, match=key):
        docker_options.read(json.dumps({key: value}))


def test_a_message_has_no_password() -> None:
    """A mirror that is refused for its credentials is not repeated."""
    with pytest.raises(ValueError, match="a URL with credentials") as caught:
        docker_options.read('{"registry-mirrors": ["https://user:secret@mirror"]}')

    assert "secret" not in str(caught.value)


def test_every_flag_sets_a_known_key() -> None:
    """No flag of dockerd becomes a key that the table of keys does not have."""
    assert {key for key in docker_flags.KEYS.values() if key} <= set(KEYS)


SIZES = {
    "100m": 100_000_000,
    "500k": 500_000,
    "1g": 10**9,
    "10mb": 10**7,
    "10MiB": 10**7,
    "1.5m": 1_500_000,
    "4096": 4096,
    "12b": 12,
    "1 m": 10**6,
    "2t": 2 * 10**12,
    "1p": 10**15,
    "9223p": 9223 * 10**15,
    "9224p": -1,
    ".5k": 500,
    "-1": -1,
    "m": -1,
    "1mm": -1,
    "": -1,
    "9" * 400: -1,
}


@pytest.mark.parametrize(("size", "expected"), SIZES.items(), ids=[key[:9] or "empty" for key in SIZES])
def test_sizes_are_decimal(size: str, expected: int) -> None:
    """A size of a log is what docker/go-units makes of it: decimal, whatever its unit is called."""
    assert docker_sizes.human(size) == expected


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.text(max_size=8) | st.floats(allow_nan=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(sorted(KEYS)) | st.text(max_size=12), JSON, max_size=5))
def test_reading_gives_the_file_or_says_why_not(document: dict[str, Any]) -> None:
    """Any JSON object is read as it stands or refused with a message; nothing else is raised."""
    message = ""
    try:
        options = docker_options.read(json.dumps(document))
    except ValueError as error:
        message, options = str(error), document

    assert options == document
    assert not message or message.startswith("/etc/docker/daemon.json")


@given(st.text(max_size=40), st.lists(st.text(max_size=12), max_size=4))
def test_any_text_is_read_or_refused(text: str, arguments: list[str]) -> None:
    """Neither a file nor a command line of any text ends in anything but options or a `ValueError`."""
    try:
        options = docker_options.read(text, arguments)
    except ValueError:
        return
    assert all(isinstance(key, str) for key in options)
