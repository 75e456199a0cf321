"""What is worked out for a node from all of its facts together."""

from __future__ import annotations

import json

import pytest

from migrator.engine.migration import STEPS
from migrator.model.facts import Certificate, Disk, FileFact
from migrator.model.fate import Fate
from migrator.model.host_settings import HostSettings
from migrator.model.plan import FileChange
from migrator.planning import plan, translate_node
from migrator.planning.inputs import Translation
from migrator.runtimes.containerd.runtime import CONTAINERD
from tests.fakes import values
from tests.fakes.values import containerd, docker, facts, situation

DAEMON = "/etc/docker/daemon.json"
TOML = "/etc/containerd/config.toml"
UNIT = "/etc/systemd/system/containerd.service.d/zz-migrator.conf"
SPEC = "/etc/containerd/migrator-spec.json"
ALONE = {"containers": ()}


def drafted(
    settings: dict[str, object] | None = None, *, target: HostSettings | None = None, **update: object
) -> Translation:
    """Draft a node with this daemon.json and these facts."""
    files = {**values.files(daemon=json.dumps(settings or {})), **update.pop("files", {})}
    return translate_node.draft(situation(facts=facts(files=files, **update), target=target or HostSettings()))


def changes(draft: Translation) -> dict[str, FileChange]:
    """Give the drafted files by path; nothing may have gone wrong."""
    assert draft.problems == ()
    return {file.path: file for file in draft.files}


def disks(docker_mount: str, root: str = "/data/docker", device: str = "8:2") -> dict[str, object]:
    """Give a host whose Docker data lies on the filesystem mounted there."""
    found = (
        Disk(path=root, mount=docker_mount, device=device),
        Disk(path="/var/lib/containerd", mount="/", device="8:1"),
    )
    return {"host": facts().host.model_copy(update={"disks": found})}


ROOTS = {
    "the same disk": ({"data-root": "/data/docker"}, disks("/"), docker(root="/data/docker", **ALONE), containerd(), ""),
    "another disk": ({"data-root": "/data/docker"}, disks("/data"), docker(root="/data/docker", **ALONE), containerd(), "/data/containerd"),
    "a disk on Docker's own folder": ({}, disks("/var/lib/docker", "/var/lib/docker"), docker(**ALONE), containerd(), "/var/lib/docker/migrator-containerd"),
    "a folder that Docker has mounted on itself": ({}, disks("/var/lib/docker", "/var/lib/docker", "8:1"), docker(**ALONE), containerd(), ""),
    "users of another number": ({"data-root": "/data/docker", "userns-remap": "default"}, disks("/data", "/data/docker/165536.165536"), docker(root="/data/docker/165536.165536", **ALONE), containerd(), "/data/containerd"),
    "containers of others": ({"data-root": "/data/docker"}, disks("/data"), docker(root="/data/docker"), containerd(), ""),
    "containers of others, in Docker's own containerd": ({"data-root": "/data/docker"}, disks("/data"), docker(root="/data/docker", embedded=True), containerd(), "/data/containerd"),
    "images there already": ({"data-root": "/data/docker"}, disks("/data"), docker(root="/data/docker", **ALONE), containerd(images=("a:1",)), ""),
}  # fmt: skip


@pytest.mark.parametrize(("settings", "host", "source", "target", "root"), ROOTS.values(), ids=ROOTS)
def test_data_follows_docker_to_another_disk(
    settings: dict[str, object], host: dict[str, object], source: object, target: object, root: str
) -> None:
    """Only where that means something and loses nothing; else the fate says why not."""
    draft = drafted(settings, docker=source, containerd=target, **host)

    assert draft.settings is not None
    assert draft.settings.root == root
    for fate in draft.fates:
        if fate.key == "data-root":
            assert (fate.fate is Fate.CARRIED) == bool(root)
            assert fate.reason


