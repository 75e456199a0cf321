"""Programs that work on nodes are known by their images, however these are named."""

from __future__ import annotations

import pytest

from migrator.planning.competitors import COMPETITORS, Competitor, of_image, of_pods
from tests.fakes.values import pod

REGISTRIES = ("", "docker.io/library/", "registry.example:5000/mirror/deep/", "localhost/")
ENDS = ("", ":v1.2.3", "@sha256:" + "0" * 64, ":v1@sha256:" + "0" * 64)


@pytest.mark.parametrize("entry", COMPETITORS, ids=lambda entry: entry.image.strip("/"))
def test_a_program_is_known_in_every_registry(entry: Competitor) -> None:
    """With a registry, a port, a tag or a digest; what only has the name in it is another one."""
    name = f"{entry.image.strip('/')}/controller" if "/" in entry.image else entry.image

    assert {of_image(f"{registry}{name}{end}") for registry in REGISTRIES for end in ENDS} == {entry}
    assert of_image(f"corp/my-{entry.image.strip('/')}") is None
    assert entry.what
    assert entry.remedy
    assert not (entry.writes and entry.spares)


def test_who_they_are_is_summed_up() -> None:
    """Each program once, with the owners of its pods; ordinary pods count for nothing."""
    pods = (
        pod("a", images=("k8s.gcr.io/cluster-autoscaler:v1", "sidecar:1")),
        pod("b", images=("k8s.gcr.io/cluster-autoscaler:v1",)),
        pod("kured-x", owner="DaemonSet/kured", images=("ghcr.io/kubereboot/kured:1",)),
        pod("bare", owner="", images=("planetlabs/draino:1",)),
        pod("web"),
    )

    assert {entry.image: names for entry, names in of_pods(pods).items()} == {
        "cluster-autoscaler": ("shop/ReplicaSet/web",),
        "kured": ("shop/DaemonSet/kured",),
        "draino": ("shop/bare",),
    }
