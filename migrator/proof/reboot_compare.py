"""What a reboot changed on a host: settings that lived only in the running kernel show here, and nowhere earlier."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from migrator.model.evidence import Difference, HostView

_SYSCTLS = "/proc/sys/"
_COUNTS = re.compile(r"/proc/sys/(kernel/((random|pty)/|ns_last_pid$|hostname$)|fs/(file|inode|dentry)-|.*_count$)")
"""Files below /proc/sys that count or draw lots (proc_sys_fs(5)), and the hostname, which is compared by itself."""
_SIZED = re.compile(
    r"user/max_.*|fs/inotify/max_user_watches|kernel/(threads-max|pid_max)|net/netfilter/nf_conntrack_max"
)
"""Limits that the kernel works out at boot from the memory and processors that it finds (kernel/fork.c,
fs/notify/inotify/inotify_user.c, kernel/pid.c), and the one of connections, which kube-proxy sets when it starts."""
_ON_DEMAND = re.compile(r"(overlay|veth|vxlan|bridge|nf_.*|nft_.*|xt_.*|x_tables|ip6?_tables|ip6?table_.*|ip_vs.*)")
"""Modules that are loaded when somebody needs them: file systems, links and netfilter's parts by the kernel itself
(aliases fs-…, rtnl-link-…, ipt_…), ip_vs by kube-proxy. Nobody asks for br_netfilter in this way."""

_MODULES = "kubernetes/website#36336: Docker loaded modules and set ip_forward, for the time until the next boot"
_FORWARD = "moby/moby#28257: Docker sets the policy, and it stays until the next boot"
_UNITS = "systemd: what is enabled starts at boot, what merely runs does not"
_OLD_RULE = "what had set it is not started at boot any more"


def changes(before: HostView, after: HostView) -> tuple[Difference, ...]:
    """Compare a host with itself before its reboot.

    What could be read only once is left out, because nothing is known about it. A change that does no harm is
    announced; each other one means that the node lives on settings that do not survive.
    """
    return (
        *_services(before.services, after.services),
        *_modules(before.modules, after.modules),
        *_sysctls(before.raw.files, after.raw.files),
        *_policy(before.forward_policy, after.forward_policy),
        *_names(before, after),
    )


def _services(before: Mapping[str, str], after: Mapping[str, str]) -> Iterator[Difference]:
    for name in sorted(set(before) & set(after)):
        # A service that failed long ago is "inactive" after a boot: it does not run either time.
        announced = "it runs neither way" if _state(before[name]) == _state(after[name]) else ""
        yield from _compared(f"service {name}", before[name], after[name], announced, source=_UNITS)


def _state(said: str) -> tuple[bool, str]:
    """Read "active/enabled": whether a service runs, and what happens at boot."""
    active, _, enabled = said.partition("/")
    return active == "active", enabled


def _modules(before: tuple[str, ...], after: tuple[str, ...]) -> Iterator[Difference]:
    if not (before and after):
        return
    for name in sorted(set(before) - set(after)):
        announced = "it is loaded when it is first needed" if _ON_DEMAND.fullmatch(name) else ""
        yield from _compared(f"module {name}", "loaded", "not loaded", announced, source=_MODULES)
    for name in sorted(set(after) - set(before)):
        yield from _compared(f"module {name}", "not loaded", "loaded", "one more does no harm")


def _sysctls(before: Mapping[str, str], after: Mapping[str, str]) -> Iterator[Difference]:
    """Compare what both times could be read; a switch that vanished went with its module, which is told above."""
    for path in sorted(set(before) & set(after)):
        if path.startswith(_SYSCTLS) and not _COUNTS.match(path):
            name = path.removeprefix(_SYSCTLS)
            announced = "the kernel or kube-proxy works it out anew" if _SIZED.fullmatch(name) else ""
            was, now = before[path].strip(), after[path].strip()
            yield from _compared(f"sysctl {name.replace('/', '.')}", was, now, announced, source=_MODULES)


def _policy(before: str, after: str) -> Iterator[Difference]:
    if before and after:
        announced = _OLD_RULE if after == "ACCEPT" else ""
        yield from _compared("FORWARD policy", before, after, announced, source=_FORWARD)


def _names(before: HostView, after: HostView) -> Iterator[Difference]:
    if before.hostname and after.hostname:
        yield from _compared("hostname", before.hostname, after.hostname)
    was, now = (view.raw.names.get("release", "") for view in (before, after))
    if was and now:
        yield from _compared("kernel", was, now, "another one was installed since the last boot")


def _compared(what: str, before: str, after: str, announced: str = "", source: str = "") -> Iterator[Difference]:
    if before != after:
        yield Difference(what=what, before=before, after=after, announced=announced, source=source)
