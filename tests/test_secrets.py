"""What of each kind of file leaves a node: what a plan reads; and files in which nothing is secret stay as they are."""

from __future__ import annotations

import hashlib
import importlib
import json
import time

import pytest
import yaml

from migrator.model.host_settings import HostSettings
from migrator.planning import translate_node
from migrator.runtimes.docker.keys import KEYS
from tests.fakes import values

importlib.import_module("tests.test_node_facts")  # which tells Python where Ansible's roles are
secrets = importlib.import_module("ansible.module_utils.migrator_inspect_secrets")
CNI, DOCKER, ENVIRONMENT, HOSTS, KUBELET, TOML, UNIT = (
    secrets.CNI, secrets.DOCKER, secrets.ENVIRONMENT, secrets.HOSTS, secrets.KUBELET, secrets.TOML, secrets.UNIT,
)  # fmt: skip


def hashed(secret: str) -> str:
    """Give what stands in for a secret."""
    return "sha256:" + hashlib.sha256(secret.encode()).hexdigest()[:16]


def marked(text: str) -> tuple[str, str]:
    """Give a text without the marks around its secrets, and what must be made of it."""
    pieces = [piece.split("»") for piece in text.split("«")]
    want = "".join(hashed(piece[0]) + piece[1] if len(piece) == 2 else piece[0] for piece in pieces)
    return text.replace("«", "").replace("»", ""), want


# Examples. «…» is what must be hidden, and nothing else may change.

