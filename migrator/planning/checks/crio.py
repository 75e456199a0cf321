"""CRI-O's own: its versions, the capabilities that it does not give, and files that must not have the last word."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

from migrator import versions
from migrator.model.facts import NodeFacts
from migrator.model.plan import Finding
from migrator.planning.checks.findings import found, listed, named, of
from migrator.planning.checks.lenient_reads import new_runtime
from migrator.planning.inputs import NodeInputs, Translation
from migrator.runtimes import crio
from migrator.runtimes.crio import in_force, registries_conf, registries_read
from migrator.runtimes.crio.registries_read import Entry, Registries
from migrator.runtimes.crio.runtime import CRIO
from migrator.runtimes.traits import LACKING

_OURS = frozenset({crio.CONFIG, crio.CONFIG_RUNC})
_MEND = "mend the file, or take it away: CRI-O does not start with it"


@of(CRIO)
def version(now: NodeInputs, _: Translation) -> Iterator[Finding]:
    """CRI-O follows Kubernetes' versions."""
    version, kubelet = versions.release(new_runtime(now).version), versions.release(now.facts.kubelet.version)
    if version[0] and kubelet[0] and (version[0] != kubelet[0] or abs(version[1] - kubelet[1]) > 1):
        yield found(
            "crio-minor",
            f"CRI-O {new_runtime(now).version} does not belong to kubelet {now.facts.kubelet.version}",
            f"install CRI-O {kubelet[0]}.{kubelet[1]}",
        )


@of(CRIO)
def capabilities(now: NodeInputs, draft: Translation) -> Iterator[Finding]:
    """Programs such as ping fail without a capability that they had."""
    texts = [change.content for change in draft.files]
    lost = [
        name for name in sorted(LACKING) if not any("default_capabilities" in text and name in text for text in texts)
    ]
    pods = [pod for pod in now.alive if not pod.privileged and not set(lost) <= set(pod.capabilities)]
    if lost and pods:
        yield found(
            "crio-capabilities",
            f"containers get no {listed(lost)} from CRI-O by default; pods that had them: {named(pods)}",
            "see which need them (ping needs NET_RAW) and add them to their security context",
        )


@of(CRIO)
def configuration(now: NodeInputs, draft: Translation) -> Iterator[Finding]:
    """What is written for CRI-O must be what it reads last."""
    yield from _unread(now.facts, in_force.order)
    texts = _texts(now.facts, draft, in_force.order)
    try:
        lost = in_force.overruled(texts, _OURS)
        default, described = in_force.runtimes(texts)
    except ValueError as error:
        yield found("crio-broken", str(error), _MEND)
        return
    installed = now.facts.crio.version if now.facts.crio else ""
    if installed and default and default not in described | {crio.built_in(versions.parse(installed))}:
        yield found(
            "crio-broken",
            f"CRI-O {installed} would be told the default runtime {default}, and no file below {in_force.FOLDER} "
            "describes it",
            f"write [crio.runtime.runtimes.{default}] with its runtime_path, as CRI-O's packages do in 10-crio.conf",
        )
    for entry in lost:
        yield found(
            "overruled",
            f"{entry.by} has the last word on {entry.key}, over {entry.path}: {entry.there!r}, and {entry.value!r} "
            "would be written",
            f"take {entry.key.rpartition('.')[2]} out of {entry.by}: CRI-O reads every file of that folder, by their "
            "names",
        )


@of(CRIO)
def registries(now: NodeInputs, draft: Translation) -> Iterator[Finding]:
    """Images must come from where Docker took them."""
    yield from _unread(now.facts, registries_read.order)
    texts = _texts(now.facts, draft, registries_read.order)
    try:
        there = registries_read.merged(texts)
    except ValueError as error:
        yield found("crio-broken", str(error), _MEND)
        return
    if registries_read.OWN_CONFIG in texts:
        yield found(
            "overruled",
            f"{registries_read.OWN_CONFIG} is read instead of {registries_conf.CONFIG} and of all files beside it, "
            f"{registries_conf.DROP_IN} among them",
            f"move what it says to {registries_conf.CONFIG}",
        )
        return
    if registries_conf.DROP_IN in texts:
        ours = registries_read.merged({registries_conf.DROP_IN: texts[registries_conf.DROP_IN]})
        yield from _lost(ours, there)
        yield from _elsewhere(now, ours, there)


