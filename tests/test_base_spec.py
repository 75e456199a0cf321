"""The base specification: Docker's default limits in what `ctr oci spec` prints."""

import json
from typing import Any

import pytest

from migrator.runtimes.containerd import base_spec

# As containerd 1.6 prints it (oci/spec.go v1.6.20), shortened.
PRINTED: dict[str, Any] = {
    "ociVersion": "1.0.2-dev",
    "process": {
        "user": {"uid": 0, "gid": 0},
        "cwd": "/",
        "rlimits": [{"type": "RLIMIT_NOFILE", "hard": 1024, "soft": 1024}],
        "noNewPrivileges": True,
    },
    "root": {"path": "rootfs"},
    "linux": {"maskedPaths": ["/proc/acpi"]},
}


def limits(**ulimits: str) -> list[dict[str, Any]]:
    """Write, and give the limits of the result."""
    return json.loads(base_spec.write(json.dumps(PRINTED), ulimits))["process"]["rlimits"]


@pytest.mark.parametrize(
    ("value", "soft", "hard"),
    [
        ("1024:4096", 1024, 4096),
        ("1024:-1", 1024, 2**64 - 1),
        ("-1:-1", 2**64 - 1, 2**64 - 1),
        ("-1", 2**64 - 1, 2**64 - 1),
        ("65536", 65536, 65536),
        ("0:0", 0, 0),
    ],
)
def test_a_limit_is_written_as_a_specification_has_it(value: str, soft: int, hard: int) -> None:
    """-1 is RLIM_INFINITY, which a specification says as the largest number of 64 bits."""
    assert limits(nofile=value) == [{"type": "RLIMIT_NOFILE", "hard": hard, "soft": soft}]


def test_the_defaults_own_limits_go() -> None:
    """The default's 1024 open files would hold for every container, since a base specification's limits stay."""
    assert limits(nproc="5:6", core="0") == [
        {"type": "RLIMIT_CORE", "hard": 0, "soft": 0},
        {"type": "RLIMIT_NPROC", "hard": 6, "soft": 5},
    ]


def test_everything_else_is_untouched() -> None:
    """Only the limits differ, and writing again gives the same text."""
    text = base_spec.write(json.dumps(PRINTED), {"nofile": "1:2"})

    written = json.loads(text)
    written["process"]["rlimits"] = PRINTED["process"]["rlimits"]
    assert written == PRINTED
    assert list(written) == list(PRINTED)
    assert base_spec.write(text, {"nofile": "1:2"}) == text


@pytest.mark.parametrize(
    ("printed", "ulimits", "said"),
    [
        ("", {"nofile": "1"}, "not JSON"),
        ("[]", {"nofile": "1"}, "no object `process`"),
        ('{"process": 1}', {"nofile": "1"}, "no object `process`"),
        (json.dumps(PRINTED), {"files": "1"}, "no resource limit 'files'"),
        (json.dumps(PRINTED), {"nofile": "many"}, "limit nofile is 'many'"),
        (json.dumps(PRINTED), {"nofile": "2:1"}, "soft part must not be above"),
        (json.dumps(PRINTED), {"nofile": "-1:1"}, "soft part must not be above"),
    ],
)
def test_what_is_no_specification_or_limit_is_refused(printed: str, ulimits: dict[str, str], said: str) -> None:
    """One message that says what was wrong."""
    with pytest.raises(ValueError, match=said):
        base_spec.write(printed, ulimits)


@pytest.mark.parametrize(("version", "known"), [((1, 4), False), ((1, 5), True), ((1, 7), True), ((2, 3), True)])
def test_1_4_clears_the_limits(version: tuple[int, int], *, known: bool) -> None:
    """WithoutDefaultSecuritySettings is unconditional in v1.4.13, and spares base specifications from v1.5.0 on."""
    assert base_spec.known(version) is known