EXAMPLES = [
    (HOSTS, '[host."https://r".header]\n  X-JFrog-Art-Api = "«AKCp8»"\n  Cookie = ["«session=x»"]\n  x-registry-auth = [ \'«a»\', # «two»\n "«b»" ]\n'),
    (HOSTS, '[host."https://r".header]\n  PRIVATE-TOKEN = """«tok»"""\n[host."https://s"]\n  capabilities = ["pull"]\n  ca = "/ca.crt"\n'),
    (HOSTS, 'host."https://r".header.Cookie = ["«a»"]\n[host."https://s"]\n  header = { A = "«b»", "C" = ["«c»"] }\n  skip_verify = true\n'),
    (HOSTS, '["host".\'https://r\'."header"]\nx = "«a»"\n[host."https://«tok»@r"]\n  capabilities = ["pull"]\n'),
    (HOSTS, 'server = "https://«me:pw»@r"\nclient = [["a.cert", "a.key"]]\n# Cookie = "«a»"\n#[host."https://x".header]\n#  A = ["«b»"]\nunknown = "«c»"\n'),
    (ENVIRONMENT, "PROXY_PASS=«hunter2»\nDB_PWD=«hunter2»\nENCRYPTION_KEY=«k»\nSIGN_PRIVATE_KEY=«k»\nVAULT_CREDENTIALS=«c»\nAZURE_STORAGE_SAS=«s»\n"),
    (ENVIRONMENT, "CONN=«AccountKey=abc==»\nMYSTERY=«anything at all»\nexport X=«y»\n  #FOO=«bar»\n; BAR=«foo»\nA=«b»\nPATH=/bin\nGOGC=50\n"),
    (ENVIRONMENT, 'HTTP_PROXY=http://«ghp_token»@proxy:3128\nhttps_proxy="«tok»@proxy"\nALL_PROXY=socks5://«me:pw»@[fd00::1]:1080\nNO_PROXY=10.0.0.0/8,.svc\n'),
    (ENVIRONMENT, 'KUBELET_EXTRA_ARGS="--v=2 --token=«abc» --node-labels=key=gold,auth=ldap --register-with-taints=key=x:NoSchedule"\n'),
    (ENVIRONMENT, "OPTIONS='--log-opt splunk-token=«abc» --log-opt max-size=10m --label owner=«me» -H fd://'\nDOCKER_OPTS=--http-proxy=http://«t»@p\n"),
    (ENVIRONMENT, "«stray words»\n"),
    (UNIT, '[Service]\nEnvironment=A=«b» "PATH=/bin" C=«d»\nEnvironment=GODEBUG=x509ignoreCN=0\nEnvironmentFile=-/etc/default/x\nUser=nobody\n'),
    (UNIT, "ExecStart=/usr/bin/x --header «Authorization:Basic» -e FOO=«bar» --env=BAR=«foo» --manifest-url-header=«A:b» $ARGS\n"),
    (UNIT, "ExecStartPre=/usr/bin/curl -u «me:pw» -H «X-Tok:abc» https://h/x?sig=«s»&a=«b»\nSetCredential=x:«secret»\nX-Note=«any»\n"),
    (UNIT, "ExecStartPre=/usr/bin/curl -u«me:pw» -H«X-Tok:abc» --proxy-user «a:b» --oauth2-bearer «c»\nExecStartPre=/usr/bin/docker login -u me -p «pw» r.example\n"),
    (ENVIRONMENT, "SOMETHING=«--db hunter2»\nKUBELET_X=--v=2\nCOUNT=3\r\nMYSTERY=«abc»\r\n"),
    (UNIT, "Environment=PATH=/bin\n«stray words»\nenvironment=FOO=«bar»\n"),
    (DOCKER, '{"debug": true, // «mine»\n "x": "«cut off»'),
    (UNIT, "#Environment=FOO=«bar»\n# ExecStart=/usr/bin/x --token «abc»\n"),
    (DOCKER, '{"log-opts": {"splunk-token": "«a»", "splunk-url": "«https://x»", "max-size": "10m", "gelf-address": "«udp://h»"}}'),
    (DOCKER, '{"labels": ["a=«b»"], "exec-opts": ["native.cgroupdriver=systemd"], "cluster-store-opts": {"kv.keyfile": "«/x»"}}'),
    (DOCKER, '{"storage-opts": ["dm.thinpooldev=/dev/x", "other=«a»"], "unknown": {"a": ["«b»", true], "c": {"d": "«e»"}}}'),
    (DOCKER, '{"runtimes": {"x": {"path": "/x", "runtimeArgs": ["--token", "«a»", "--v"], "options": {"ConfigBody": "«b»", "BinaryName": "/y"}}}}'),
    (DOCKER, '{"proxies": {"http-proxy": "http://«tok»@p", "no-proxy": "a,b"}, "registry-mirrors": ["https://«u:p»@m"]}'),
    (CNI, '{"cniVersion": "0.3.1", "name": "k8s", "plugins": [{"type": "calico", "etcd_password": "«a»", "policy": {"type": "k8s", "k8s_auth_token": "«b»"}}]}'),
    (CNI, '{"type": "x", "args": {"any": "«a»"}, "ipam": {"type": "host-local", "subnet": "10.0.0.0/8", "routes": [{"dst": "0.0.0.0/0"}]}}'),
    (TOML, '[plugins."x".registry.headers]\n  Foo = ["«a»"]\n[a]\n  db_pw = "«b»"\n  stream_tls_key = "/etc/crio/tls.key"\n  api_key = "«c»"\n'),
    (TOML, 'endpoint = ["https://«tok»@m", "https://m2/?token=«t»"]\nenv = ["FOO=«a»", "PATH=/bin"]\nargs = ["--token", "«b»", "--keys-path", "/etc/k"]\n'),
    (TOML, "# [a.header]\n#   X = '«a»'\n[a.auth]\n  any = '«b»'\n[a]\n  x.headers.y = '«c»'\n"),
    (KUBELET, "staticPodURLHeader:\n  Authorization:\n  - «Bearer abc»\n  Cookie: [«a», '«b»']\nstaticPodURL: https://«tok»@h/x?a=«b»\nport: 1\n"),
    (KUBELET, "registerWithTaints:\n- key: dedicated\n  value: auth\n  effect: NoSchedule\napiSas: «a»\nmanifestURLHeader: {A: [«b»]}\n"),
    (KUBELET, '{"staticPodURLHeader": {"A": ["«a»"]}, "registerWithTaints": [{"key": "x"}], "authentication": {"x509": {"clientCAFile": "/ca"}}}'),
    ("", "loki-url=https://loki/api?token=«a»\nhttps://«%61b%40c»@h/x\nhttp://[::1]:80/x@y\n"),
    ("", 'x: "docker://r:5000/img@sha256:0123"\ny: http://«me:pa/ss»@proxy:3128\n'),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "text"), EXAMPLES)