def test_a_data_folder_of_the_users_stays() -> None:
    """Its own configuration says where it is, whatever disk Docker is on."""
    own = 'version = 2\nroot = "/mnt/ssd/containerd"  # fast\n'

    draft = drafted({"data-root": "/data/docker"}, files=values.files(containerd=own), **disks("/data"))

    assert draft.settings is not None
    assert draft.settings.root == ""
    assert 'root = "/mnt/ssd/containerd"  # fast' in changes(draft)[TOML].content


@pytest.mark.parametrize(
    ("driver", "kept"), [("zfs", "zfs"), ("btrfs", "btrfs"), ("overlay2", ""), ("devicemapper", "")]
)
def test_a_storage_driver_that_docker_chose_counts(driver: str, kept: str) -> None:
    """It was told none, and the disk decided."""
    found = tuple(Disk(path=path, mount="/", kind=driver) for path in ("/var/lib/docker", "/var/lib/containerd"))
    host = facts().host.model_copy(update={"disks": found})

    draft = drafted({}, docker=docker(storage_driver=driver), host=host)

    assert draft.settings is not None
    assert draft.settings.storage == kept
    assert any(fate.key == "storage-driver" for fate in draft.fates) == (driver != "overlay2")


def test_dockers_own_copy_of_runc_is_not_carried() -> None:
    """CentOS' Docker has it under a name of its own, as the default; the system's runc takes its place."""
    path = "/usr/libexec/docker/docker-runc-current"
    draft = drafted({"runtimes": {"docker-runc": {"path": path}}, "default-runtime": "docker-runc"})

    assert draft.settings is not None
    assert (draft.settings.handlers, draft.settings.default_handler) == ((), "")
    assert path not in changes(draft)[TOML].content
    assert {fate.fate for fate in draft.fates if "runtime" in fate.key} == {Fate.NOT_APPLICABLE}


def test_the_kubelet_looks_at_the_runtime_where_that_runs() -> None:
    """Docker's unit had a slice of its own, and containerd's has not, or another."""
    told = "KUBELET_EXTRA_ARGS=--runtime-cgroups=/kube.slice/docker.service\n"
    path = "/etc/systemd/system/containerd.service.d/own.conf"
    sliced = values.files(default=told) | {path: values.file(path, "[Service]\nSlice=a-b.slice\n")}
    unit = containerd(fragments=(values.CONTAINERD_UNIT, path))

    usual = changes(drafted({}, files=values.files(default=told)))["/etc/default/kubelet"].content
    own = changes(drafted({}, files=sliced, containerd=unit))["/etc/default/kubelet"].content

    assert "--runtime-cgroups=/system.slice/containerd.service" in usual
    assert "--runtime-cgroups=/a.slice/a-b.slice/containerd.service" in own


LIMITS = {"default-ulimits": {"nofile": {"Name": "nofile", "Soft": 4096, "Hard": 8192}}}
OCI = json.dumps({"ociVersion": "1.0.2", "process": {"rlimits": [], "cwd": "/"}})


def test_limits_of_containers_do_not_hold_containerd_down() -> None:
    """They go into the specification of containers where there is one, else into the unit."""
    alone = changes(drafted(LIMITS, containerd=containerd(oci_spec=OCI)))
    inherited = changes(drafted(LIMITS, containerd=containerd(oci_spec="")))

    assert json.loads(alone[SPEC].content)["process"]["rlimits"] == [
        {"type": "RLIMIT_NOFILE", "hard": 8192, "soft": 4096}
    ]
    assert UNIT not in alone
    assert SPEC not in inherited
    assert "LimitNOFILE=4096:8192" in inherited[UNIT].content


def test_what_containers_inherited_they_inherit_again() -> None:
    """Where Docker's containers had another limit than containerd's unit gives, the unit gets it."""
    had = docker(limits={"nofile": "1048576:1048576"})
    unit = containerd().unit.model_copy(update={"limits": {"nofile": "1024:524288"}})

    made = changes(drafted(docker=had, containerd=containerd(unit=unit)))

    assert "LimitNOFILE=1048576" in made[UNIT].content


CERTIFICATES = tuple(
    Certificate(path=f"/etc/docker/certs.d/r:5000/{name}", registry="r:5000", kind=kind, sha256=kind[0] * 64, mode=mode)
    for name, kind, mode in (("ca.crt", "ca", "0644"), ("x.cert", "client", "0644"), ("x.key", "key", "0600"))
)


