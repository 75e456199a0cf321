"""hosts.toml: what containerd is told about each registry, and the certificates beside it."""

import tomllib
from typing import Any

import pytest

from migrator.nodeconf.settings import Endpoint, Registry
from migrator.runtimes.containerd import hosts_toml

HUB = Endpoint(url="https://registry-1.docker.io")
FOLDER = "/etc/containerd/certs.d"
PULL = ["pull", "resolve"]
CERTS = "/etc/docker/certs.d/r.example"


def write(registry: Registry, version: tuple[int, ...] = (1, 6)) -> dict[str, Any]:
    """Write one registry and give its hosts.toml as containerd reads it, hosts as a list in their order."""
    written = hosts_toml.write((registry,), FOLDER, version)[0]
    assert written.path == f"{FOLDER}/{registry.name.replace('*', '_default')}/hosts.toml"
    document = tomllib.loads(written.content)
    return {**document, "host": list(document["host"].items())}


def registry(server: Endpoint, *mirrors: Endpoint) -> Registry:
    """Give a registry called after its server."""
    return Registry(name=server.url.partition("://")[2].partition("/")[0], server=server, mirrors=mirrors)


def plain(url: str, **more: Any) -> tuple[str, dict[str, Any]]:
    """Give a host's table as it must be written."""
    return url, {"capabilities": PULL, **more}


R = "https://r.example:5000"
FALLBACK = Endpoint(url=R, fallback_http=True, skip_verify=True)
CASES = {
    "mirrors in order, the server last": (
        Registry(name="docker.io", server=HUB, mirrors=(Endpoint(url="https://b"), Endpoint(url="http://a:1"))),
        (1, 6),
        {"server": HUB.url, "host": [plain("https://b"), plain("http://a:1")]},
    ),
    "a table is there without a mirror too: getSortedHosts v1.5.18 to v1.7.31": (
        registry(Endpoint(url=R, skip_verify=True)),
        (1, 5),
        {"server": R, "skip_verify": True, "host": [plain(R, skip_verify=True)]},
    ),
    "plain HTTP": (
        registry(Endpoint(url="http://r.example:5000")),
        (1, 6),
        {"server": "http://r.example:5000", "host": [plain("http://r.example:5000")]},
    ),
    "containerd adds /v2 to a path, where Docker asks too: parseHostConfig": (
        registry(HUB, Endpoint(url="https://m.example/hub")),
        (1, 6),
        {"server": HUB.url, "host": [plain("https://m.example/hub")]},
    ),
    "but not to a path that ends in it: parseHostConfig": (
        registry(HUB, Endpoint(url="https://m.example/hub/v2")),
        (1, 6),
        {"server": HUB.url, "host": [plain("https://m.example/hub/v2/v2")]},
    ),
    "the API at the path itself: override_path v1.6.0": (
        registry(HUB, Endpoint(url="https://m.example/v2/proxy", override_path=True)),
        (1, 6),
        {"server": HUB.url, "host": [plain("https://m.example/v2/proxy", override_path=True)]},
    ),
    "the API at a path that ends in /v2 needs no word": (
        registry(HUB, Endpoint(url="https://m.example/proxy/v2", override_path=True)),
        (1, 5),
        {"server": HUB.url, "host": [plain("https://m.example/proxy/v2")]},
    ),
    "HTTP after HTTPS is another host": (
        registry(FALLBACK),
        (1, 5),
        {"server": "http://r.example:5000", "host": [plain(R, skip_verify=True)]},
    ),
    "on every release": (
        registry(FALLBACK),
        (2, 3),
        {"server": "http://r.example:5000", "host": [plain(R, skip_verify=True)]},
    ),
    "a mirror of unknown protocol": (
        registry(HUB, FALLBACK),
        (1, 6),
        {"server": HUB.url, "host": [plain(R, skip_verify=True), plain("http://r.example:5000")]},
    ),
    "without a port HTTPS and HTTP have different ones": (
        registry(Endpoint(url="https://r.example", fallback_http=True)),
        (2, 1),
        {"server": "http://r.example", "host": [plain("https://r.example", skip_verify=True)]},
    ),
    "port 80 is plain HTTP for containerd": (
        registry(Endpoint(url="https://r.example:80", fallback_http=True)),
        (2, 1),
        {"server": "http://r.example:80", "host": [plain("https://r.example:80", skip_verify=True)]},
    ),
    "all registries: _default v1.6.17": (
        Registry(name="*", server=Endpoint(url=""), mirrors=(Endpoint(url="https://m.example"),)),
        (1, 7),
        {"host": [plain("https://m.example")]},
    ),
    "an IPv6 address": (registry(Endpoint(url="https://[fd00::1]:5000")), (1, 6), {"server": "https://[fd00::1]:5000", "host": [plain("https://[fd00::1]:5000")]}),
    "the same mirror twice is one table": (
        registry(HUB, Endpoint(url="https://m"), Endpoint(url="https://m")),
        (1, 6),
        {"server": HUB.url, "host": [plain("https://m")]},
    ),
}  # fmt: skip


