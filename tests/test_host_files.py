"""The small files of a host, and templates."""

import tomllib

import jinja2
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from migrator.nodeconf import host_files
from migrator.nodeconf.settings import RuntimeSettings

ENDPOINT = "unix:///run/containerd/containerd.sock"
PLAIN = f"""\
# Written by migrator: where crictl finds this node's container runtime.
runtime-endpoint: "{ENDPOINT}"
image-endpoint: "{ENDPOINT}"
"""
RIGHT = f"# mine\nimage-endpoint: {ENDPOINT}\nruntime-endpoint: {ENDPOINT}\ntimeout: 10\n"

# case: present text, new text
CRICTL = {
    "none": ("", PLAIN),
    "only a comment": ("# nothing yet\n", PLAIN),
    "nothing but the old socket": ("runtime-endpoint: unix:///var/run/dockershim.sock\n", PLAIN),
    "right already": (RIGHT, RIGHT),
    "other keys and comments stay where they are": (
        "# mine\nruntime-endpoint: unix:///var/run/dockershim.sock # old\ntimeout: 10 # seconds\ndebug: true\n",
        f'# mine\nruntime-endpoint: "{ENDPOINT}"\ntimeout: 10 # seconds\ndebug: true\nimage-endpoint: "{ENDPOINT}"\n',
    ),
    "no line break at the end": (
        "debug: true",
        f'debug: true\nruntime-endpoint: "{ENDPOINT}"\nimage-endpoint: "{ENDPOINT}"\n',
    ),
    "on one line": ("{runtime-endpoint: 'unix:///old', timeout: 10}", PLAIN + "timeout: 10\n"),
    "over two lines": ("runtime-endpoint:\n  unix:///old\ntimeout: 10\n", PLAIN + "timeout: 10\n"),
    "a value that looks like a template": (
        "pull-image-on-create: '{{ x }}'\n",
        f'pull-image-on-create: \'{{{{ x }}}}\'\nruntime-endpoint: "{ENDPOINT}"\nimage-endpoint: "{ENDPOINT}"\n',
    ),
}


@pytest.mark.parametrize(("existing", "expected"), CRICTL.values(), ids=CRICTL)
def test_crictl_finds_the_runtime(existing: str, expected: str) -> None:
    """Both endpoints are the new ones, what else the user wrote stays, and what is right is not touched."""
    file = host_files.crictl(ENDPOINT, existing)

    assert (file.path, file.mode) == ("/etc/crictl.yaml", "0644")
    assert file.content == expected
    assert host_files.crictl(ENDPOINT, file.content) == file


@pytest.mark.parametrize(
    ("existing", "message"),
    [
        ("timeout: [", "/etc/crictl.yaml is not YAML"),
        ("- a\n", "/etc/crictl.yaml is not a YAML mapping"),
        ("!!python/object/apply:os.getcwd []", "/etc/crictl.yaml is not YAML"),
        ("timeout: 2020-99-99", "/etc/crictl.yaml is not YAML"),
    ],
    ids=["broken", "a list", "an object", "a date that is none"],
)
def test_a_broken_crictl_file_is_refused(existing: str, message: str) -> None:
    """A file that crictl could not read either is not replaced in silence."""
    with pytest.raises(ValueError, match=message):
        host_files.crictl(ENDPOINT, existing)


@pytest.mark.parametrize(
    "endpoint",
    ["", "/run/x.sock", "unix://", "tcp://h:1", 'unix:///a"\ndebug: true', "unix:///{{ x }}", "unix:///$(id)"],
)
def test_a_bad_endpoint_is_refused(endpoint: str) -> None:
    """An endpoint that is not the path of a socket is refused."""
    with pytest.raises(ValueError, match="no address of a runtime"):
        host_files.crictl(endpoint, "")