def test_certificates_are_copied_on_the_node() -> None:
    """A plan names them by their hash, and never holds a key."""
    made = changes(drafted(certificates=CERTIFICATES))

    copies = {path: file for path, file in made.items() if file.copies}
    assert {file.copies.path for file in copies.values() if file.copies} == {entry.path for entry in CERTIFICATES}
    assert {file.sha256 for file in copies.values()} == {entry.sha256 for entry in CERTIFICATES}
    assert all(file.content == "" for file in copies.values())
    assert [file.mode for path, file in copies.items() if path.endswith(".key")] == ["0600"]


def test_a_registry_that_the_user_described_is_left_alone() -> None:
    """Its folder gets no file of ours, and the draft says so."""
    path = "/etc/containerd/certs.d/docker.io/hosts.toml"
    settings = {"registry-mirrors": ["https://mirror.example"], "insecure-registries": ["old.example:5000"]}

    draft = drafted(settings, files={path: values.file(path, "server = 'https://mine.example'\n")})

    assert draft.kept == ("docker.io",)
    assert path not in changes(draft)
    assert "/etc/containerd/certs.d/old.example:5000/hosts.toml" in changes(draft)


def test_crio_is_planned_for() -> None:
    """Its files are drafted, none of containerd's, and the kubelet is pointed at its socket."""
    made = changes(drafted(LIMITS, target=HostSettings(runtime="crio")))

    assert "/etc/crio/crio.conf.d/20-migrator.conf" in made
    assert "crio.sock" in made["/var/lib/kubelet/kubeadm-flags.env"].content
    assert not any("/etc/containerd" in path for path in made)


PROBLEMS = {
    "a broken daemon.json": ({DAEMON: values.file(DAEMON, '{\n "debug": tru\n}')}, f"{DAEMON}, line 2"),
    "one that is too large": ({DAEMON: FileFact(path=DAEMON, exists=True, problem="has more than 1 MiB")}, f"{DAEMON}: has more than 1 MiB"),
    "credentials in containerd's": ({"/etc/containerd/config.toml": FileFact(path="/etc/containerd/config.toml", exists=True, hidden=True, content="version = 2\n")}, "config.toml holds credentials"),
    "what was hidden in an option that is carried": ({DAEMON: values.file(DAEMON, '{"runtimes": {"k": {"runtimeType": "io.containerd.kata.v2", "options": {"ConfigPath": "sha256:0123456789abcdef"}}}}')}, "config.toml would be written with a value that was hidden"),
    "what was hidden in a proxy's address": ({DAEMON: values.file(DAEMON, '{"proxies": {"http-proxy": "http://p:1/?a=sha256:0123456789abcdef"}}')}, "zz-migrator.conf would be written with a value that was hidden"),
    "broken TOML": ({"/etc/containerd/config.toml": values.file("/etc/containerd/config.toml", "version = 2\nx = [\n")}, "config.toml"),
    "a broken kubelet configuration": ({"/var/lib/kubelet/config.yaml": values.file("/var/lib/kubelet/config.yaml", "a: [\n")}, "/var/lib/kubelet/config.yaml"),
}  # fmt: skip


@pytest.mark.parametrize(("files", "said"), PROBLEMS.values(), ids=PROBLEMS)
def test_what_cannot_be_read_is_a_problem_and_never_a_guess(files: dict[str, FileFact], said: str) -> None:
    """The file is named, and no file is drafted."""
    draft = drafted(files=files)

    assert draft.files == ()
    assert any(said in problem for problem in draft.problems), draft.problems


SPELLED = {
    "nginx": "nginx:latest",
    "docker.io/library/web:1": "web:1",
    "docker.io/acme/x:2": "acme/x:2",
    "registry.example/a:1": "registry.example/a:1",
}