@pytest.mark.parametrize(("given", "version", "expected"), CASES.values(), ids=CASES)
def test_containerd_asks_what_docker_asked(given: Registry, version: tuple[int, ...], expected: dict[str, Any]) -> None:
    """The same addresses in the same order, with the same checks (remotes/docker/config/hosts.go)."""
    assert write(given, version) == expected


def test_certificates_are_copied_beside_the_file() -> None:
    """hosts.toml names copies, since Docker's folder goes with Docker; only root may read a key."""
    server = Endpoint(
        url="https://r.example", ca=(f"{CERTS}/ca.crt",), clients=((f"{CERTS}/me.cert", f"{CERTS}/me.key"),)
    )

    text, *copies = hosts_toml.write((registry(server),), FOLDER, (1, 6))

    document = tomllib.loads(text.content)
    said = {"ca": ["ca.crt"], "client": [["me.cert", "me.key"]]}
    assert document == {
        "server": "https://r.example",
        **said,
        "host": {"https://r.example": {"capabilities": PULL, **said}},
    }
    assert [(copy.path, copy.copies, copy.mode, copy.content) for copy in copies] == [
        (f"{FOLDER}/r.example/ca.crt", f"{CERTS}/ca.crt", "0644", ""),
        (f"{FOLDER}/r.example/me.cert", f"{CERTS}/me.cert", "0644", ""),
        (f"{FOLDER}/r.example/me.key", f"{CERTS}/me.key", "0600", ""),
    ]


def test_files_of_one_name_stay_apart() -> None:
    """Two mirrors with a `ca.crt` each get two files, the same one only once; no certificate takes hosts.toml's place."""
    mirrors = (
        Endpoint(url="https://a", ca=("/a/ca.crt", "/a/hosts.toml")),
        Endpoint(url="https://b", ca=("/b/ca.crt",)),
        Endpoint(url="https://c", ca=("/a/ca.crt",)),
    )

    text, *copies = hosts_toml.write((registry(HUB, *mirrors),), FOLDER, (2, 1))

    hosts = tomllib.loads(text.content)["host"]
    assert [hosts[f"https://{name}"]["ca"] for name in "abc"] == [["ca.crt", "2-hosts.toml"], ["2-ca.crt"], ["ca.crt"]]
    assert [copy.path.rpartition("/")[2] for copy in copies] == ["ca.crt", "2-hosts.toml", "2-ca.crt"]


def test_a_containerd_without_hosts_toml_gets_none() -> None:
    """1.4 has mirrors in config.toml only."""
    assert not hosts_toml.used((1, 4))
    assert hosts_toml.used((1, 5))
    assert hosts_toml.write((registry(HUB),), FOLDER, (1, 4)) == ()


REFUSED = {
    "a name with a path": (Registry(name="../etc", server=HUB), (1, 6), "'../etc' is no registry"),
    "a name that is a path": (Registry(name="a/b", server=HUB), (1, 6), "is no registry"),
    "two dots": (Registry(name="..", server=HUB), (1, 6), "is no registry"),
    "no name": (Registry(name="", server=HUB), (1, 6), "is no registry"),
    "a line's end": (Registry(name="a\n", server=HUB), (1, 6), "is no registry"),
    "no scheme": (registry(HUB, Endpoint(url="m.example")), (1, 6), "no address of a registry"),
    "another scheme": (registry(HUB, Endpoint(url="file:///etc")), (1, 6), "no address of a registry"),
    "a password": (registry(HUB, Endpoint(url="https://u:p@m.example")), (1, 6), "no address of a registry"),
    "a query": (registry(HUB, Endpoint(url="https://m.example?x=1")), (1, 6), "no address of a registry"),
    "the API at a path on 1.5": (
        registry(HUB, Endpoint(url="https://m/v2/p", override_path=True)),
        (1, 5),
        "1.6 and newer",
    ),
    "all registries on 1.5": (Registry(name="*", server=Endpoint(url="")), (1, 5), "1.6.17 or newer"),
    "all registries on an early 1.6": (Registry(name="*", server=Endpoint(url="")), (1, 6, 16), "1.6.17 or newer"),
    "a certificate's odd name": (registry(Endpoint(url="https://r", ca=("/a/.hidden",))), (1, 6), "'/a/.hidden'"),
    "a relative certificate": (registry(Endpoint(url="https://r", ca=("ca.crt",))), (1, 6), "an absolute path"),
}


@pytest.mark.parametrize(("given", "version", "said"), REFUSED.values(), ids=REFUSED)
def test_what_would_leave_the_folder_or_have_no_effect_is_refused(
    given: Registry, version: tuple[int, ...], said: str
) -> None:
    """Names from the outside never become paths elsewhere, and nothing is dropped silently."""
    with pytest.raises(ValueError, match=said):
        hosts_toml.write((given,), FOLDER, version)


@pytest.mark.parametrize("folder", ["certs.d", "/etc/../certs.d"])
def test_the_folder_is_absolute(folder: str) -> None:
    """A relative folder would be relative to nothing that we know."""
    with pytest.raises(ValueError, match="absolute path"):
        hosts_toml.write((), folder, (1, 6))
