"""What becomes of everything in Docker's configuration."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from migrator.model.fate import Fate, KeyFate
from migrator.nodeconf.settings import Proxy, RuntimeSettings
from migrator.runtimes import docker
from migrator.runtimes.destination import Destination
from migrator.runtimes.docker import DockerSource
from migrator.runtimes.docker import options as docker_options
from migrator.runtimes.docker.keys import KEYS

CARRIED, MOVED, NEVER, LOST, UNKNOWN = Fate.CARRIED, Fate.MOVED, Fate.NOT_APPLICABLE, Fate.LOST, Fate.UNKNOWN
C14, C16, C17 = (Destination(runtime="containerd", version=(1, minor), kubelet=(1, 20)) for minor in (4, 6, 7))
C20, C21 = (Destination(runtime="containerd", version=(2, minor), kubelet=(1, 34)) for minor in (0, 1))
CRIO20 = Destination(runtime="crio", version=(1, 20), kubelet=(1, 20))
CRIO30 = Destination(runtime="crio", version=(1, 30), kubelet=(1, 30))
CRI_1 = 'config.toml: plugins."io.containerd.grpc.v1.cri"'
RUNTIME_2 = 'config.toml: plugins."io.containerd.cri.v1.runtime"'
CRIO = "/etc/crio/crio.conf.d/20-migrator.conf: "
KUBELET = "/var/lib/kubelet/config.yaml: "
NOFILE = {"nofile": {"Name": "nofile", "Soft": 4096, "Hard": 8192}}

Row = tuple[dict[str, Any], Destination, str, Fate, str, str]

# options, destination, key of the fate, fate, part of where to or why, what it rests on
ROWS: list[Row] = [
    # Registries.
    ({"registry-mirrors": ["https://m"]}, C16, "registry-mirrors", CARRIED, "certs.d/docker.io/hosts.toml", "containerd docs/hosts.md"),
    ({"registry-mirrors": ["https://m"]}, C14, "registry-mirrors", CARRIED, f'{CRI_1}.registry.mirrors."docker.io"', "containerd 1.4 docs/registry.md"),
    ({"registry-mirrors": ["https://m/"]}, CRIO20, "registry-mirrors", CARRIED, "registries.conf.d", "containers-registries.conf(5)"),
    ({"registry-mirrors": ["https://m/p"]}, C16, "registry-mirrors", CARRIED, "hosts.toml", "containerd docs/hosts.md, override_path"),
    ({"registry-mirrors": ["https://m/p", "https://m"]}, CRIO20, "registry-mirrors.https://m/p", LOST, "a path before", "containers/image docker/docker_client.go"),
    ({"registry-mirrors": ["https://m/p", "https://m"]}, CRIO20, "registry-mirrors.https://m", CARRIED, "registries", "containers-registries.conf(5)"),
    ({"registry-mirrors": []}, C16, "registry-mirrors", NEVER, "empty", "moby registry/config.go"),
    ({"insecure-registries": ["r:5000"]}, C16, "insecure-registries.r:5000", CARRIED, "certs.d/r:5000/hosts.toml", "containerd remotes/docker/config/hosts.go"),
    ({"insecure-registries": ["http://r:5000"]}, C16, "insecure-registries.http://r:5000", CARRIED, "certs.d/r:5000/", "moby registry/config.go, loadInsecureRegistries"),
    ({"insecure-registries": ["r:5000"]}, C14, "insecure-registries.r:5000", CARRIED, 'registry.configs."r:5000"', "containerd 1.4 docs/registry.md"),
    ({"insecure-registries": ["r:5000"]}, CRIO20, "insecure-registries.r:5000", CARRIED, "registries.conf.d", "containers-registries.conf(5)"),
    ({"insecure-registries": ["docker.io"]}, C16, "insecure-registries.docker.io", NEVER, "secure whatever", "moby registry/config.go"),
    ({"insecure-registries": ["10.0.0.0/8"]}, C16, "insecure-registries.10.0.0.0/8", LOST, "no image or mirror", "containerd docs/hosts.md"),
    ({"insecure-registries": ["10.0.0.0/8"], "registry-mirrors": ["https://10.0.0.1"]}, C16, "insecure-registries.10.0.0.0/8", CARRIED, "10.0.0.1", "moby registry/service_v2.go"),
    ({"allow-nondistributable-artifacts": ["r"]}, C16, "allow-nondistributable-artifacts", NEVER, "pushing", "moby registry/config.go"),
    ({"proxies": {"http-proxy": "http://p:1"}}, C16, "proxies.http-proxy", CARRIED, "containerd.service.d/zz-migrator.conf: HTTP_PROXY", "moby daemon/command/daemon.go"),
    ({"proxies": {"no-proxy": "a,b"}}, CRIO20, "proxies.no-proxy", CARRIED, "crio.service.d/zz-migrator.conf: NO_PROXY", "systemd.exec(5)"),
    ({"proxies": {"https-proxy": "http://u:secret@p"}}, C16, "proxies.https-proxy", LOST, "password", "moby daemon/config, MaskCredentials"),
    ({"proxies": {"https-proxy": "http://p"}}, C16, "proxies.https-proxy", CARRIED, "HTTPS_PROXY", "moby daemon/command/daemon.go"),
    ({"proxies": {"https-proxy": "http://token@p"}}, C16, "proxies.https-proxy", LOST, "password", "a token may stand alone"),
    ({"proxies": {"http-proxy": ""}}, C16, "proxies.http-proxy", NEVER, "empty", "moby daemon/command/daemon.go"),
    ({"proxies": {"ftp-proxy": "x"}}, C16, "proxies.ftp-proxy", UNKNOWN, "no Docker", "moby daemon/config/config.go"),
    ({"http-proxy": "http://p"}, C16, "http-proxy", NEVER, "name of a flag", "moby daemon/config, findConfigurationConflicts"),
    ({"registry-mirror": ["x"]}, C16, "registry-mirror", NEVER, "name of a flag", "moby daemon/config, findConfigurationConflicts"),
    ({"max-concurrent-downloads": 3}, C16, "max-concurrent-downloads", NEVER, "default", "containerd docs/cri/config.md"),
    ({"max-concurrent-downloads": 2}, C16, "max-concurrent-downloads", CARRIED, f"{CRI_1}.max_concurrent_downloads", "containerd docs/cri/config.md"),
    ({"max-concurrent-downloads": 2}, C20, "max-concurrent-downloads", CARRIED, "cri.v1.images", "containerd 2.0 docs/cri/config.md"),
    ({"max-concurrent-downloads": 2}, C21, "max-concurrent-downloads", CARRIED, "io.containerd.transfer.v1.local", "containerd 2.1 docs/cri/config.md"),
    ({"max-concurrent-downloads": 2}, CRIO20, "max-concurrent-downloads", LOST, "no limit", "CRI-O pkg/config"),
    ({"max-concurrent-downloads": 2}, CRIO30, "max-concurrent-downloads", LOST, "maxParallelImagePulls", "kubelet config/v1beta1 1.27"),
    ({"max-concurrent-uploads": 2}, C16, "max-concurrent-uploads", NEVER, "pushing", "moby daemon/config"),
    ({"max-download-attempts": 2}, C16, "max-download-attempts", NEVER, "tries again", "moby daemon/config"),
    # Data.
    ({"data-root": "/data/docker"}, C16, "data-root", CARRIED, "config.toml: root", "containerd docs/man/containerd-config.toml.5.md"),
    ({"data-root": "/data/docker"}, CRIO20, "data-root", CARRIED, f"{CRIO}[crio] root", "CRI-O docs/crio.conf.5.md"),
    ({"graph": "/data/docker"}, C16, "graph", CARRIED, "/data/containerd", "moby 19.03 cmd/dockerd"),
    ({"exec-root": "/x"}, C16, "exec-root", NEVER, "/run", "containerd config, state"),
    ({"storage-driver": "overlay2"}, C16, "storage-driver", CARRIED, f"{CRI_1}.containerd.snapshotter", "containerd docs/snapshotters"),
    ({"storage-driver": "overlay"}, C16, "storage-driver", CARRIED, "overlay2", "moby 24.0 removed overlay"),
    ({"storage-driver": "btrfs"}, C20, "storage-driver", CARRIED, "cri.v1.images", "containerd 2.0 docs/cri/config.md"),
    ({"storage-driver": "zfs"}, CRIO20, "storage-driver", CARRIED, f"{CRIO}[crio] storage_driver", "containers/storage drivers"),
    ({"storage-driver": "overlayfs"}, C16, "storage-driver", CARRIED, "snapshotter", "moby 29 containerd image store"),
    ({"storage-driver": "devicemapper"}, C16, "storage-driver", LOST, "thin pool", "containerd docs/snapshotters/devmapper.md"),
    ({"storage-driver": "aufs"}, CRIO20, "storage-driver", LOST, "aufs", "moby 24.0 removed aufs"),
    ({"storage-driver": "fuse-overlayfs"}, C16, "storage-driver", LOST, "kernel's own", "moby daemon/graphdriver"),
    ({"storage-driver": "plugin/x"}, C16, "storage-driver", LOST, "no such driver", "moby daemon/graphdriver"),
    ({"storage-opts": ["overlay2.size=9G"]}, C16, "storage-opts.overlay2.size", LOST, "ephemeral-storage", "moby daemon/graphdriver/overlay2"),
    ({"storage-opts": ["overlay2.size=9G"]}, CRIO20, "storage-opts.overlay2.size", CARRIED, "storage_option", "containers-storage.conf(5)"),
    ({"storage-opts": ["overlay2.override_kernel_check=true"]}, C16, "storage-opts.overlay2.override_kernel_check", NEVER, "kernel", "moby daemon/graphdriver/overlay2"),
    ({"storage-opts": ["dm.basesize=20G"]}, C16, "storage-opts.dm.basesize", LOST, "devicemapper", "moby 25.0 removed devicemapper"),
    ({"storage-opts": ["zfs.fsname=p/d"]}, C16, "storage-opts.zfs.fsname", LOST, "data set", "containerd/zfs"),
    ({"storage-opts": ["size=1G"]}, C16, "storage-opts.size", LOST, "ephemeral-storage", "moby daemon/graphdriver/vfs"),
    ({"storage-opts": ["x.y=1"]}, C16, "storage-opts.x.y", UNKNOWN, "no storage driver", "moby daemon/graphdriver"),
    # What containers have.
    ({"exec-opts": ["native.cgroupdriver=systemd"]}, C16, "exec-opts.native.cgroupdriver", CARRIED, f"{CRI_1}.containerd.runtimes.runc.options.SystemdCgroup", "containerd docs/cri/config.md"),
    ({"exec-opts": ["native.cgroupdriver=systemd"]}, C20, "exec-opts.native.cgroupdriver", CARRIED, f"{RUNTIME_2}.containerd.runtimes.runc", "containerd 2.0 docs/cri/config.md"),
    ({"exec-opts": ["native.cgroupdriver=cgroupfs"]}, CRIO20, "exec-opts.native.cgroupdriver", CARRIED, "cgroup_manager", "CRI-O docs/crio.conf.5.md"),
    ({"exec-opts": ["isolation=process"]}, C16, "exec-opts.isolation", UNKNOWN, "on Linux", "moby daemon/config, validatePlatformExecOpt"),
    ({"default-runtime": "runc"}, C16, "default-runtime", NEVER, "it is runc", "moby daemon/runtime_unix.go"),
    ({"default-runtime": "n", "runtimes": {"n": {"path": "/n"}}}, C16, "default-runtime", CARRIED, f"{CRI_1}.containerd.default_runtime_name", "containerd docs/cri/config.md"),
    ({"default-runtime": "n", "runtimes": {"n": {"path": "/n"}}}, CRIO20, "default-runtime", CARRIED, f"{CRIO}[crio.runtime] default_runtime", "CRI-O docs/crio.conf.5.md"),
    ({"default-runtime": "n", "runtimes": {"n": {"path": "n"}}}, CRIO20, "default-runtime", LOST, "full path", "CRI-O pkg/config, ValidateRuntimePath"),
    ({"default-runtime": "io.containerd.runsc.v1"}, C16, "default-runtime", CARRIED, "default_runtime_name", "moby 23.0 daemon/runtime_unix.go"),
    ({"default-runtime": "gone"}, C16, "default-runtime", LOST, "no runtime of that name", "moby daemon/runtime_unix.go"),
    ({"runtimes": {"crun": {"path": "/usr/bin/crun"}}}, C16, "runtimes.crun", CARRIED, f"{CRI_1}.containerd.runtimes.crun", "containerd docs/cri/config.md"),
    ({"runtimes": {"crun": {"path": "/usr/bin/crun"}}}, CRIO20, "runtimes.crun", CARRIED, "[crio.runtime.runtimes.crun]", "CRI-O docs/crio.conf.5.md"),
    ({"runtimes": {"crun": {"path": "crun"}}}, CRIO20, "runtimes.crun", LOST, "full path", "CRI-O pkg/config, ValidateRuntimePath"),
    ({"runtimes": {"r": {"path": "/r", "runtimeArgs": ["--x"]}}}, C16, "runtimes.r", LOST, "without its 1 runtimeArgs", "moby daemon/runtime_unix.go, wrapRuntime"),
    ({"runtimes": {"r": {"path": "/r", "runtimeArgs": []}}}, C16, "runtimes.r", CARRIED, "RuntimeClass", "moby daemon/runtime_unix.go"),
    ({"runtimes": {"k": {"runtimeType": "io.containerd.kata.v2"}}}, C16, "runtimes.k", CARRIED, "runtimes.k", "moby 23.0 daemon/runtime_unix.go"),
    ({"runtimes": {"k": {"runtimeType": "io.containerd.kata.v2"}}}, CRIO20, "runtimes.k", LOST, "full path", "CRI-O pkg/config"),
    ({"runtimes": {"k": {"runtimeType": "/o/containerd-shim-kata-v2"}}}, CRIO20, "runtimes.k", CARRIED, "runtimes.k", "CRI-O pkg/config, ValidateRuntimeVMBinaryPattern"),
    ({"runtimes": {"k": {"runtimeType": "/o/containerd-shim-kata-v2"}}}, C14, "runtimes.k", LOST, "before 1.6", "containerd pkg/cri/config, runtime_path"),
    ({"runtimes": {"k": {"runtimeType": "/o/shim"}}}, C16, "runtimes.k", LOST, "usual name", "containerd runtime/v2/shim, BinaryName"),
    ({"runtimes": {"c": {"runtimeType": "io.containerd.runc.v2", "options": {"BinaryName": "/c"}}}}, CRIO20, "runtimes.c", CARRIED, "runtimes.c", "CRI-O docs/crio.conf.5.md"),
    ({"runtimes": {"c": {"runtimeType": "io.containerd.runc.v2", "options": {"BinaryName": "/c", "Root": "/r"}}}}, CRIO20, "runtimes.c", LOST, "Root", "CRI-O pkg/config"),
    ({"runtimes": {"runc": {"path": "runc"}}}, C16, "runtimes.runc", NEVER, "it is runc", "moby daemon/runtime_unix.go"),
    ({"default-ulimits": NOFILE}, C16, "default-ulimits.nofile", CARRIED, "migrator-spec.json", "containerd pkg/cri/server/container_create_linux.go 1.5"),
    ({"default-ulimits": NOFILE}, C14, "default-ulimits.nofile", MOVED, "containerd.service.d/zz-migrator.conf: LimitNOFILE", "containerd 1.4 pkg/server/container_create_unix.go"),
    ({"default-ulimits": NOFILE}, CRIO20, "default-ulimits.nofile", CARRIED, "default_ulimits", "CRI-O docs/crio.conf.5.md"),
    ({"init": False}, C16, "init", NEVER, "default", "moby daemon/config"),
    ({"init": True}, C16, "init", LOST, "shareProcessNamespace", "moby daemon/oci_linux.go"),
    ({"init": True}, CRIO30, "init", LOST, "init process", "moby daemon/oci_linux.go"),
    ({"init-path": "/tini"}, C16, "init-path", NEVER, "the key init", "moby daemon/config"),
    ({"default-init": "tini"}, C16, "default-init", NEVER, "the key init", "moby daemon/config"),
    ({"no-new-privileges": True}, C16, "no-new-privileges", LOST, "allowPrivilegeEscalation", "moby daemon/daemon_unix.go"),
    ({"no-new-privileges": False}, C16, "no-new-privileges", NEVER, "default", "moby daemon/config"),
    ({"userns-remap": "default"}, C16, "userns-remap", LOST, "hostUsers", "moby daemon/daemon_unix.go"),
    ({"seccomp-profile": "/p.json"}, C16, "seccomp-profile", LOST, "Localhost", "containerd docs/cri/config.md, unset_seccomp_profile"),
    ({"seccomp-profile": "/p.json"}, C20, "seccomp-profile", LOST, "seccompDefault", "kubelet config/v1beta1 1.22"),
    ({"seccomp-profile": "/p.json"}, CRIO20, "seccomp-profile", CARRIED, "seccomp_profile", "CRI-O docs/crio.conf.5.md"),
    ({"seccomp-profile": "unconfined"}, CRIO20, "seccomp-profile", LOST, "Docker gave them none", "moby daemon/seccomp_linux.go"),
    ({"seccomp-profile": "builtin"}, C16, "seccomp-profile", NEVER, "default", "moby daemon/config"),
    ({"selinux-enabled": True}, C16, "selinux-enabled", CARRIED, f"{CRI_1}.enable_selinux", "containerd docs/cri/config.md"),
    ({"selinux-enabled": False}, CRIO20, "selinux-enabled", CARRIED, "[crio.runtime] selinux", "CRI-O pkg/config"),
    ({"default-cgroupns-mode": "private"}, C16, "default-cgroupns-mode", NEVER, "cgroup v2", "containerd pkg/cri/server, WithNamespacedCgroup"),
    ({"default-cgroupns-mode": "host"}, C16, "default-cgroupns-mode", LOST, "cgroup namespace", "containerd pkg/cri/server"),
    ({"default-ipc-mode": "shareable"}, C16, "default-ipc-mode", NEVER, "every container", "kubernetes 1.20 pkg/kubelet/dockershim/security_context.go"),
    ({"default-shm-size": "1G"}, C16, "default-shm-size", NEVER, "every container", "kubernetes 1.20 pkg/kubelet/dockershim"),
    ({"default-stop-timeout": 5}, C16, "default-stop-timeout", NEVER, "every container", "moby 29 daemon/config"),
    ({"cgroup-parent": "/x"}, C16, "cgroup-parent", NEVER, "every container", "kubernetes 1.20 pkg/kubelet/dockershim"),
    ({"cpu-rt-period": 1}, C16, "cpu-rt-period", NEVER, "real-time", "moby daemon/config"),
    ({"cpu-rt-runtime": 1}, C16, "cpu-rt-runtime", NEVER, "real-time", "moby daemon/config"),
    # What older releases had.
    ({"disable-legacy-registry": True}, C16, "disable-legacy-registry", NEVER, "first protocol", "moby 18.09 registry/config.go, V2Only"),
    ({"disable-legacy-registry": False}, C16, "disable-legacy-registry", LOST, "first protocol", "moby 1.13 registry/config.go, V2Only"),
    ({"api-enable-cors": True}, C16, "api-enable-cors", NEVER, "API", "moby 1.13 daemon/config.go, EnableCors"),
    ({"signature-verification": "false"}, C16, "signature-verification", NEVER, "default", "CentOS 7, /etc/sysconfig/docker"),
    ({"signature-verification": True}, C16, "signature-verification", LOST, "policy.json", "CentOS 7, /etc/sysconfig/docker"),
    ({"add-registry": "registry.access.redhat.com"}, C16, "add-registry", LOST, "docker.io alone", "CentOS 7, /etc/sysconfig/docker"),
    ({"block-registry": "docker.io"}, C16, "block-registry", LOST, "admission", "CentOS 7, /etc/sysconfig/docker"),
    ({"enable-secrets": "true"}, C16, "enable-secrets", NEVER, "subscriptions", "projectatomic/docker 1.13.1"),
    ({"dns": ["1.1.1.1"]}, C16, "dns", NEVER, "resolvConf", "kubernetes 1.20 dockershim, rewriteResolvFile"),
    ({"dns-opts": ["a"]}, C16, "dns-opts", NEVER, "resolvConf", "kubernetes 1.20 dockershim, rewriteResolvFile"),
    ({"dns-search": ["a"]}, C16, "dns-search", NEVER, "resolvConf", "kubernetes 1.20 dockershim, rewriteResolvFile"),
    ({"resolv-conf": "/r"}, C16, "resolv-conf", NEVER, "resolvConf", "kubernetes 1.20 dockershim, rewriteResolvFile"),
    ({"cdi-spec-dirs": ["/c"]}, C16, "cdi-spec-dirs", NEVER, "CDI", "containerd 1.7 docs/cri/config.md"),
    ({"cdi-spec-dirs": ["/c"]}, C17, "cdi-spec-dirs", CARRIED, f"{CRI_1}.cdi_spec_dirs", "containerd 1.7 docs/cri/config.md"),
    ({"cdi-spec-dirs": ["/c"]}, CRIO30, "cdi-spec-dirs", CARRIED, "cdi_spec_dirs", "CRI-O 1.24 pkg/config"),
    ({"nri-opts": {"enable": True}}, C16, "nri-opts", LOST, "NRI", "containerd 2.0 docs/NRI.md"),
    ({"nri-opts": {"enable": True}}, C20, "nri-opts", CARRIED, "io.containerd.nri.v1.nri", "containerd 2.0 docs/NRI.md"),
    ({"nri-opts": {"enable": True, "plugin-path": "/x"}}, C20, "nri-opts", LOST, "folders", "moby 29 daemon/pkg/opts"),
    ({"nri-opts": {"enable": False}}, C20, "nri-opts", NEVER, "default", "moby 29 daemon/pkg/opts"),
    # Logs.
    ({"log-driver": "json-file"}, C16, "log-driver", CARRIED, "/var/log/pods", "kubernetes CRI logging"),
    ({"log-driver": "local"}, C16, "log-driver", MOVED, f"{KUBELET}containerLogMaxSize", "moby daemon/logger/local"),
    ({"log-driver": "journald"}, C16, "log-driver", LOST, "journald", "kubernetes CRI logging"),
    ({"log-driver": "fluentd"}, CRIO20, "log-driver", LOST, "no longer go to fluentd", "kubernetes CRI logging"),
    ({"log-driver": "none"}, C16, "log-driver", LOST, "thrown away", "moby daemon/logger"),
    ({"log-opts": {"max-size": "100m"}}, C16, "log-opts.max-size", MOVED, "100000000 bytes", "docker/go-units size.go"),
    ({"log-opts": {"max-size": "1m", "max-file": "3"}}, C16, "log-opts.max-file", MOVED, f"{KUBELET}containerLogMaxFiles", "kubelet config/v1beta1"),
    ({"log-opts": {"max-size": "1m", "max-file": "1"}}, C16, "log-opts.max-file", MOVED, "2 files, the fewest", "kubelet config/v1beta1"),
    ({"log-opts": {"max-file": "3"}}, C16, "log-opts.max-file", NEVER, "without max-size", "moby daemon/logger/loggerutils"),
    ({"log-opts": {"compress": "true"}}, C16, "log-opts.compress", MOVED, "compresses", "kubelet pkg/kubelet/logs"),
    ({"log-opts": {"labels": "a"}}, C16, "log-opts.labels", LOST, "attributes", "moby daemon/logger/jsonfilelog"),
    ({"log-opts": {"env": "a"}}, C16, "log-opts.env", LOST, "attributes", "moby daemon/logger/jsonfilelog"),
    ({"log-opts": {"tag": "{{.Name}}"}}, C16, "log-opts.tag", LOST, "attributes", "moby daemon/logger/jsonfilelog"),
    ({"log-opts": {"mode": "non-blocking"}}, C16, "log-opts.mode", LOST, "waits", "moby daemon/logger/ring.go"),
    ({"log-opts": {"mode": "blocking"}}, C16, "log-opts.mode", NEVER, "wait", "moby daemon/logger"),
    ({"log-opts": {"cache-disabled": "true"}}, C16, "log-opts.cache-disabled", NEVER, "copy", "moby daemon/logger/loggerutils/cache"),
    ({"log-opts": {"odd": "1"}}, C16, "log-opts.odd", UNKNOWN, "no Docker", "moby daemon/logger/jsonfilelog"),
    ({"log-opts": {"fluentd-address": "a"}, "log-driver": "fluentd"}, C16, "log-opts.fluentd-address", LOST, "fluentd", "moby daemon/logger/fluentd"),
    ({"log-opts": {"max-size": "1m"}, "log-driver": "none"}, C16, "log-opts.max-size", NEVER, "no effect", "moby daemon/logger"),
    # The runtime itself.
    ({"debug": True}, C16, "debug", CARRIED, "config.toml: debug.level", "containerd docs/man/containerd-config.toml.5.md"),
    ({"debug": True}, CRIO20, "debug", CARRIED, "log_level", "CRI-O docs/crio.conf.5.md"),
    ({"debug": False}, C16, "debug", NEVER, "default", "moby daemon/config"),
    ({"log-level": "warn"}, C16, "log-level", CARRIED, "debug.level", "containerd docs/man/containerd-config.toml.5.md"),
    ({"log-level": "info"}, C16, "log-level", NEVER, "default", "moby daemon/config"),
    ({"log-level": "warn", "debug": True}, C16, "log-level", NEVER, "debug beats it", "moby cmd/dockerd/daemon.go"),
    ({"log-format": "json"}, C16, "log-format", CARRIED, "debug.format", "containerd 1.5 services/server/config"),
    ({"log-format": "json"}, CRIO30, "log-format", LOST, "one format", "CRI-O pkg/config"),
    ({"log-format": "text"}, C16, "log-format", NEVER, "default", "moby daemon/config"),
    ({"raw-logs": True}, C16, "raw-logs", NEVER, "own log", "moby daemon/config"),
    ({"metrics-addr": "127.0.0.1:9323"}, C16, "metrics-addr", LOST, "Docker has this address", "containerd docs/ops.md"),
    ({"metrics-addr": "127.0.0.1:9323"}, CRIO30, "metrics-addr", LOST, "Docker has this address", "CRI-O 1.30 pkg/config"),
    ({"live-restore": True}, C16, "live-restore", NEVER, "live on", "containerd runtime/v2"),
    ({"live-restore": False}, C16, "live-restore", NEVER, "restart", "moby daemon/config"),
    ({"oom-score-adjust": -500}, C16, "oom-score-adjust", NEVER, "own process", "moby 25.0 removed oom-score-adjust"),
    ({"shutdown-timeout": 30}, C16, "shutdown-timeout", NEVER, "shutdownGracePeriod", "moby daemon/config"),
    ({"features": {"buildkit": True}}, C16, "features.buildkit", NEVER, "building", "moby cmd/dockerd/daemon.go"),
    ({"features": {"containerd-snapshotter": True}}, C16, "features.containerd-snapshotter", NEVER, "namespace moby", "moby daemon/daemon.go"),
    ({"features": {"cdi": True}}, C17, "features.cdi", CARRIED, f"{CRI_1}.enable_cdi", "containerd 1.7 docs/cri/config.md"),
    ({"features": {"cdi": True}}, C16, "features.cdi", NEVER, "CDI", "containerd 1.7 docs/cri/config.md"),
    ({"features": {"cdi": False}}, C17, "features.cdi", NEVER, "CDI", "moby cmd/dockerd/daemon.go"),
    ({"features": {"new": True}}, C16, "features.new", UNKNOWN, "of this name", "moby v29.7.2"),
    ({"experimental": True}, C16, "experimental", NEVER, "Kubernetes", "moby daemon/config"),
    ({"containerd": "/run/containerd/containerd.sock"}, C16, "containerd", NEVER, "k8s.io", "moby cmd/dockerd"),
    ({"containerd-namespace": "m"}, C16, "containerd-namespace", NEVER, "k8s.io", "moby cmd/dockerd"),
    ({"containerd-plugin-namespace": "p"}, C16, "containerd-plugin-namespace", NEVER, "k8s.io", "moby cmd/dockerd"),
    ({"cri-containerd": True}, C16, "cri-containerd", NEVER, "k8s.io", "moby cmd/dockerd"),
    ({"pidfile": "/p"}, C16, "pidfile", NEVER, "own process", "moby daemon/config"),
    ({"restart": False}, C16, "restart", NEVER, "kubelet starts", "moby cmd/dockerd/config.go"),
    ({"rootless": True}, C16, "rootless", NEVER, "own process", "moby daemon/config"),
    ({"deprecated-key-path": "/k"}, C16, "deprecated-key-path", NEVER, "pushed", "moby daemon/config, skipValidateOptions"),
    # Networks.
    ({"ip-forward": True}, C16, "ip-forward", MOVED, "zz-migrator.conf: net.ipv4.ip_forward", "kubernetes/website#36336"),
    ({"ip-forward": False}, C16, "ip-forward", NEVER, "as it was", "moby libnetwork/drivers/bridge"),
    ({"ipv6": True}, C16, "ipv6", MOVED, "net.ipv6.conf.all.forwarding", "moby libnetwork/drivers/bridge/setup_ipv6.go"),
    ({"ipv6": True, "ip-forward": False}, C16, "ipv6", NEVER, "as it was", "moby libnetwork/drivers/bridge"),
    ({"ipv6": False}, C16, "ipv6", NEVER, "as it was", "moby libnetwork/drivers/bridge"),
    ({"icc": True}, C16, "icc", NEVER, "networks", "moby daemon/config"),
    *(
        ({key: value}, C16, key, NEVER, "Docker's own", "moby daemon/config, BridgeConfig")
        for key, value in {
            "ip-forward-no-drop": True, "iptables": False, "ip6tables": True, "firewall-backend": "nftables",
            "bridge-accept-fwmark": "1", "allow-direct-routing": True, "bip": "172.30.0.1/24", "bip6": "fd00::1/64",
            "bridge": "none", "default-address-pools": [{"base": "172.30.0.0/16", "size": 24}],
            "default-gateway": "10.0.0.1", "default-gateway-v6": "fd00::1",
            "default-network-opts": {"bridge": {"com.docker.network.driver.mtu": "9000"}},
            "fixed-cidr": "10.0.0.0/24", "fixed-cidr-v6": "fd00::/64", "ip": "10.0.0.1", "ip-masq": False, "mtu": 1400,
            "network-control-plane-mtu": 1400, "network-diagnostic-port": 1, "userland-proxy": False,
            "userland-proxy-path": "/x",
        }.items()
    ),
    ({"host-gateway-ip": "10.0.0.1"}, C16, "host-gateway-ip", NEVER, "--add-host", "moby daemon/config"),
    ({"host-gateway-ips": ["10.0.0.1"]}, C16, "host-gateway-ips", NEVER, "--add-host", "moby 28 daemon/config"),
    # Docker's API, Swarm and building.
    ({"hosts": ["fd://", "unix:///run/x.sock"]}, C16, "hosts", NEVER, "own socket", "moby cmd/dockerd"),
    ({"hosts": ["fd://", "tcp://0.0.0.0:2376"]}, C16, "hosts", LOST, "tcp://0.0.0.0:2376", "moby cmd/dockerd"),
    *(
        ({key: value}, C16, key, NEVER, "API", "moby cmd/dockerd/options.go")
        for key, value in {
            "group": "docker", "tls": True, "tlscacert": "/a", "tlscert": "/b", "tlskey": "/c", "tlsverify": True,
            "api-cors-header": "*", "min-api-version": "1.24", "authorization-plugins": ["opa"],
        }.items()
    ),
    ({"labels": ["a=b"]}, C16, "labels", NEVER, "labels of their own", "moby daemon/config"),
    ({"builder": {"gc": {"enabled": True}}}, C16, "builder", NEVER, "building", "moby daemon/config/builder.go"),
    *(
        ({key: value}, C16, key, NEVER, "Swarm", "moby daemon/config")
        for key, value in {
            "cluster-advertise": "eth0", "cluster-store": "consul://x", "cluster-store-opts": {"a": "b"},
            "node-generic-resources": ["gpu=1"], "swarm-default-advertise-addr": "eth0",
            "swarm-raft-election-tick": 3, "swarm-raft-heartbeat-tick": 1,
        }.items()
    ),
    # No key.
    ({"future": {"a": 1}}, C16, "future", UNKNOWN, "no Docker", "moby v29.7.2"),
    ({"a.b%": 1}, C16, "a%2Eb%25", UNKNOWN, "no Docker", "moby v29.7.2"),
    ({"log-opts": None}, C16, "log-opts", NEVER, "null", "Go encoding/json"),
]  # fmt: skip


def fates(options: dict[str, Any], to: Destination = C16, **source: Any) -> dict[str, KeyFate]:
    """Give the fates of options that Docker would take, by key."""
    read = docker_options.read(json.dumps(options))
    return {fate.key: fate for fate in docker.fates(DockerSource(options=read, **source), to)}


def settings(options: dict[str, Any], to: Destination = C16, **source: Any) -> RuntimeSettings:
    """Give the settings that options become."""
    read = docker_options.read(json.dumps(options))
    return docker.settings(DockerSource(options=read, **source), RuntimeSettings(cgroup_driver="systemd"), to)


@pytest.mark.parametrize(
    ("options", "to", "key", "fate", "text", "source"),
    ROWS,
    ids=[f"{json.dumps(row[0])} to {row[1].runtime} {row[1].version[0]}.{row[1].version[1]}" for row in ROWS],
)
def test_a_value_has_the_fate_that_upstream_says(
    options: dict[str, Any], to: Destination, key: str, fate: Fate, text: str, source: str
) -> None:
    """Each value of each key is carried, moved, left or lost as the sources of both sides say, and it says why."""
    found = fates(options, to)

    assert found[key].fate is fate, source
    assert text in f"{found[key].to} {found[key].reason}", source


def test_every_key_has_a_row() -> None:
    """No key is without a case for the containerd that most nodes get."""
    assert {key for options, to, *_ in ROWS if to == C16 for key in options} >= set(KEYS)


INVENTORY = json.loads((Path(__file__).parent / "cases" / "docker_keys.json").read_text())
"""For each release of Docker the keys that came and went (moby, daemon/config and cmd/dockerd)."""


def known(release: str) -> set[str]:
    """Give the keys of a release."""
    keys: set[str] = set()
    for name, change in INVENTORY.items():
        keys = keys - set(change["removed"]) | set(change["added"])
        if name == release:
            return keys
    raise KeyError(release)


@pytest.mark.parametrize("release", INVENTORY)
def test_every_key_of_a_release_has_a_rule_and_no_other(release: str) -> None:
    """The table of keys has exactly what Docker knew, release by release."""
    order = list(INVENTORY)

    def has(key: str) -> bool:
        rule = KEYS[key]
        return order.index(rule.since) <= order.index(release) <= order.index(rule.until or order[-1])

    assert {key for key in KEYS if has(key)} == known(release)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)
SAMPLES = {key: [row[0][key] for row in ROWS if key in row[0]] for row in ROWS for key in row[0]}
KNOWN = st.dictionaries(st.sampled_from(sorted(SAMPLES)), st.none(), max_size=8).flatmap(
    lambda chosen: st.fixed_dictionaries({key: st.sampled_from(SAMPLES[key]) for key in chosen})
)
ANY = st.dictionaries(st.text(max_size=12) | st.sampled_from(sorted(KEYS)), JSON, max_size=4)


@given(KNOWN, ANY, st.sampled_from([C14, C16, C17, C20, C21, CRIO20, CRIO30]))
def test_nothing_vanishes(known_options: dict[str, Any], others: dict[str, Any], to: Destination) -> None:
    """Every option has a fate and nothing else has one, each once, with a reason or a place; settings are made."""
    try:
        options = docker_options.read(json.dumps({**others, **known_options}))
    except ValueError:
        options = docker_options.read(json.dumps(known_options))
    source = DockerSource(options=options, image_hosts=("10.1.1.1:5000", "x"), version="20.10.24")

    found = docker.fates(source, to)

    assert {fate.key.partition(".")[0] for fate in found} == {docker.key_of(key) for key in options}
    assert len({fate.key for fate in found}) == len(found)
    assert all(fate.to or fate.reason for fate in found)
    assert all(fate.to for fate in found if fate.fate in {CARRIED, MOVED})
    assert all(fate.reason for fate in found if fate.fate in {NEVER, LOST, UNKNOWN})
    docker.settings(source, RuntimeSettings(cgroup_driver="systemd"), to)


def test_a_network_names_the_registries_that_it_is_carried_for() -> None:
    """A network is expanded to the addresses that images here are from, and says which."""
    hosts = ("10.1.1.1:5000", "10.1.1.2", "192.168.0.1", "10.1.1.1:5000/../x")
    options = {"insecure-registries": ["10.0.0.0/8"]}

    assert fates(options, image_hosts=hosts)["insecure-registries.10.0.0.0/8"].reason.endswith(
        "10.1.1.1:5000, 10.1.1.2"
    )
    assert [entry.name for entry in settings(options, image_hosts=hosts).registries] == ["10.1.1.1:5000", "10.1.1.2"]


def test_a_network_needs_the_names_of_registries_inside_it() -> None:
    """Docker looks names up, so one that no entry names may be inside; with its own entry it is no question."""
    hosts = ("10.1.1.1:5000", "registry.corp:5000")
    network = {"insecure-registries": ["10.0.0.0/8"]}
    both = {"insecure-registries": ["10.0.0.0/8", "registry.corp:5000"]}

    found = fates(network, image_hosts=hosts)["insecure-registries.10.0.0.0/8"]

    assert (found.fate, "registry.corp:5000" in found.reason) == (Fate.LOST, True)
    assert fates(both, image_hosts=hosts)["insecure-registries.10.0.0.0/8"].fate is Fate.CARRIED


def test_proxies_of_the_unit_are_entries_of_their_key() -> None:
    """The environment has fates too; the key beats it, upper case beats lower, and an empty one says nothing."""
    environment = {
        "HTTP_PROXY": "",
        "http_proxy": "http://low",
        "HTTPS_PROXY": "http://up",
        "https_proxy": "x",
        "PATH": "/",
    }

    assert set(fates({}, proxies=environment)) == {"proxies.http-proxy", "proxies.https-proxy"}
    assert settings({}, proxies=environment).proxy == Proxy(http="http://low", https="http://up")
    assert settings({"proxies": {"https-proxy": "http://key"}}, proxies=environment).proxy.https == "http://key"


def test_a_password_is_in_no_plan() -> None:
    """A proxy's password is neither carried nor shown."""
    environment = {"HTTPS_PROXY": "http://user:secret@proxy:3128"}

    assert settings({}, proxies=environment).proxy == Proxy()
    assert "secret" not in str(fates({}, proxies=environment))


def test_a_proxy_with_a_line_break_is_refused() -> None:
    """A variable that would end its line in a unit is no value."""
    with pytest.raises(ValueError, match="HTTP_PROXY"):
        settings({}, proxies={"HTTP_PROXY": "http://p\nUser=x"})


def test_data_that_stays_says_why() -> None:
    """Where the data does not follow, the fate has the reason, and the settings have no folder."""
    options = {"data-root": "/data/docker"}

    assert fates(options, keeps_root="same disk")["data-root"].reason == "same disk"
    assert settings(options, keeps_root="same disk").root == ""


def test_hostile_text_comes_through_as_text() -> None:
    """Quotes, templates and shell words in values and in unknown keys are data, and change nothing else."""
    hostile = "\"'\n{{ x }} $(id) ../.. %n"
    found = fates({"labels": [hostile], "log-opts": {"tag": hostile}, hostile: hostile})

    assert found["labels"].fate is NEVER
    assert found["log-opts.tag"].fate is LOST
    assert found[docker.key_of(hostile)].fate is UNKNOWN
    assert all(hostile not in f"{fate.to}{fate.reason}" for fate in found.values())