@pytest.mark.parametrize("name", SPELLED)
def test_images_are_carried_whatever_pods_call_them(name: str) -> None:
    """Docker's store has one spelling of a name, pods may have another."""
    stored = SPELLED[name]
    now = situation(facts=facts(docker=docker(images=(values.image(stored),))), pods=(values.pod("p", images=(name,)),))

    assert stored in translate_node.draft(now).images


@pytest.mark.parametrize("name", ["web@{}", "web:1@{}", "docker.io/library/web:2@{}"])
def test_images_are_carried_by_digest(name: str) -> None:
    """With a digest the tag counts for nothing: the tag may be another image's by now."""
    digest = f"sha256:{'1' * 64}"
    there = (values.image("web:1", tags=(), digests=(f"web@{digest}",)), values.image("web:1"))
    used = (values.pod("p", images=(name.format(digest),)),)

    draft = translate_node.draft(situation(facts=facts(docker=docker(images=there)), pods=used))

    assert [image for image in draft.images if image.startswith("web")] == [f"web@{digest}"]


def test_images_that_are_asked_for_are_carried_too() -> None:
    """For pods that are yet to come, such as a job of the night."""
    now = situation(target=HostSettings(images=("docker.io/library/unused:1",)), pods=())

    assert translate_node.draft(now).images == (values.PAUSE, "unused:1")


def test_registries_of_images_are_told_from_tags() -> None:
    """Of names without a registry nothing is one, whatever stands before the colon."""
    images = tuple(map(values.image, ("web:1", "acme/x:2", "registry.corp/a:1", "localhost/b:1", "10.1.1.1:5000/c:1")))

    source = translate_node.docker_source(facts(docker=docker(images=images)), CONTAINERD)

    assert source.image_hosts == ("10.1.1.1:5000", "localhost", "registry.corp")


KINDS = {"btrfs": ("btrfs", "btrfs"), "ext4": ("ext4", ""), "": ("", "btrfs")}


@pytest.mark.parametrize("kind", KINDS)
def test_a_driver_needs_its_file_system(kind: str) -> None:
    """Btrfs is carried only to a folder on btrfs; where that is not known, the user's word counts."""
    on_disk, storage = KINDS[kind]
    root = Disk(path="/var/lib/containerd", mount="/", kind=on_disk)
    host = facts().host.model_copy(update={"disks": (Disk(path="/var/lib/docker", mount="/", kind=on_disk), root)})

    draft = drafted({"storage-driver": "btrfs"}, host=host)

    assert draft.settings is not None
    assert draft.settings.storage == storage
    (fate,) = [entry for entry in draft.fates if entry.key == "storage-driver"]
    assert fate.fate is (Fate.CARRIED if storage else Fate.LOST)


def test_docker_is_where_it_really_is() -> None:
    """A data-root that is a link says nothing of the disk: what Docker itself tells does."""
    draft = drafted(
        {"data-root": "/srv/docker"},
        docker=docker(root="/mnt/big/docker", **ALONE),
        **disks("/mnt/big", "/mnt/big/docker"),
    )

    assert draft.settings is not None
    assert draft.settings.root == "/mnt/big/containerd"


def test_containerds_files_decide_nothing_for_another_runtime() -> None:
    """CRI-O reads none of them: not the user's hosts.toml, and not a configuration that is no TOML."""
    mirrors = {"registry-mirrors": ["https://m.example"]}
    kept = values.file("/etc/containerd/certs.d/docker.io/hosts.toml", 'server = "https://x.example"\n')
    for files in ({kept.path: kept}, {TOML: values.file(TOML, "[broken")}):
        draft = drafted(mirrors, target=HostSettings(runtime="crio"), files=files)

        assert (draft.problems, draft.kept) == ((), ())

    assert drafted(mirrors, files={kept.path: kept}).kept == ("docker.io",)
    assert "config.toml" in "".join(drafted(mirrors, files={TOML: values.file(TOML, "[broken")}).problems)


def test_a_plan_shows_the_configuration_of_its_own_runtime() -> None:
    """Containerd's is there, and no file of a plan for CRI-O."""
    target = HostSettings(runtime="crio")
    assert plan.make(situation(target=target), STEPS).config == ""
