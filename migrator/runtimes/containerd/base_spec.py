"""The specification that a handler's containers start from, with resource limits in it (`base_runtime_spec`)."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from migrator.memoize import memoize
from migrator.nodeconf.parsing import NOT_JSON
from migrator.runtimes.containerd.config_versions import BASE_SPEC
from migrator.versions import Version

INFINITY = 2**64 - 1
"""RLIM_INFINITY on Linux, as an OCI specification says it."""
NAMES = frozenset({
    "as", "core", "cpu", "data", "fsize", "locks", "memlock", "msgqueue", "nice", "nofile", "nproc", "rss", "rtprio",
    "rttime", "sigpending", "stack",
})  # fmt: skip
"""Limits of Linux, by ulimit name (getrlimit(2), without RLIMIT_ and in lower case)."""


def known(version: Version) -> bool:
    """Tell whether limits in a base specification reach the containers of this containerd."""
    return version >= BASE_SPEC


@memoize
def write(oci_spec: str, ulimits: Mapping[str, str]) -> str:
    """Give the text of a base specification: what `ctr oci spec` printed, with exactly these limits.

    `ulimits` has "soft:hard" or one value for both, by ulimit name; "-1" is infinity. The default's own limits go:
    with a base specification containerd keeps them, and its 1024 open files would hold for every container
    (pkg/cri/server/container_create_linux.go, v1.5.0 on). Raises `ValueError` when `oci_spec` is no specification,
    or a limit is no limit.
    """
    try:
        spec = json.loads(oci_spec)
    except NOT_JSON as error:
        raise ValueError(f"what `ctr oci spec` printed is not JSON: {error}") from error
    if not isinstance(spec, dict) or not isinstance(spec.get("process"), dict):
        raise ValueError("what `ctr oci spec` printed is no specification: it has no object `process`")  # noqa: TRY004
    limits = [_limit(name, ulimits[name]) for name in sorted(ulimits)]
    process = {**spec["process"], "rlimits": limits}
    return json.dumps({**spec, "process": process}, indent=2, ensure_ascii=False) + "\n"


def _limit(name: str, value: str) -> dict[str, Any]:
    if name not in NAMES:
        raise ValueError(f"there is no resource limit {name!r}; known are: {', '.join(sorted(NAMES))}")
    match = re.fullmatch(r"(-1|\d+)(?::(-1|\d+))?", value)
    if match is None:
        raise ValueError(f'the limit {name} is {value!r}; "soft:hard" is needed, whole numbers or -1 for infinity')
    soft, hard = (INFINITY if text == "-1" else int(text) for text in (match[1], match[2] or match[1]))
    if not soft <= hard <= INFINITY:
        raise ValueError(f"the limit {name} is {value!r}; its soft part must not be above its hard part")
    return {"type": f"RLIMIT_{name.upper()}", "hard": hard, "soft": soft}
