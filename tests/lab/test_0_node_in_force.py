"""What counts where several files say it: our reading beside the node's own systemd, which is asked and has acted."""

from __future__ import annotations

import random
import shlex
from collections.abc import Mapping

import pytest

from migrator.nodeconf import sysctl_d
from migrator.nodeconf.systemd import overrides, requirements
from migrator.nodeconf.systemd.unit import Unit
from tests.lab.nodeside import Node

SEEDS = range(12)
EACH = 10
KEYS = (
    "net.ipv4.conf.lo.forwarding", "net/ipv4/conf/lo/forwarding", "-net.ipv4.conf.lo.forwarding",
    "net.ipv4.conf.*.forwarding", "-net.ipv4.conf.*.forwarding", "net.ipv4.conf.l[op].forwarding", "net.ipv4.*.forwarding",
    "net.ipv4.conf.default.forwarding",
)  # fmt: skip
ASKED = ("net.ipv4.conf.lo.forwarding", "net.ipv4.conf.default.forwarding")
NAMES = (
    "10-a.conf",
    "50-b.conf",
    "99-sysctl.conf",
    "99-z.conf",
    "Z.conf",
    "_.conf",
    "zz-migrator.conf",
    "zzz.conf",
    "60-c",
)
SYSCTLS = sysctl_d.FOLDERS[:4]
UNIT = "in-force.service"
UNITS = (
    f"/etc/systemd/system/{UNIT}.d",
    f"/run/systemd/system/{UNIT}.d",
    f"/usr/lib/systemd/system/{UNIT}.d",
    "/etc/systemd/system/service.d",
)
DROP_INS = ("10-a.conf", "50-b.conf", "override.conf", "http-proxy.conf", "zz-migrator.conf", "zzz.conf", "Z.conf")
VARIABLES = ("HTTP_PROXY", "NO_PROXY", "http_proxy")


def written(files: Mapping[str, str]) -> str:
    """Give the script that writes them."""
    made = (f"mkdir -p $(dirname {path}); printf %s {shlex.quote(text)} > {path}" for path, text in files.items())
    return "\n".join(made)


def some_sysctls(chance: random.Random) -> dict[str, str]:
    """Make files that set a few keys again and again."""
    files = {}
    for _ in range(chance.randint(1, 6)):
        lines = []
        for _ in range(chance.randint(1, 3)):
            key = chance.choice(KEYS)
            bare = key.startswith("-") and chance.random() < 0.5
            value = "" if bare else chance.choice((" = 1", "=0", " =1", "= 0 "))
            lines.append(chance.choice(("", "", "  ", "# ", "; ")) + key + value)
        files[f"{chance.choice(SYSCTLS)}/{chance.choice(NAMES)}"] = "\n".join(lines) + chance.choice(("", "\n", "\n\n"))
    return files


@pytest.mark.parametrize("seed", SEEDS)
def test_sysctls(seed: int, node: Node) -> None:
    """systemd-sysctl sets what we say, and leaves alone what nobody sets; every kind of precedence comes up."""
    chance = random.Random(seed)  # noqa: S311 - no secret
    cases = [some_sysctls(chance) for _ in range(EACH)]
    place = "for d in /etc /run /usr/local/lib /usr/lib; do mkdir -p $d/sysctl.d.kept $d/sysctl.d; mount --bind $d/sysctl.d.kept $d/sysctl.d; done\n"
    script = [place]
    for files in cases:
        for start in (0, 1):
            script += [
                "rm -f /etc/sysctl.d/* /run/sysctl.d/* /usr/local/lib/sysctl.d/* /usr/lib/sysctl.d/*",
                written(files),
                *(f"echo {start} > /proc/sys/{key.replace('.', '/')}" for key in ASKED),
                "/lib/systemd/systemd-sysctl --prefix=/net/ipv4/conf/lo --prefix=/net/ipv4/conf/default 2>/dev/null || true",
                f"cat {' '.join('/proc/sys/' + key.replace('.', '/') for key in ASKED)}",
            ]
    told = node.do(f"unshare --mount sh -eu -c {shlex.quote(chr(10).join(script))}").split()

    for number, files in enumerate(cases):
        known = sysctl_d.assignments(files)
        for start in (0, 1):
            real = told[(2 * number + start) * len(ASKED) :][: len(ASKED)]
            lines = [sysctl_d.in_force(known, key) for key in ASKED]
            assert [str(start) if line is None else line.value for line in lines] == real, files


def some_drop_ins(chance: random.Random) -> dict[str, str]:
    """Make a service whose drop-ins set the same things."""
    files = {f"/etc/systemd/system/{UNIT}": "[Service]\nType=exec\nExecStart=/bin/sleep 1000\nLimitNOFILE=2000\n"}
    for _ in range(chance.randint(1, 5)):
        lines = ["[Service]"]
        for _ in range(chance.randint(1, 4)):
            kind = chance.randint(0, 5)
            if kind == 0:
                lines.append(f"LimitNOFILE={chance.choice(('1000', '3000:4000', '', '5000'))}")
            elif kind == 1:
                lines.append(f"EnvironmentFile=-/etc/default/in-force-{chance.randint(1, 2)}")
            elif kind == 2 and chance.random() < 0.3:
                lines.append(chance.choice(("Environment=", "EnvironmentFile=")))
            else:
                lines.append(f'Environment="{chance.choice(VARIABLES)}=http://{chance.randint(1, 99)}:3128"')
        files[f"{chance.choice(UNITS)}/{chance.choice(DROP_INS)}"] = "\n".join(lines) + "\n"
    for number in (1, 2):
        if chance.random() < 0.5:
            text = f"{chance.choice(VARIABLES)}=http://file-{chance.randint(1, 99)}:3128\n"
            files[f"/etc/default/in-force-{number}"] = text
    return files


