"""registries.conf, certificates and policy for CRI-O."""

import tomllib
from typing import Any

import pytest

from migrator.nodeconf.settings import Endpoint, Registry, Written
from migrator.runtimes.crio import registries_conf

HUB = Endpoint(url="https://registry-1.docker.io")


def hub(*mirrors: Endpoint) -> Registry:
    """Give docker.io with mirrors."""
    return Registry(name="docker.io", server=HUB, mirrors=mirrors)


def own(**server: Any) -> Registry:
    """Give a registry of one's own."""
    return Registry(
        name="reg.example:5000", server=Endpoint.model_validate({"url": "https://reg.example:5000", **server})
    )


def tables(*registries: Registry) -> list[dict[str, Any]]:
    """Give the tables `registry` that are written for registries."""
    (file,) = registries_conf.write(registries)
    found: list[dict[str, Any]] = tomllib.loads(file.content).get("registry", [])
    return found


def copies(*registries: Registry, folder: str = "/etc/containers/certs.d") -> dict[str, tuple[str, str]]:
    """Give source and mode of each copy, by its path below the folder."""
    files = registries_conf.write(registries, copies_to=folder)[1:]
    assert not any(file.content for file in files)
    return {file.path.removeprefix(f"{folder}/"): (file.copies, file.mode) for file in files}


# case: registry, its table
TABLES: dict[str, tuple[Registry, dict[str, Any]]] = {
    "docker.io alone": (hub(), {"prefix": "docker.io", "location": "docker.io"}),
    "mirrors in their order": (
        hub(Endpoint(url="https://b.example"), Endpoint(url="https://a.example:443")),
        {
            "prefix": "docker.io",
            "location": "docker.io",
            "mirror": [{"location": "b.example"}, {"location": "a.example:443"}],
        },
    ),
    "a mirror without TLS": (
        hub(Endpoint(url="http://m.example:5000")),
        {
            "prefix": "docker.io",
            "location": "docker.io",
            "mirror": [{"location": "m.example:5000", "insecure": True}],
        },
    ),
    "a mirror that nobody checks": (
        hub(Endpoint(url="https://m.example", skip_verify=True)),
        {"prefix": "docker.io", "location": "docker.io", "mirror": [{"location": "m.example", "insecure": True}]},
    ),
    "a mirror inside a registry": (
        hub(Endpoint(url="https://m.example/v2/hub")),
        {"prefix": "docker.io", "location": "docker.io", "mirror": [{"location": "m.example/hub"}]},
    ),
    "a mirror with the usual path": (
        hub(Endpoint(url="https://m.example/v2")),
        {"prefix": "docker.io", "location": "docker.io", "mirror": [{"location": "m.example"}]},
    ),
    "a registry with TLS": (own(), {"prefix": "reg.example:5000", "location": "reg.example:5000"}),
    "a registry without TLS": (
        own(url="http://reg.example:5000"),
        {"prefix": "reg.example:5000", "location": "reg.example:5000", "insecure": True},
    ),
    "a registry that nobody checks": (
        own(skip_verify=True),
        {"prefix": "reg.example:5000", "location": "reg.example:5000", "insecure": True},
    ),
    "a registry that may have no TLS": (
        own(fallback_http=True),
        {"prefix": "reg.example:5000", "location": "reg.example:5000", "insecure": True},
    ),
    "a registry that is elsewhere": (
        own(url="https://new.example"),
        {"prefix": "reg.example:5000", "location": "new.example"},
    ),
    "an address": (
        Registry(name="[fd00::1]:5000", server=Endpoint(url="https://[fd00::1]:5000")),
        {"prefix": "[fd00::1]:5000", "location": "[fd00::1]:5000"},
    ),
}  # fmt: skip


@pytest.mark.parametrize(("registry", "table"), TABLES.values(), ids=TABLES)
def test_a_registry_is_one_table(registry: Registry, table: dict[str, Any]) -> None:
    """Each registry is one table, without schemes, with its mirrors in their order."""
    assert tables(registry) == [table]


def test_short_names_go_to_docker_io() -> None:
    """A name without a registry means what it meant to Docker, also where no registry was configured."""
    (file,) = registries_conf.write(())

    assert file.path == "/etc/containers/registries.conf.d/zz-migrator.conf"
    assert tomllib.loads(file.content) == {"unqualified-search-registries": ["docker.io"]}


def test_registries_keep_their_order() -> None:
    """Every registry is there, in the order given."""
    assert [table["prefix"] for table in tables(own(), hub())] == ["reg.example:5000", "docker.io"]