@given(st.text())
def test_any_text_is_kept_or_refused(text: str) -> None:
    """Whatever crictl's file says, the result has our endpoints and every other key, or it is refused."""
    try:
        before = yaml.safe_load(text)
        content = host_files.crictl(ENDPOINT, text).content
    except (ValueError, yaml.YAMLError):
        return

    expected = {**(before or {}), "runtime-endpoint": ENDPOINT, "image-endpoint": ENDPOINT}
    assert yaml.safe_load(content) == expected


def test_modules() -> None:
    """Docker's modules are loaded at boot, in their order."""
    file = host_files.modules()

    assert file.path == "/etc/modules-load.d/migrator.conf"
    assert file.content.splitlines()[1:] == ["overlay", "br_netfilter"]
    assert host_files.modules(["x-y"]).content.splitlines()[1:] == ["x-y"]


@pytest.mark.parametrize("name", ["", "a b", "a\nb", "../a", "a.ko", "$(id)", "{{ x }}", "%h", "#a"])
def test_a_bad_module_is_refused(name: str) -> None:
    """What no module can be called is refused."""
    with pytest.raises(ValueError, match="no name of a kernel module"):
        host_files.modules([name])


@pytest.mark.parametrize(
    ("forwarding", "expected"),
    [
        ((), ["net.bridge.bridge-nf-call-iptables = 1"]),
        (
            ("net.ipv6.conf.all.forwarding", "net.ipv4.conf.eth0/100.forwarding"),
            [
                "net.bridge.bridge-nf-call-iptables = 1",
                "net.ipv4.conf.eth0/100.forwarding = 1",
                "net.ipv6.conf.all.forwarding = 1",
            ],
        ),
        (
            ("net.ipv4.ip_forward", "net.ipv4.ip_forward"),
            ["net.bridge.bridge-nf-call-iptables = 1", "net.ipv4.ip_forward = 1"],
        ),
    ],
    ids=["plain", "more", "said twice"],
)
def test_sysctls(forwarding: tuple[str, ...], expected: list[str]) -> None:
    """What Docker turned on is turned on at boot, once each, sorted."""
    file = host_files.sysctl(RuntimeSettings(cgroup_driver="systemd", forwarding=forwarding))

    assert file.path == "/etc/sysctl.d/zz-migrator.conf"
    assert file.content.splitlines()[1:] == expected


@pytest.mark.parametrize(
    "name", ["", "kernel", "-net.a", "net.*", "net..a", "net/../a", "net.a = 1\nb", "$(id).a", "{{ x }}.a", "a.%h"]
)
def test_a_bad_sysctl_is_refused(name: str) -> None:
    """What no sysctl can be called is refused."""
    with pytest.raises(ValueError, match="no name of a sysctl"):
        host_files.sysctl(RuntimeSettings(cgroup_driver="systemd", forwarding=(name,)))


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_any_text_is_a_string_of_toml(text: str) -> None:
    """A string comes out of TOML as it went in."""
    assert tomllib.loads(f"x = {host_files.toml(text)}\ny = {host_files.toml([text, 'z'])}") == {
        "x": text,
        "y": [text, "z"],
    }


@pytest.mark.parametrize(
    ("value", "expected"), [(True, "true"), (False, "false"), (-1, "-1"), ([], "[]"), ("é", '"é"')]
)
def test_values_of_toml(value: str | float | list[str], expected: str) -> None:
    """Values are written in TOML's words."""
    assert host_files.toml(value) == expected


def test_what_is_no_text_is_refused() -> None:
    """Half a character is nothing that a file could hold."""
    with pytest.raises(ValueError, match="is not Unicode text"):
        host_files.toml("\ud800")


def test_a_template_has_all_its_values() -> None:
    """A value that is not given is a bug, never an empty place in a file; one that is given is never a template."""
    with pytest.raises(jinja2.UndefinedError):
        host_files.render("crictl.yaml.j2")
    assert '"{{ x }}"' in host_files.render("crictl.yaml.j2", endpoint="{{ x }}")