def test_only_what_is_read_is_kept(kind: str, text: str) -> None:
    """Every example of the review and its neighbours: the secret goes, the rest stays byte for byte, and once is enough."""
    given, want = marked(text)
    kinds = [kind] if kind else []

    assert secrets.redact_file(given, kinds) == want
    assert secrets.redact_file(want, kinds) == want


def test_one_secret_has_one_hash() -> None:
    """Wherever it stands and however it is quoted, so that a running process and its files can be compared."""
    said = {
        secrets.redact_file("A=tok\n", [ENVIRONMENT]),
        secrets.redact_file('A="tok"\n', [ENVIRONMENT]),
        secrets.redact_file("A='tok'\n", [ENVIRONMENT]),
        secrets.redact_file("Environment='A=tok'\n", [UNIT]).removeprefix("Environment="),
        f"A={secrets.variable('A', 'tok')}\n",
    }
    words = ["--token=a b", "--v=2"]

    assert said == {f"A={hashed('tok')}\n"}
    assert secrets.redact_file("ExecStart=/x '--token=a b' --v=2", [UNIT]).split()[1:] == secrets.redact_words(words)
    assert secrets.redact_file(r'{"auth": "\u0061\/b"}', [secrets.JSON]) == f'{{"auth": "{hashed("a/b")}"}}'


def test_a_flags_variable_keeps_what_the_flag_says() -> None:
    """`--node-ip=${IP}` shows an address, `--token ${T}` nothing; a variable that nobody refers to is hidden."""
    flags = secrets.referred(
        ['[Service]\nExecStart=/k --hostname-override="${HOST}" \\\n --token ${T} --node-labels=$LABELS $ARGS\n']
    )
    text = "HOST=worker-1.example\nT=abc\nLABELS=auth=ldap\nARGS=--v=2\nOTHER=x\nIP=10.0.0.1\n"

    assert flags == {"HOST": "hostname-override", "T": "token", "LABELS": "node-labels", "ARGS": ""}
    assert secrets.redact_file(text, [ENVIRONMENT], flags) == text.replace("=abc", f"={hashed('abc')}").replace(
        "=x", f"={hashed('x')}"
    )


def test_every_key_of_docker_is_known() -> None:
    """A plan reads them all; what the inspection does not know it hides."""
    known = secrets._DOCKER_KEYS | set(secrets._DOCKER_RULES)  # noqa: SLF001 - the table itself

    assert set(KEYS) <= known


# Files in which nothing is secret: a plan refuses to rewrite one of which something is hidden.

