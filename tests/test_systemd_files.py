"""Drop-ins for systemd services."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from migrator.nodeconf import systemd
from migrator.nodeconf.settings import Proxy

NONE = Proxy()


def lines(proxy: Proxy = NONE, **limits: str) -> list[str]:
    """Give the lines of a drop-in below its header."""
    file = systemd.drop_in("crio.service", proxy=proxy, limits=limits)
    assert file is not None
    comment, section, *rest = file.content.split("\n")
    assert (comment[0], section, rest.pop()) == ("#", "[Service]", "")
    return rest


def test_the_whole_file() -> None:
    """Variables come first, then limits by name."""
    proxy = Proxy(http="http://proxy:3128", https="http://proxy:3129", no="10.0.0.0/8,.cluster.local")

    file = systemd.drop_in("containerd.service", proxy=proxy, limits={"nofile": "1024:1048576", "core": "0:-1"})

    assert file is not None
    assert (file.path, file.mode) == ("/etc/systemd/system/containerd.service.d/zz-migrator.conf", "0644")
    assert file.content.endswith(
        "[Service]\n"
        'Environment="HTTP_PROXY=http://proxy:3128"\n'
        'Environment="HTTPS_PROXY=http://proxy:3129"\n'
        'Environment="NO_PROXY=10.0.0.0/8,.cluster.local"\n'
        "LimitCORE=0:infinity\n"
        "LimitNOFILE=1024:1048576\n"
    )


def test_nothing_to_say() -> None:
    """Without a proxy and limits there is no file."""
    assert systemd.drop_in("containerd.service", proxy=NONE, limits={}) is None


# case: value, what stands between the quotes; each was given to systemd 252's own parser
QUOTED = {
    "percent": ("http://a:p%20w@b", "http://a:p%%20w@b"),
    "double quote": ('q"x', 'q\\"x'),
    "single quote": ("q'x", "q'x"),
    "backslash": ("back\\slash\\n", "back\\\\slash\\\\n"),
    "backslash at the end": ("end\\", "end\\\\"),
    "command and variable": ("$(id) ${HOME} $HOME", "$(id) ${HOME} $HOME"),
    "template": ("{{ x }}{% y %}", "{{ x }}{%% y %%}"),
    "comment": ("é ; #c", "é ; #c"),
    "path that climbs": ("../x", "../x"),
}


@pytest.mark.parametrize(("value", "quoted"), QUOTED.values(), ids=QUOTED)
def test_a_value_is_quoted(value: str, quoted: str) -> None:
    """Systemd reads back exactly the value that was given."""
    assert lines(Proxy(no=value)) == [f'Environment="NO_PROXY={quoted}"']


@given(st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"]), min_size=1))
def test_any_value_is_one_assignment(value: str) -> None:
    """Undoing what systemd undoes (%, then backslashes) gives the value, on one line."""
    (line,) = lines(Proxy(http=value))
    match = re.fullmatch(r'Environment="HTTP_PROXY=((?:[^"\\]|\\.)*)"', line)

    assert match is not None
    assert re.sub(r"\\(.)", r"\1", match[1]).replace("%%", "%") == value


@pytest.mark.parametrize("value", ["a\nExecStartPre=/bin/x", "a\rb", "a\x00b", "a\tb", "a\x1bb", "a\u2028b", "a\ud800"])
def test_what_is_no_text_is_refused(value: str) -> None:
    """A value that could end its line, or that systemd would drop, is refused."""
    with pytest.raises(ValueError, match="NO_PROXY"):
        systemd.drop_in("crio.service", proxy=Proxy(no=value), limits={})


# case: ulimit, value, line
LIMITS = {
    "soft and hard": ("nofile", "1024:524288", "LimitNOFILE=1024:524288"),
    "the same": ("nofile", "1048576:1048576", "LimitNOFILE=1048576"),
    "one number": ("nproc", "5", "LimitNPROC=5"),
    "no limit": ("memlock", "-1:-1", "LimitMEMLOCK=infinity"),
    "no hard limit": ("core", "0:-1", "LimitCORE=0:infinity"),
    "zero": ("core", "0:0", "LimitCORE=0"),
    "highest": ("as", f"{2**63 - 1}", f"LimitAS={2**63 - 1}"),
}


@pytest.mark.parametrize(("name", "value", "line"), LIMITS.values(), ids=LIMITS)
def test_a_limit(name: str, value: str, line: str) -> None:
    """A limit is one number where one is enough, and infinity is a word."""
    assert lines(**{name: value}) == [line]


@pytest.mark.parametrize("name", sorted(systemd.ULIMITS))
def test_every_ulimit_has_a_setting(name: str) -> None:
    """All of the sixteen ulimits that Linux has are settings of systemd."""
    assert lines(**{name: "1:2"}) == [f"Limit{name.upper()}=1:2"]
    assert len(systemd.ULIMITS) == 16


# case: ulimit, value, a part of the message
BAD_LIMITS = {
    "unknown": ("files", "1:1", "'files' is no ulimit"),
    "capitals": ("NOFILE", "1:1", "'NOFILE' is no ulimit"),
    "another setting": ("nofile=1\nExecStart", "1:1", "is no ulimit"),
    "no number": ("nofile", "many", "nofile is 'many'"),
    "a line break": ("nofile", "1:1\n", "it must be soft:hard"),
    "three": ("nofile", "1:2:3", "it must be soft:hard"),
    "empty": ("nofile", "", "it must be soft:hard"),
    "negative": ("nofile", "-2:-2", "it must be soft:hard"),
    "other digits": ("nofile", "١", "it must be soft:hard"),
    "too high": ("nofile", "9223372036854775808", "the highest number"),
    "soft above hard": ("nofile", "2:1", "above the hard one"),
    "infinite above hard": ("nofile", "-1:1", "above the hard one"),
}


@pytest.mark.parametrize(("name", "value", "message"), BAD_LIMITS.values(), ids=BAD_LIMITS)
def test_what_is_no_limit_is_refused(name: str, value: str, message: str) -> None:
    """A limit that systemd or the kernel would not take is refused."""
    with pytest.raises(ValueError, match=message):
        systemd.drop_in("crio.service", proxy=NONE, limits={name: value})


@pytest.mark.parametrize(
    "unit", ["crio", "../x.service", "a b.service", "x.service\n", "", "x.socket", "{{ x }}.service"]
)
def test_what_is_no_service_is_refused(unit: str) -> None:
    """A name that would lead to another folder is refused."""
    with pytest.raises(ValueError, match="no name of a systemd service"):
        systemd.drop_in(unit, proxy=NONE, limits={"nofile": "1"})


@pytest.mark.parametrize(
    ("url", "secret"),
    [
        ("", False),
        ("http://proxy:3128", False),
        ("http://[fd00::1]:3128", False),
        ("http://me@proxy:3128", True),
        ("http://me:@proxy:3128", True),
        ("http://ghp_token@proxy:3128", True),
        ("ghp_token@proxy:3128", True),
        ("http://@proxy:3128", False),
        ("http://:@proxy:3128", False),
        ("http://me:pw@proxy:3128", True),
        ("me:pw@proxy:3128", True),
        ("http://me:p/w#x?y@proxy:3128", True),
        ("http://me:p@w@proxy:3128", True),
        ("HTTPS://me:pw@proxy", True),
        ("http://:pw@proxy", True),
    ],
)
def test_a_password_is_noticed(url: str, *, secret: bool) -> None:
    """An address with a password is a secret, wherever it stands, and its file is for root only."""
    assert systemd.proxy_secret(Proxy(http=url)) == secret
    assert systemd.proxy_secret(Proxy(https=url)) == secret
    assert not systemd.proxy_secret(Proxy(no=url))
    if url:
        file = systemd.drop_in("crio.service", proxy=Proxy(http=url), limits={})
        assert file is not None
        assert file.mode == ("0600" if secret else "0644")
