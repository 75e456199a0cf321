"""Compile the probe and pack its images: `python -m lab.probe_image [--check]`.

The result depends on the sources, on the flags and on the compilers' releases, which `image.json` names: other
compilers may make another program of the same sources. No time, path, user or machine is in it.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from lab.probe_pack import CONFIG, FOLDERS, pack
from migrator.proof.image import FILE, HERE, MANIFEST

SOURCES = HERE / "src"
REPOSITORY = "migrator.invalid/probe"
COMPILERS = {"amd64": "x86_64-linux-gnu-gcc", "arm64": "aarch64-linux-gnu-gcc"}
"""From Debian's gcc and gcc-aarch64-linux-gnu."""
FLAGS = (
    "-std=c11", "-Os", "-Wall", "-Wextra", "-Werror",
    "-static", "-nostdlib", "-ffreestanding", "-fno-pie", "-no-pie",
    "-fno-stack-protector", "-fno-asynchronous-unwind-tables", "-fno-unwind-tables",
    "-fno-tree-loop-distribute-patterns",  # or memcpy is compiled into a call of memcpy
    "-mgeneral-regs-only",
    "-ffunction-sections", "-fdata-sections", "-fno-ident",
    "-Wl,--gc-sections", "-Wl,--build-id=none", "-Wl,-z,norelro", "-Wl,-z,noexecstack", "-Wl,-z,noseparate-code", "-s",
)  # fmt: skip
OWN_FLAGS = {"amd64": ("-fcf-protection=none",), "arm64": ("-mno-outline-atomics", "-mbranch-protection=none")}
"""What distributions switch on by default, and not all of them."""


def missing() -> list[str]:
    """Name the compilers that this machine lacks."""
    return [program for program in COMPILERS.values() if shutil.which(program) is None]


def sources() -> list[Path]:
    """Give the files that the probe is made of, in the order of their names."""
    return sorted(path for path in SOURCES.iterdir() if path.suffix in {".c", ".h"})


def reference() -> str:
    """Name the image that the sources make: everything that decides what is in it is in its tag."""
    seed = hashlib.sha256(json.dumps([FLAGS, OWN_FLAGS, CONFIG, FOLDERS]).encode())
    for path in sources():
        data = path.read_bytes()
        seed.update(f"\n{path.name} {len(data)}\n".encode() + data)
    return f"{REPOSITORY}:{seed.hexdigest()[:12]}"


def compiled(architecture: str) -> bytes:
    """Give the program for an architecture."""
    with tempfile.TemporaryDirectory() as folder:
        to = Path(folder) / "probe"
        files = [path.name for path in sources() if path.suffix == ".c"]
        # In the folder of the sources and with relative names, so that no path of this machine can get into it.
        flags = (*FLAGS, *OWN_FLAGS[architecture], f"-ffile-prefix-map={SOURCES}=.")
        command = [COMPILERS[architecture], *flags, "-o", str(to), *files]
        subprocess.run(command, cwd=SOURCES, check=True)
        return to.read_bytes()


def _compiler(architecture: str) -> str:
    answer = subprocess.run([COMPILERS[architecture], "--version"], check=True, capture_output=True, text=True)
    return answer.stdout.partition("\n")[0]


def build() -> tuple[dict[str, Any], dict[str, bytes]]:
    """Give what belongs into `image.json`, and the archives by architecture."""
    name = reference()
    with ThreadPoolExecutor() as pool:
        programs = dict(zip(COMPILERS, pool.map(compiled, COMPILERS), strict=True))
    archives = {architecture: pack(program, architecture, name) for architecture, program in programs.items()}
    described = {
        architecture: {
            "compiler": _compiler(architecture),
            "sha256": hashlib.sha256(data).hexdigest(),
            "size": len(data),
        }
        for architecture, data in archives.items()
    }
    return {"archives": described, "reference": name}, archives


def differences(manifest: dict[str, Any], archives: dict[str, bytes]) -> list[str]:
    """Say what is another way in the files that lie here than in what was built; nothing when they are the same."""
    stored = json.loads(MANIFEST.read_text(encoding="utf-8"))
    told = []
    if stored["reference"] != manifest["reference"]:
        told.append(f"{MANIFEST.name}: the sources make {manifest['reference']}, not {stored['reference']}")
    for architecture, data in archives.items():
        path = HERE / FILE.format(architecture)
        if path.is_file() and path.read_bytes() == data:
            continue
        before, now = (
            entry["archives"].get(architecture, {}).get("compiler", "nothing") for entry in (stored, manifest)
        )
        why = "" if before == now else f" (it was built by {before}, now by {now})"
        told.append(f"{path.name}: the sources make another archive{why}")
    if not told and stored != manifest:
        told.append(f"{MANIFEST.name}: it does not describe the archives")
    return told


def main(words: list[str]) -> int:
    """Build, or with `--check` compare with what is there. Gives the exit code."""
    if words not in ([], ["--check"]):
        sys.stderr.write("usage: python -m lab.probe_image [--check]\n")
        return 64
    if lacking := missing():
        sys.stderr.write(f"{', '.join(lacking)}: not found; install gcc and gcc-aarch64-linux-gnu\n")
        return 1
    manifest, archives = build()
    if words:
        told = differences(manifest, archives)
        sys.stderr.write("".join(f"{line}\n" for line in told))
        return 1 if told else 0
    for architecture, data in archives.items():
        (HERE / FILE.format(architecture)).write_bytes(data)
    MANIFEST.write_text(json.dumps(manifest, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    sys.stdout.write(f"{manifest['reference']}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
