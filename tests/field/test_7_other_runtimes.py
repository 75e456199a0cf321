"""CRI-O and cri-dockerd: nodes whose kubelets speak to them are proved like any other.

They need the programs: MIGRATOR_CRI_DOCKERD names cri-dockerd, MIGRATOR_CRIO a folder with crio and pinns.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from lab import images
from tests.field.programs import served
from tests.field.sessions import healthy
from tests.lab.conftest import Lab
from tests.lab.sides import WORKERS, each

CRI_DOCKERD = os.environ.get("MIGRATOR_CRI_DOCKERD", "")
CRIO = os.environ.get("MIGRATOR_CRIO", "")
SYSTEMD, CGROUPFS = WORKERS

EMPTY = """
systemctl stop kubelet
docker ps --all --quiet --filter label=io.kubernetes.pod.uid | xargs -r docker rm --force >/dev/null
rm -f /var/lib/cni/networks/lab/10.*
"""
REPOINT = """
sed -i 's#--network-plugin=cni#--container-runtime=remote --container-runtime-endpoint=unix://{socket}#' /var/lib/kubelet/kubeadm-flags.env
systemctl start kubelet
"""
DOCKERD = f"""
cat > /etc/systemd/system/cri-docker.service <<'EOF'
[Unit]
After=docker.service
Requires=docker.service

[Service]
ExecStart=/usr/local/bin/cri-dockerd --container-runtime-endpoint unix:///var/run/cri-dockerd.sock --network-plugin=cni \\
  --cni-bin-dir=/usr/lib/cni --cni-conf-dir=/etc/cni/net.d --pod-infra-container-image={images.PAUSE}
Delegate=yes
EOF
systemctl daemon-reload
systemctl start cri-docker.service
until test -S /var/run/cri-dockerd.sock; do sleep 1; done
"""
OF_CRIO = f"""
apt-get -q update >/dev/null
apt-get -q -y --no-install-recommends install conmon skopeo >/dev/null
mkdir -p /etc/crio/crio.conf.d /etc/containers
cat > /etc/crio/crio.conf.d/10-lab.conf <<'EOF'
[crio]
storage_driver = "overlay"
[crio.runtime]
cgroup_manager = "{{driver}}"
conmon = "/usr/bin/conmon"
conmon_cgroup = "{{conmon}}"
default_runtime = "runc"
[crio.runtime.runtimes.runc]
runtime_path = "/usr/sbin/runc"
[crio.image]
pause_image = "{images.PAUSE}"
[crio.network]
network_dir = "/etc/cni/net.d"
plugin_dirs = ["/usr/lib/cni"]
EOF
echo '{{{{"default": [{{{{"type": "insecureAcceptAnything"}}}}]}}}}' > /etc/containers/policy.json
echo 'unqualified-search-registries = ["docker.io"]' > /etc/containers/registries.conf
cat > /etc/systemd/system/crio.service <<'EOF'
[Service]
ExecStart=/usr/local/bin/crio
Type=notify
LimitNOFILE=1048576
LimitNPROC=1048576
TasksMax=infinity
Delegate=yes
KillMode=process
EOF
systemctl daemon-reload
systemctl start crio.service
for image in $(docker images --format '{{{{{{{{.Repository}}}}}}}}:{{{{{{{{.Tag}}}}}}}}' | grep -v none); do
  docker save $image > /data/image.tar
  skopeo copy -q docker-archive:/data/image.tar containers-storage:$image
done
rm /data/image.tar
"""


def moved(lab: Lab, node: str, script: str, socket: str, address: str, programs: Sequence[Path]) -> None:
    """Have a node's kubelet speak to a runtime that a script has set up, and everything run there again."""
    for program in programs:
        path = f"/usr/local/bin/{program.name}"
        lab.on(node, f"curl -sSf -o {path} {address}/{program.name}; chmod 755 {path}")
    lab.on(node, EMPTY + script + REPOINT.format(socket=socket))
    old = {pod["metadata"]["uid"]: ids(pod) for pod in lab.pods(node)}

    def anew() -> bool:
        return all(ids(pod) != old.get(pod["metadata"]["uid"], set()) and ids(pod) for pod in lab.pods(node))

    lab.ready_on(node)
    lab.until(anew, f"every pod of {node} runs there")
    lab.all_available()


def ids(pod: dict[str, object]) -> set[str]:
    """Name a pod's containers."""
    status = pod["status"]
    assert isinstance(status, dict)
    return {entry.get("containerID", "") for entry in status.get("containerStatuses", [])} - {""}


@pytest.mark.skipif(not CRI_DOCKERD, reason="MIGRATOR_CRI_DOCKERD names no cri-dockerd")
def test_cri_dockerd(fresh_lab: Lab) -> None:
    """A node on Docker through cri-dockerd is good."""
    program = Path(CRI_DOCKERD)
    with served(fresh_lab.settings, program) as address:
        moved(fresh_lab, CGROUPFS, DOCKERD, "/var/run/cri-dockerd.sock", address, [program])

    healthy(fresh_lab, CGROUPFS)


@pytest.mark.skipif(not CRIO, reason="MIGRATOR_CRIO names no folder with CRI-O's programs")
def test_cri_o(lab: Lab) -> None:
    """Nodes on CRI-O are good, with either cgroup driver."""
    lab.restore()
    programs = [Path(CRIO, name) for name in ("crio", "pinns")]
    drivers = {SYSTEMD: ("systemd", "system.slice"), CGROUPFS: ("cgroupfs", "pod")}
    with served(lab.settings, *programs) as address:
        each(
            lambda node: moved(
                lab,
                node,
                OF_CRIO.format(driver=drivers[node][0], conmon=drivers[node][1]),
                "/var/run/crio/crio.sock",
                address,
                programs,
            )
        )

    assert [lab.node(node)["runtime"].partition(":")[0] for node in WORKERS] == ["cri-o", "cri-o"]
    each(lambda node: healthy(lab, node))
