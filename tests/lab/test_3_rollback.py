"""When the new runtime does not work, the node is Ready on Docker again, as if nothing had been."""

from __future__ import annotations

from pathlib import Path

from tests.lab.conftest import Lab

NODE = "worker-2"
HOOK = "/etc/systemd/system/containerd.service.d/sabotage.conf"
# Only the configuration that we write says so; Debian's does not.
LINE = (
    "ExecStartPre=/bin/sh -c 'if grep -q SystemdCgroup /etc/containerd/config.toml; "
    'then sed -i "s#/etc/cni/net.d#/etc/cni/nowhere#" /etc/containerd/config.toml; fi\''
)


def test_a_failed_migration_leaves_the_node_on_docker(fresh_lab: Lab, tmp_path: Path) -> None:
    """Exit 13, the message says why and where the node is; files, containers and schedulability are as before."""
    fresh_lab.on(
        NODE,
        f"mkdir -p $(dirname {HOOK})\nprintf '%s\\n' '[Service]' \"$(cat <<'EOF'\n{LINE}\nEOF\n)\" > {HOOK}\nsystemctl daemon-reload\n",
    )
    files = fresh_lab.on(NODE, "cd /etc; find . -type f | sort | xargs sha256sum")
    inventory = fresh_lab.configured(tmp_path / "inventory.yml", ready_timeout=60, proof="none")

    done = fresh_lab.migrator("apply", "--node", NODE, "--yes", inventory)

    assert done.returncode == 13, done.stderr
    assert "step 'verify' failed" in done.stderr
    assert f"The node was put back. {NODE} is Ready on docker://" in done.stderr
    node = fresh_lab.node(NODE)
    assert (node["ready"], node["unschedulable"]) == (True, False)
    assert node["runtime"].startswith("docker://")
    assert node["annotations"]["kubeadm.alpha.kubernetes.io/cri-socket"] == "/var/run/dockershim.sock"
    assert fresh_lab.on(NODE, "cd /etc; find . -type f | sort | xargs sha256sum") == files
    assert fresh_lab.on(NODE, "ctr -n k8s.io tasks list -q").strip() == ""
    fresh_lab.all_available()
    agent = next(pod for pod in fresh_lab.pods(NODE) if pod["metadata"]["labels"].get("app") == "agent")
    name = agent["metadata"]["name"]
    assert fresh_lab.kubectl("-n", "shop", "logs", name).strip() == f"agent on {name}"
    fresh_lab.on(NODE, f"rm {HOOK}\nsystemctl daemon-reload\nsystemctl restart containerd\n")
