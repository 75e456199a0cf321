"""What would be written must have the last word: other files of the node set the same things."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from migrator.model.facts import NodeFacts
from migrator.model.plan import Finding
from migrator.nodeconf import host_files, modprobe_d, sysctl_d, systemd
from migrator.nodeconf.systemd import overrides
from migrator.nodeconf.systemd.unit import Unit
from migrator.planning.checks.findings import found, listed
from migrator.planning.checks.lenient_reads import docker_config, new_runtime, planned_text
from migrator.planning.inputs import NodeInputs, Translation
from migrator.runtimes.docker.proxies import VARIABLES


def service(now: NodeInputs, draft: Translation) -> Iterator[Finding]:
    """The runtime's process must get the limits and the proxy of the drop-in that is written, and no other proxy."""
    runtime = new_runtime(now).unit
    path = f"/etc/systemd/system/{runtime.name}.d/{systemd.NAME}"
    before = overrides.unit_of(now.facts, runtime)
    text = planned_text(now, draft, path)
    after = before.replaced(path, text) if text else before
    if text:
        yield from _overruled(Unit((("", "[Service]\nExecStart=/bin/true"), (path, text))), after, path)
    if draft.settings is not None and now.facts.docker is not None:
        yield from _other_proxy(_of_docker(now), after, runtime.name)


def _overruled(ours: Unit, after: Unit, path: str) -> Iterator[Finding]:
    wanted = {**overrides.limits(ours), **overrides.variables(ours)}
    have = {**overrides.limits(after), **overrides.variables(after)}
    for name, (value, _) in sorted(wanted.items()):
        there, by = have.get(name, (value, path))
        if by != path and there != value:
            yield found(
                "overruled",
                f"{by} has the last word on {name}, over {path}: {there!r}, and {value!r} would be written",
                f"take {name} out of {by}",
            )


def _of_docker(now: NodeInputs) -> set[str]:
    """Name the variables of a proxy that Docker has, also where it has a password and is not carried."""
    docker = now.facts.docker
    own = docker_config(now.facts).get("proxies")
    keys = {VARIABLES[name] for name in own if name in VARIABLES} if isinstance(own, dict) else set()
    return keys | ({name.upper() for name in docker.unit.environment} if docker else set())


def _other_proxy(docker: Collection[str], after: Unit, name: str) -> Iterator[Finding]:
    """Go takes the name in capitals first, and then the other (golang.org/x/net/http/httpproxy)."""
    have = overrides.variables(after)
    there = {
        variable: next((have[key] for key in (variable, variable.lower()) if have.get(key, ("",))[0]), None)
        for variable in VARIABLES.values()
        if variable not in docker
    }
    others = {variable: entry[1] for variable, entry in there.items() if entry is not None}
    if others:
        yield found(
            "other-proxy",
            f"{listed(others.values())} gives {name} {listed(others)}, which Docker has not: pulls will go another "
            "way than they do now",
            "see that registries are reached that way, or take it out",
        )


def sysctls(now: NodeInputs, draft: Translation) -> Iterator[Finding]:
    """What Docker turned on must be on after the next boot too, whatever other files say."""
    text = planned_text(now, draft, host_files.SYSCTL)
    if not text:
        return
    known = sysctl_d.assignments(_texts(now.facts) | {host_files.SYSCTL: text})
    for ours in sysctl_d.lines(host_files.SYSCTL, text):
        key = ours.key.replace("/", ".")
        last = sysctl_d.in_force(known, ours.key)
        if last is not None and last.path != ours.path and last.value != ours.value:
            yield found(
                "overruled",
                f"{last.path} has the last word on {key}, over {ours.path}: {last.value}, and pods need {ours.value}",
                f"take {key} out of {last.path}",
            )
        others = sorted(
            line.path
            for line in (*known, *sysctl_d.lines(sysctl_d.BY_PROCPS, _texts(now.facts).get(sysctl_d.BY_PROCPS, "")))
            if line.key == ours.key and line.path != ours.path and line.value != ours.value and not line.excludes
        )
        if others and (last is None or last.path == ours.path):
            yield found(
                "sysctl-contradicted",
                f"{listed(others)} says {key} otherwise; Docker turned it on over that at each start, and from now on "
                f"{ours.path} does at each boot",
                "see who wants it off: pods of other nodes are not reached without it",
            )


def modules(now: NodeInputs, draft: Translation) -> Iterator[Finding]:
    """What Docker loaded by name at each start must be loaded at boot, whatever a list says."""
    text = planned_text(now, draft, host_files.MODULES)
    wanted = [modprobe_d.plain(line.strip()) for line in text.splitlines() if line.strip() and line[0] not in "#;"]
    files = _below(now.facts, modprobe_d.FOLDERS)
    for module in wanted:
        if module in now.facts.host.built_in:
            continue
        for rule in modprobe_d.against(files, module):
            yield found(
                "overruled",
                f"{rule.path} keeps {module} from being loaded at boot, over {host_files.MODULES}: {rule.line!r}",
                f"take that line out of {rule.path}: pods need the module, and Docker loaded it so far",
            )
        if module in now.facts.host.refused_modules:
            yield found(
                "overruled",
                f"the kernel's command line refuses {module}, over {host_files.MODULES}",
                "take it out of the boot loader's configuration (module_blacklist=, modprobe.blacklist=)",
            )


def _texts(facts: NodeFacts) -> dict[str, str]:
    return _below(facts, sysctl_d.FOLDERS, sysctl_d.BY_PROCPS)


def _below(facts: NodeFacts, folders: Collection[str], *more: str) -> dict[str, str]:
    folders = (*(f"{folder}/" for folder in folders), *more)
    return {path: fact.content for path, fact in facts.files.items() if fact.exists and path.startswith(folders)}