def _unread(facts: NodeFacts, order: Callable[[Iterable[str]], tuple[str, ...]]) -> Iterator[Finding]:
    """Name the files that would count and could not be read."""
    for path in order(path for path, file in facts.files.items() if file.problem and not file.folder):
        yield found("crio-broken", f"{path}: {facts.file(path).problem}", _MEND)


def _texts(
    facts: NodeFacts, draft: Translation, order: Callable[[Iterable[str]], tuple[str, ...]]
) -> Mapping[str, str]:
    """Give what the files will hold, those that are there and those that are written."""
    texts = {path: file.content for path, file in facts.files.items() if file.exists and not file.problem}
    texts |= {change.path: change.content for change in draft.files if change.content is not None and not change.copies}
    return {path: texts[path] for path in order(texts)}


def _lost(ours: Registries, there: Registries) -> Iterator[Finding]:
    """Name what is written and not in force."""
    if there.search != ours.search:
        yield _overruled(there.searched_by, "unqualified-search-registries", [*there.search], [*ours.search])
    for prefix, entry in ours.entries.items():
        said = there.entries[there.of(prefix)]
        if said.path != entry.path and _facts(said) != _facts(entry):
            yield _overruled(said.path, f"registry {prefix}", _told(there.of(prefix), said), _told(prefix, entry))


def _overruled(by: str, what: str, value: object, wanted: object) -> Finding:
    return found(
        "overruled",
        f"{by} has the last word on {what}, over {registries_conf.DROP_IN}: {value}, and {wanted} would be written",
        f"take that out of {by}",
    )


def _facts(entry: Entry) -> tuple[object, ...]:
    return entry.place, entry.mirrors, entry.blocked, entry.by_digest


def _told(prefix: str, entry: Entry) -> str:
    places = " then ".join(place.location + " (insecure)" * place.insecure for place in (*entry.mirrors, entry.place))
    return f"{prefix} is blocked" if entry.blocked else f"{prefix} from {places or prefix}"


def _elsewhere(now: NodeInputs, ours: Registries, there: Registries) -> Iterator[Finding]:
    """Name what others say of images that we say nothing of, or less."""
    images = {image for pod in now.alive for image in pod.images}
    prefixes = {there.of(_full(image)) for image in images}
    prefixes |= {prefix for prefix in there.entries for own in ours.entries if registries_read.fits(prefix, own)}
    for prefix in sorted(prefixes - ours.entries.keys() - {""}):
        entry = there.entries[prefix]
        if entry.blocked or entry.mirrors or entry.place.insecure or entry.place.location not in {"", prefix}:
            yield found(
                "images-elsewhere",
                f"{entry.path} says of {prefix} what Docker was not told: {_told(prefix, entry)}",
                f"see that pods get the same images from there, or take it out of {entry.path}",
            )
    for path in sorted({path for _, path in there.aliases.values()} if there.mode != "disabled" else ()):
        short = {_short(image) for image in images}
        names = [
            f"{name} for {value}"
            for name, (value, by) in there.aliases.items()
            if by == path and name in short and value and _full(name) != _full(value)
        ]
        if names:
            yield found(
                "images-elsewhere",
                f"{path} has other images for names without a registry, which Docker takes from docker.io: "
                f"{listed(names)}",
                f"see that pods get the same images from there, or take them out of {path}",
            )


def _short(image: str) -> str:
    """Give an image's name without tag and digest."""
    name = image.partition("@")[0]
    folder, slash, last = name.rpartition("/")
    return f"{folder}{slash}{last.partition(':')[0]}"


def _full(image: str) -> str:
    """Give an image's name with its registry, as Docker takes it (docker/reference, ParseNormalizedNamed)."""
    host, slash, rest = image.partition("/")
    if not slash or not ("." in host or ":" in host or host == "localhost"):
        host, rest = "docker.io", image
    host = "docker.io" if host == "index.docker.io" else host
    return f"{host}/library/{rest}" if host == "docker.io" and "/" not in rest else f"{host}/{rest}"
