"""What a runtime is told by systemd: the proxy for its pulls, and the limits that containers inherit."""

from __future__ import annotations

import re
from collections.abc import Mapping

from migrator.memoize import memoize
from migrator.nodeconf import host_files
from migrator.nodeconf.settings import Proxy, Written, has_user

ULIMITS = frozenset(
    {
        "as", "core", "cpu", "data", "fsize", "locks", "memlock", "msgqueue", "nice", "nofile", "nproc", "rss",
        "rtprio", "rttime", "sigpending", "stack",
    }
)  # fmt: skip
"""Names of ulimits; in capitals and after `Limit` each is a setting of systemd (systemd.exec(5)). Plain numbers
mean the same in both: bytes, seconds for `cpu`, microseconds for `rttime`."""

NAME = "zz-migrator.conf"
"""What our drop-ins are called: systemd reads them in the order of their names, whatever folder they are in, and the
last one has the last word. Whether it is the last one is looked at (`in_force`)."""
_INFINITE = -1
_HIGHEST = 2**63 - 1
_UNIT = re.compile(r"[A-Za-z0-9:_.@-]+\.service", re.ASCII)
_LIMIT = re.compile(r"(-1|\d{1,19})(?::(-1|\d{1,19}))?", re.ASCII)
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


@memoize
def drop_in(unit: str, *, proxy: Proxy, limits: Mapping[str, str]) -> Written | None:
    """Give the drop-in of a service with its proxy and limits; None when there is nothing to say.

    `limits` are "soft:hard" by ulimit name, "-1" for infinity. A file with a password in it is for root only.
    Raises `ValueError` for a unit, a limit or a proxy that systemd could not read.
    """
    if not _UNIT.fullmatch(unit):
        raise ValueError(f"{unit!r} is no name of a systemd service, such as containerd.service")
    variables = {"HTTP_PROXY": proxy.http, "HTTPS_PROXY": proxy.https, "NO_PROXY": proxy.no}
    lines = [f"Environment={_quoted(name, value)}" for name, value in variables.items() if value]
    lines += [f"Limit{name.upper()}={_limit(name, limits[name])}" for name in sorted(limits)]
    if not lines:
        return None
    return Written(
        path=f"/etc/systemd/system/{unit}.d/{NAME}",
        content=host_files.render("drop-in.conf.j2", lines=lines),
        mode="0600" if proxy_secret(proxy) else "0644",
    )


def proxy_secret(proxy: Proxy) -> bool:
    """Tell whether an address of a proxy has a password or a token in it, which a plan must not show."""
    return any(has_user(url) for url in (proxy.http, proxy.https))


def ulimit(name: str, value: str) -> tuple[int, int]:
    """Read a limit as soft and hard; -1 is infinity, and one number is both.

    Raises `ValueError` when it is not a limit, with the name of it.
    """
    if name not in ULIMITS:
        raise ValueError(f"{name!r} is no ulimit; those there are: {', '.join(sorted(ULIMITS))}")
    match = _LIMIT.fullmatch(value)
    if match is None:
        raise ValueError(f"ulimit {name} is {value!r}: it must be soft:hard, two numbers, -1 for no limit")
    soft, hard = int(match[1]), int(match[2] or match[1])
    if max(soft, hard) > _HIGHEST:
        raise ValueError(f"ulimit {name} is {value!r}: the highest number is {_HIGHEST}; -1 stands for no limit")
    if hard != _INFINITE and (soft == _INFINITE or soft > hard):
        raise ValueError(f"ulimit {name} is {value!r}: the soft limit is above the hard one")
    return soft, hard


def _limit(name: str, value: str) -> str:
    """One number where one is enough: systemd 219 (CentOS 7) does not know "soft:hard" yet."""
    soft, hard = ("infinity" if number == _INFINITE else str(number) for number in ulimit(name, value))
    return soft if soft == hard else f"{soft}:{hard}"


def _quoted(name: str, value: str) -> str:
    """Write an assignment so that systemd reads this value: it unquotes, then resolves % (systemd.syntax(7))."""
    if _CONTROL.search(value):
        raise ValueError(f"{name} has a line break or another control character in it, which systemd cannot be given")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise ValueError(f"{name} is not Unicode text, which a systemd unit must be") from error
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return f'"{name}={escaped}"'
