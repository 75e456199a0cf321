"""Low-level runtimes: what pods ran with, and whether it will be there under the same name."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath

from migrator.model.facts import NodeFacts
from migrator.model.plan import Finding
from migrator.nodeconf.settings import Handler
from migrator.planning.checks.findings import found, listed, named
from migrator.planning.checks.lenient_reads import new_runtime, table, toml
from migrator.planning.inputs import NodeInputs, Translation

_RUNC = Handler(name="runc")
_CRI_TABLES = ("io.containerd.grpc.v1.cri", "io.containerd.cri.v1.runtime")


def programs(now: NodeInputs, draft: Translation) -> Iterator[Finding]:
    """A handler without its program fails only when the first pod asks for it."""
    if draft.settings is None:
        return
    installs = not new_runtime(now).version
    missing = []
    for handler in draft.settings.handlers or (_RUNC,):
        program = handler.program or ("runc" if handler.kind == _RUNC.kind else "")
        comes = installs and PurePosixPath(program).name == "runc"  # the package depends on it
        if program and not comes and not _there(program, now.facts):
            missing.append(f"{handler.name} ({program})")
    if missing:
        yield found(
            "low-level-runtime-missing",
            f"the programs of these handlers were not found: {listed(missing)}",
            "install them, or take them out of Docker's runtimes",
        )


def _there(program: str, facts: NodeFacts) -> bool:
    if "/" not in program:
        return any(PurePosixPath(path).name == program for path in facts.low_level)
    # /bin and /usr/bin are one folder on merged systems
    return program.removeprefix("/usr") in {path.removeprefix("/usr") for path in facts.low_level}


def defaults(now: NodeInputs, _: Translation) -> Iterator[Finding]:
    """With dockershim the default runtime held for every pod."""
    docker = now.facts.docker
    if docker is None:
        return
    if docker.default_runtime not in {"", "runc", "io.containerd.runc.v2"}:
        yield found(
            "default-runtime",
            f"Docker's default runtime is {docker.default_runtime}, which every pod got",
            "it becomes the new runtime's default too; a RuntimeClass would be the cleaner way",
        )
    gpu = [name for name, path in docker.runtimes.items() if "nvidia" in name or "nvidia" in path]
    if gpu or "nvidia" in docker.default_runtime:
        yield found(
            "gpu-runtime",
            f"Docker has the runtime {listed(gpu or [docker.default_runtime])}",
            f"run nvidia-ctk runtime configure --runtime={now.target.runtime}, see that its drop-in lies in a folder "
            "that the configuration imports, and test a GPU pod on the first node: the device plugin starts anew",
        )


def runtime_classes(now: NodeInputs, draft: Translation) -> Iterator[Finding]:
    """A pod whose handler is unknown is never started."""
    if draft.settings is None:
        return
    known = {handler.name for handler in draft.settings.handlers} | {draft.settings.default_handler, "runc"}
    for entry in now.fleet.runtime_classes:
        if entry.handler and entry.handler not in known and entry.handler not in _configured(now.facts):
            pods = [pod for pod in now.alive if pod.runtime_class == entry.name]
            used = f"used by {named(pods)}" if pods else "used by no pod of this node"
            yield found(
                "runtime-class-handlers",
                f"RuntimeClass {entry.name} asks for the handler {entry.handler}; {used}",
                "configure that handler for the new runtime, or change the RuntimeClass: dockershim knew only the "
                'handler "docker"',
            )


def _configured(facts: NodeFacts) -> set[str]:
    """Name the handlers that containerd has already, its imported files included."""
    document = toml(facts.containerd.effective)
    return {name for key in _CRI_TABLES for name in table(document, "plugins", key, "containerd", "runtimes")}