# case: registry, copies by path
COPIES: dict[str, tuple[Registry, dict[str, tuple[str, str]]]] = {
    "an authority": (
        own(ca=["/etc/docker/certs.d/reg.example:5000/ca.crt"]),
        {"reg.example:5000/ca.crt": ("/etc/docker/certs.d/reg.example:5000/ca.crt", "0644")},
    ),
    "an authority that is called otherwise": (own(ca=["/pki/root.pem"]), {"reg.example:5000/root.crt": ("/pki/root.pem", "0644")}),
    "two of one name": (
        own(ca=["/a/ca.crt", "/b/ca.pem"]),
        {"reg.example:5000/ca.crt": ("/a/ca.crt", "0644"), "reg.example:5000/ca-1.crt": ("/b/ca.pem", "0644")},
    ),
    "the same twice": (own(ca=["/a/ca.crt", "/a/ca.crt"]), {"reg.example:5000/ca.crt": ("/a/ca.crt", "0644")}),
    "a client and its key": (
        own(clients=[("/a/client.cert", "/a/client.key")]),
        {
            "reg.example:5000/client.cert": ("/a/client.cert", "0644"),
            "reg.example:5000/client.key": ("/a/client.key", "0600"),
        },
    ),
    "a client's key takes the certificate's name": (
        own(clients=[("/a/tls.pem", "/a/tls-key.pem")]),
        {"reg.example:5000/tls.cert": ("/a/tls.pem", "0644"), "reg.example:5000/tls.key": ("/a/tls-key.pem", "0600")},
    ),
    "two clients of one name": (
        own(clients=[("/a/c.cert", "/a/c.key"), ("/a/c.cert", "/b/c.key")]),
        {
            "reg.example:5000/c.cert": ("/a/c.cert", "0644"),
            "reg.example:5000/c.key": ("/a/c.key", "0600"),
            "reg.example:5000/c-1.cert": ("/a/c.cert", "0644"),
            "reg.example:5000/c-1.key": ("/b/c.key", "0600"),
        },
    ),
    "a mirror has its own folder": (
        hub(Endpoint(url="https://m.example:8443/v2/hub", ca=("/a/ca.crt",))),
        {"m.example:8443/ca.crt": ("/a/ca.crt", "0644")},
    ),
    "docker.io is called so": (
        Registry(name="docker.io", server=HUB.model_copy(update={"ca": ("/a/ca.crt",)})),
        {"docker.io/ca.crt": ("/a/ca.crt", "0644")},
    ),
    "one that is there already": (own(ca=["/etc/containers/certs.d/reg.example:5000/ca.crt"]), {}),
}  # fmt: skip


@pytest.mark.parametrize(("registry", "expected"), COPIES.values(), ids=COPIES)
def test_certificates_are_copied(registry: Registry, expected: dict[str, tuple[str, str]]) -> None:
    """Every certificate gets the name by which it is found for that host, and keys are for root only."""
    assert copies(registry) == expected


def test_certificates_go_where_they_are_wanted() -> None:
    """The folder of certificates can be another one."""
    assert copies(own(ca=["/a/ca.crt"]), folder="/x") == {"reg.example:5000/ca.crt": ("/a/ca.crt", "0644")}


# case: registry, a part of the message
REFUSED: dict[str, tuple[Registry, str]] = {
    "a network": (Registry(name="10.0.0.0/8", server=HUB), "'10.0.0.0/8' is not a host"),
    "every registry": (Registry(name="_default", server=HUB), "'_default' is not a host"),
    "no registry": (Registry(name="", server=HUB), "'' is not a host"),
    "a name that climbs": (Registry(name="../../etc", server=HUB), "is not a host"),
    "a name with a table in it": (Registry(name='x"\n[[registry]]\nprefix = "y', server=HUB), "is not a host"),
    "no scheme": (hub(Endpoint(url="m.example")), "'m.example' for docker.io is not http://"),
    "another scheme": (hub(Endpoint(url="file:///etc")), "is not http://"),
    "a host that climbs": (hub(Endpoint(url="https://..")), "is not http://"),
    "a query": (hub(Endpoint(url="https://m.example?x=1")), "is not http://"),
    "a host with a quote": (hub(Endpoint(url='https://m"x')), "is not http://"),
    "no URL": (hub(Endpoint(url="https://[::1")), "for docker.io is no URL"),
    "a path before /v2/": (hub(Endpoint(url="https://m.example/hub")), "has a path that Docker puts before /v2/"),
    "a path that climbs": (hub(Endpoint(url="https://m.example/v2/../x")), "has a path that no repository can have"),
    "an authority that climbs": (own(ca=["/a/../b.crt"]), "is not an absolute path"),
    "an authority somewhere": (own(ca=["ca.crt"]), "is not an absolute path"),
    "a client with a line break": (own(clients=[("/a/c.cert", "/a/c\n.key")]), "is not an absolute path"),
    "$( )": (Registry(name="$(id)", server=HUB), "is not a host"),
    "{{ }}": (Registry(name="{{ x }}", server=HUB), "is not a host"),
    "%": (hub(Endpoint(url="https://m%2e.example")), "is not http://"),
}


@pytest.mark.parametrize(("registry", "message"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_said_is_refused(registry: Registry, message: str) -> None:
    """What CRI-O cannot be told, or what would reach beyond its place, is refused."""
    with pytest.raises(ValueError, match=message):
        registries_conf.write((registry,))


def test_a_password_is_not_repeated() -> None:
    """An address with credentials is refused without showing them."""
    with pytest.raises(ValueError, match="has credentials in it") as refused:
        registries_conf.write((hub(Endpoint(url="https://me:secret@m.example")),))

    assert "secret" not in str(refused.value)


@pytest.mark.parametrize("name", ["docker.io", "index.docker.io"])
def test_a_registry_comes_once(name: str) -> None:
    """Of two tables for one registry the second would not count, so that there are no two."""
    with pytest.raises(ValueError, match="docker.io is described twice"):
        registries_conf.write((hub(), Registry(name=name, server=HUB)))


def test_a_policy_only_where_there_is_none() -> None:
    """Every image is accepted, unless somebody decided otherwise."""
    assert registries_conf.policy('{"default": [{"type": "reject"}]}') is None
    assert registries_conf.policy("\n") == Written(
        path="/etc/containers/policy.json", content='{\n  "default": [{"type": "insecureAcceptAnything"}]\n}\n'
    )