@pytest.mark.parametrize("seed", SEEDS)
def test_a_services_drop_ins(seed: int, node: Node) -> None:
    """The process that systemd starts has the limits and the variables that we say, the last drop-in's or a file's."""
    chance = random.Random(seed)  # noqa: S311 - no secret
    for _ in range(EACH):
        files = some_drop_ins(chance)
        told = node.do(
            f"rm -rf {' '.join(UNITS)} /etc/systemd/system/{UNIT} /etc/default/in-force-*\n{written(files)}\n"
            f"systemctl daemon-reload; systemctl restart {UNIT}\n"
            f"systemctl show -p DropInPaths --value {UNIT}\n"
            f"pid=$(systemctl show -p MainPID --value {UNIT})\n"
            "awk '/open files/ {print $4 \":\" $5}' /proc/$pid/limits; tr '\\0' '\\n' < /proc/$pid/environ"
        ).splitlines()  # fmt: skip
        paths, limit, environment = (
            told[0].split(),
            told[1],
            dict(line.split("=", 1) for line in told[2:] if "=" in line),
        )
        main = f"/etc/systemd/system/{UNIT}"
        unit = Unit(
            ((main, files[main]),),
            tuple((f"/etc/default/in-force-{n}", files.get(f"/etc/default/in-force-{n}")) for n in (1, 2)),
        )
        for path in paths:
            unit = unit.replaced(path, files[path])

        assert [path for path, _ in unit.fragments[1:]] == paths, files
        value = overrides.limits(unit).get("LimitNOFILE", ("",))[0]
        if value:
            assert limit == (value if ":" in value else f"{value}:{value}"), files
        ours = {name: text for name, (text, _) in overrides.variables(unit).items()}
        assert ours == {name: environment[name] for name in VARIABLES if name in environment}, files
    node.do(
        f"systemctl stop {UNIT}; rm -rf {' '.join(UNITS)} /etc/systemd/system/{UNIT} /etc/default/in-force-*; systemctl daemon-reload"
    )


DEPENDENCIES = ("Requires", "Requisite", "BindsTo", "PartOf", "Wants", "After")
CONDITIONS = (
    "ConditionPathExists=/absent", "ConditionPathExists=!/absent", "AssertPathExists=/absent", "ConditionFileNotEmpty=",
    "AssertPathExists=",
)  # fmt: skip
COMMANDS = (
    "ExecStartPre=/bin/false /absent", "ExecStartPre=-/bin/false /absent", "ExecStartPost=/bin/false /absent",
    "ExecCondition=/bin/false /absent", "ExecStop=/bin/false /absent", "ExecStartPre=", "ExecStartPost=", "ExecCondition=",
)  # fmt: skip
OTHERS = ("a-of-ours.service", "b-of-ours.service", "c-of-ours.socket")


@pytest.mark.parametrize("seed", SEEDS)
def test_what_a_service_needs(seed: int, node: Node) -> None:
    """Systemd has the dependencies that we read, and starts the service where we say that nothing keeps it from that."""
    chance = random.Random(seed)  # noqa: S311 - no secret
    for _ in range(EACH):
        lines = ["[Unit]"]
        for _ in range(chance.randint(1, 5)):
            names = " ".join(chance.sample(OTHERS, chance.randint(0, 2)))
            lines.append(f"{chance.choice(DEPENDENCIES)}={names}")
        lines += chance.choices(CONDITIONS, k=chance.randint(0, 3))
        lines.append("[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/bin/true")
        lines += chance.choices(COMMANDS, k=chance.randint(0, 3))
        text = "\n".join(lines) + "\n"
        main = f"/etc/systemd/system/{UNIT}"
        told = node.do(
            f"{written({main: text})}\nsystemctl daemon-reload\n"
            + "".join(f"systemctl show -p {key} --value {UNIT}\n" for key in DEPENDENCIES)
        ).splitlines()  # fmt: skip
        found = [*requirements.needs(Unit(((main, text),)))]

        for key, value in zip(DEPENDENCIES, told, strict=True):
            if key != "After":
                ours = {need.value for need in found if need.key == key}
                assert ours == {*value.split()} & {*OTHERS}, text
        alone = "\n".join(line for line in lines if line.partition("=")[0] not in DEPENDENCIES) + "\n"
        active = node.do(
            f"{written({main: alone})}\nsystemctl daemon-reload; systemctl start {UNIT} 2>/dev/null || true\n"
            f"systemctl is-active {UNIT} || true; systemctl stop {UNIT} 2>/dev/null; systemctl reset-failed"
        ).strip()  # fmt: skip
        kept = any(
            need.effect is requirements.Effect.STOPS and "/absent" in need.value
            for need in requirements.needs(Unit(((main, alone),)))
        )
        assert (active == "active") is not kept, text
    node.do(f"rm -f /etc/systemd/system/{UNIT}; systemctl daemon-reload")