CONTAINERD = """version = 2
[grpc]
  address = "/run/containerd/containerd.sock"
  tcp_tls_key = ""
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "registry.k8s.io/pause@sha256:9001185023633d17a2f98ff69b6ff2615b8ea02a825adffa40422f51dfdcde9d"
  stream_idle_timeout = "4h0m0s"
  [plugins."io.containerd.grpc.v1.cri".image_decryption]
    key_model = "node"
  [plugins."io.containerd.grpc.v1.cri".registry.auths]
  [plugins."io.containerd.grpc.v1.cri".registry.headers]
  [plugins."io.containerd.grpc.v1.cri".registry.mirrors."docker.io"]
    endpoint = ["https://mirror.example:5000", 'http://[fd00::1]:5000/v2']
  [plugins."io.containerd.grpc.v1.cri".registry.configs."r:5000".tls]
    key_file = "/etc/containerd/r.key"
  [plugins."io.containerd.grpc.v1.cri".x509_key_pair_streaming]
    tls_key_file = ""
[plugins."io.containerd.metadata.v1.bolt"]
  content_sharing_policy = "shared"
[stream_processors."io.containerd.ocicrypt.decoder.v1.tar"]
  args = ["--decryption-keys-path", "/etc/containerd/ocicrypt/keys"]
  env = ["OCICRYPT_KEYPROVIDER_CONFIG=/etc/containerd/ocicrypt/ocicrypt_keyprovider.conf"]
"""
CRIO = """# Path to the key file used to serve the encrypted stream. This file can
# change and CRI-O will automatically pick up the changes within 5 minutes.
[crio.api]
stream_tls_key = ""
[crio.runtime]
decryption_keys_path = "/etc/crio/keys/"
conmon_env = [
\t"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
]
default_env = ["NSS_SDB_USE_CACHE=no"]
default_ulimits = [ "nofile=1024:2048" ]
#default_sysctls = [
#]
default_sysctls = ["net.ipv4.ping_group_range=0 2147483647"]
[crio.runtime.runtimes.runc]
allowed_annotations = ["io.kubernetes.cri-o.userns-mode"]
[crio.image]
global_auth_file = "/var/lib/kubelet/config.json"
signature_policy = ""
default_transport = "docker://"
[crio.metrics]
metrics_key = "/etc/crio/metrics.key"
"""
KUBELET_YAML = """apiVersion: kubelet.config.k8s.io/v1beta1
authentication:
  anonymous:
    enabled: false
  webhook:
    cacheTTL: 0s
  x509:
    clientCAFile: /etc/kubernetes/pki/ca.crt
authorization:
  mode: Webhook
  webhook:
    cacheAuthorizedTTL: 0s
clusterDNS:
- 10.96.0.10
evictionHard: {memory.available: "100Mi", nodefs.available: 10%}
featureGates:
  RotateKubeletServerCertificate: true
providerID: aws:///eu-central-1a/i-0123456789
registerWithTaints:
  - effect: NoSchedule
    key: node-role.kubernetes.io/master
rotateCertificates: true
serverTLSBootstrap: true
tlsPrivateKeyFile: /var/lib/kubelet/pki/kubelet.key
# see https://kubernetes.io/docs/reference/config-api/kubelet-config.v1beta1/
"""
KUBESPRAY = r"""KUBE_LOGTOSTDERR="--logtostderr=true"
KUBE_LOG_LEVEL="--v=2"
KUBELET_ADDRESS="--node-ip=10.0.0.5"
KUBELET_HOSTNAME="--hostname-override=node1"
KUBELET_ARGS="--bootstrap-kubeconfig=/etc/kubernetes/bootstrap-kubelet.conf \
--config=/etc/kubernetes/kubelet-config.yaml \
--authentication-token-webhook \
--pod-infra-container-image=k8s.gcr.io/pause:3.2 \
--runtime-cgroups=/systemd/system.slice  --node-labels=  "
KUBELET_CLOUDPROVIDER=""
KUBELET_NETWORK_PLUGIN="--network-plugin=cni --cni-conf-dir=/etc/cni/net.d --cni-bin-dir=/opt/cni/bin"

PATH=/usr/local/bin:/usr/local/sbin:/usr/bin:/usr/sbin:/bin
"""
AKS_UNIT = r"""[Service]
EnvironmentFile=/etc/default/kubelet
ExecStartPre=/bin/bash /opt/azure/containers/kubelet.sh
ExecStartPre=/bin/mkdir -p /var/lib/kubelet
ExecStartPre=/bin/bash -c "if [ $(mount | grep \"/var/lib/kubelet\" | wc -l) -le 0 ] ; then /bin/mount --bind /var/lib/kubelet /var/lib/kubelet ; fi"
ExecStartPre=-/sbin/iptables -t nat -p tcp --numeric --list
ExecStart=/usr/local/bin/kubelet \
        --node-labels="${KUBELET_NODE_LABELS}" \
        --v=2 \
        $KUBELET_CONFIG_FILE_FLAGS \
        $KUBELET_FLAGS
"""
AKS = """KUBELET_FLAGS=--address=0.0.0.0 --anonymous-auth=false --authentication-token-webhook=true --eviction-hard=memory.available<750Mi --tls-private-key-file=/etc/kubernetes/certs/k.key
KUBELET_REGISTER_SCHEDULABLE=true
NETWORK_POLICY=azure

KUBELET_NODE_LABELS=kubernetes.azure.com/role=agent,agentpool=pool,key=x
AZURE_ENVIRONMENT_FILEPATH=/etc/kubernetes/azurestackcloud.json
"""
CENTOS = """# /etc/sysconfig/docker
OPTIONS='--selinux-enabled --log-driver=journald --signature-verification=false'
DOCKER_STORAGE_OPTIONS="--storage-driver overlay2 --storage-opt dm.thinpooldev=/dev/mapper/x"
DOCKER_CERT_PATH=/etc/docker
DOCKER_NETWORK_OPTIONS=" --bip=10.1.2.1/24 --mtu=1450"
FLANNEL_NETWORK=10.1.0.0/16
#DOCKER_TMPDIR=/var/tmp
"""
DAEMON = json.dumps({
    "log-driver": "json-file", "log-opts": {"max-size": "10m", "max-file": "3", "labels": "a,b"}, "data-root": "/data/docker",
    "exec-opts": ["native.cgroupdriver=systemd"], "storage-opts": ["overlay2.override_kernel_check=true"], "tlskey": "/etc/docker/key.pem",
    "default-ulimits": {"nofile": {"Name": "nofile", "Soft": 64000, "Hard": 64000}}, "insecure-registries": ["10.0.0.0/8", "r:5000"],
    "runtimes": {"nvidia": {"path": "nvidia-container-runtime", "runtimeArgs": []}}, "hosts": ["tcp://0.0.0.0:2376", "fd://"],
    "proxies": {"http-proxy": "http://proxy:3128", "no-proxy": "localhost,.svc"}, "features": {"buildkit": True},
})  # fmt: skip
CALICO = json.dumps({
    "name": "k8s-pod-network", "cniVersion": "0.3.1", "plugins": [
        {"type": "calico", "log_level": "info", "datastore_type": "kubernetes", "nodename": "n", "mtu": 1440, "ipam": {"type": "calico-ipam"},
         "policy": {"type": "k8s"}, "kubernetes": {"kubeconfig": "/etc/cni/net.d/calico-kubeconfig"}},
        {"type": "portmap", "snat": True, "capabilities": {"portMappings": True}},
    ],
})  # fmt: skip
HONEST = {
    "containerd": (TOML, CONTAINERD),
    "CRI-O": (TOML, CRIO),
    "registries.conf": (TOML, 'unqualified-search-registries = ["docker.io"]\n[[registry]]\nprefix = "x"\nlocation = "h:5000/p"\ncredential-helpers = ["containers-auth.json"]\n'),
    "kubelet": (KUBELET, KUBELET_YAML),
    "kubelet in JSON": (KUBELET, json.dumps(yaml.safe_load(KUBELET_YAML), indent=2)),
    "crictl.yaml": (KUBELET, "runtime-endpoint: unix:///run/containerd/containerd.sock\ntimeout: 10\ndebug: false\n"),
    "kubespray": (ENVIRONMENT, KUBESPRAY),
    "AKS": (ENVIRONMENT, AKS),
    "AKS' unit": (UNIT, AKS_UNIT),
    "CentOS": (ENVIRONMENT, CENTOS),
    "kubeadm": (ENVIRONMENT, values.KUBEADM_ENV),
    "kubeadm's drop-in": (UNIT, values.DROP_IN_TEXT),
    "Docker's unit": (UNIT, values.DOCKER_UNIT_TEXT + 'Environment="HTTP_PROXY=http://proxy:3128" "NO_PROXY=localhost,127.0.0.1"\n'),
    "daemon.json": (DOCKER, DAEMON),
    "Calico": (CNI, CALICO),
    "hosts.toml": (HOSTS, 'server = "https://r:5000"\n\n[host."https://m:5000"]\n  capabilities = ["pull", "resolve"]\n  ca = ["ca.crt"]\n  client = [["c.cert", "c.key"]]\n  skip_verify = true\n'),
    "Debian's containerd": (TOML, values.DEBIAN_CONTAINERD),
    "a specification": (secrets.SPECIFICATION, '{"ociVersion": "1.0.2-dev", "process": {"env": ["PATH=/usr/bin:/bin"], "rlimits": [{"type": "RLIMIT_NOFILE", "hard": 1}]}}'),
}  # fmt: skip


@pytest.mark.parametrize(("kind", "text"), HONEST.values(), ids=HONEST)
def test_an_honest_file_is_read_byte_for_byte(kind: str, text: str) -> None:
    """As programs' defaults and the layouts of those who set nodes up have them."""
    flags = secrets.referred([AKS_UNIT])

    assert secrets.redact_file(text, [kind], flags) == text


@pytest.mark.parametrize("arguments", [values.kubelet().unit.arguments, values.docker().unit.arguments, ("-H", "0.0.0.0:2375", "--label", "a=true")])  # fmt: skip
def test_an_honest_command_line_stays(arguments: tuple[str, ...]) -> None:
    """A plan compares it with the files."""
    assert secrets.redact_words(list(arguments)) == list(arguments)


KINDS = (CNI, DOCKER, ENVIRONMENT, HOSTS, secrets.JSON, KUBELET, secrets.SPECIFICATION, TOML, UNIT)
ODD = (
    '"', "'", "\\", "[", "{", "]", "# ", "a: ", "a = ", "- ", '\n"\\', "A=", "A='", 'A="\\\n', "-a-", "http://", "://@", "proxy=", "x?a=", "token: |\n ",
    "[a.header]\n", " ", "\t", "=", "a.", "${A}", "ExecStart=-a ", 'Environment="A\\"', "'\"", "\"'", "--a $", "''", '""', "a:b ",
)  # fmt: skip


@pytest.mark.parametrize("piece", ODD)
def test_odd_files_of_any_kind_take_no_time(piece: str) -> None:
    """A file of the largest size must not hold the inspection up: twice the text takes about twice the time."""
    text = piece * (20_000 // len(piece))
    for kind in KINDS:
        started = time.process_time()
        secrets.redact_file(text, [kind])
        assert time.process_time() - started < 2, kind


@pytest.mark.parametrize("runtime", ["containerd", "crio"])
def test_what_a_plan_writes_is_read_again_byte_for_byte(runtime: str) -> None:
    """Else a migrated node could not be planned again: a file with hidden parts is not rewritten."""
    daemon = json.dumps({key: value for key, value in json.loads(DAEMON).items() if key != "hosts"})
    specification = HONEST["a specification"][1]
    node = values.facts(files=values.files(daemon=daemon), containerd=values.containerd(oci_spec=specification))
    made = translate_node.draft(values.situation(target=HostSettings(runtime=runtime), facts=node))

    assert made.problems == ()
    assert len(made.files) > 5
    for change in made.files:
        kind = secrets.kind_of(change.path)
        assert secrets.redact_file(change.content, [kind] if kind else []) == change.content, change.path
