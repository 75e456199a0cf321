"""`migrator translate`: one file in, files and fates out, one message for each mistake."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def translate(text: str | bytes, *words: str) -> subprocess.CompletedProcess[bytes]:
    """Run the command as a user does, with the file on standard input."""
    data = text.encode() if isinstance(text, str) else text
    return subprocess.run(
        [sys.executable, "-m", "migrator", "translate", "-", *words],
        cwd=ROOT, input=data, capture_output=True, check=False,
    )  # fmt: skip


MISTAKES: dict[str, tuple[str | bytes, list[str], int, str]] = {
    "broken JSON": ('{\n "debug": tru\n}', [], 10, "-, line 2, column 11"),
    "a key twice": ('{"debug": true, "debug": false}', [], 10, "debug"),
    "a list": ("[]", [], 10, "object"),
    "a wrong type": ('{"registry-mirrors": "https://m"}', [], 10, "registry-mirrors"),
    "in both places": ('{"log-driver": "json-file"}', ["--docker-args", "--log-driver=local"], 10, "log-driver"),
    "not UTF-8": (b'{"labels": ["\xff"]}', [], 64, "not UTF-8"),
    "an unknown runtime": ("{}", ["--to", "podman"], 64, "--to"),
    "a strange version": ("{}", ["--runtime-version", "new"], 10, "--runtime-version 'new'"),
    "quotes that do not end": ("{}", ["--docker-args", "--label 'x"], 64, "--docker-args"),
    "a hostile mirror": ('{"registry-mirrors": ["https://a/\\n[host]"]}', [], 10, "registry-mirrors"),
}


@pytest.mark.parametrize(("text", "words", "code", "said"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_told_once(text: str | bytes, words: list[str], code: int, said: str) -> None:
    """Its exit code, what is wrong and where; nothing on stdout and no traceback."""
    done = translate(text, *words)

    assert done.returncode == code, done.stderr
    assert said in done.stderr.decode()
    assert (done.stdout, b"Traceback" in done.stderr) == (b"", False)


def test_a_file_and_its_arguments_and_its_proxies_become_files_and_fates(tmp_path: Path) -> None:
    """Every key of all three places has a fate; the JSON form holds the files whole."""
    proxies = tmp_path / "proxies"
    proxies.write_text('HTTP_PROXY="http://proxy:3128"\n# a comment\nNO_PROXY=10.0.0.0/8\n')

    done = translate(
        b'\xef\xbb\xbf{"registry-mirrors": ["https://mirror.example"], "bip": "10.9.0.1/24"}',
        "--docker-args", "-H fd:// --log-opt max-size=10m", "--proxy-env", str(proxies), "-o", "json",
    )  # fmt: skip
    made = json.loads(done.stdout)

    assert {fate["key"].partition(".")[0] for fate in made["fates"]} == {
        "registry-mirrors",
        "bip",
        "hosts",
        "log-opts",
        "proxies",
    }
    files = {file["path"]: file["content"] for file in made["files"]}
    assert '[host."https://mirror.example"]' in files["/etc/containerd/certs.d/docker.io/hosts.toml"]
    assert "HTTP_PROXY=http://proxy:3128" in files["/etc/systemd/system/containerd.service.d/50-migrator.conf"]


@pytest.mark.parametrize(
    ("text", "words", "driver"),
    [
        ("{}", (), "true"),
        ("{}", ("--docker-version", "19.03"), "false"),
        ('{"exec-opts": ["Native.CgroupDriver = cgroupfs"]}', (), "false"),
    ],
    ids=["today", "before 20.10", "in Docker's loose spelling"],
)
def test_the_cgroup_driver_is_dockers(text: str, words: tuple[str, ...], driver: str) -> None:
    """Its own word, however it is spelled, else the default of its version."""
    assert f"SystemdCgroup = {driver}" in translate(text, "--to", "containerd", *words).stdout.decode()


def test_an_environment_of_a_unit_is_read_as_systemd_does(tmp_path: Path) -> None:
    """Whole lines of a drop-in are taken; quotes that do not end are one message."""
    (tmp_path / "good").write_text('Environment="HTTP_PROXY=http://proxy:3128"\n')
    (tmp_path / "bad").write_text('HTTP_PROXY="http://x\n')

    good = translate("{}", "--proxy-env", str(tmp_path / "good"))
    bad = translate("{}", "--proxy-env", str(tmp_path / "bad"))

    assert "http://proxy:3128" in good.stdout.decode()
    assert (bad.returncode, b"bad, line 1: No closing quotation" in bad.stderr) == (64, True)


def test_an_empty_file_is_dockers_defaults() -> None:
    """Nothing to carry is said, and the files that every node gets are shown."""
    done = translate("")

    assert done.returncode == 0, done.stderr
    assert "No setting: Docker's defaults." in done.stdout.decode()
    assert "/etc/containerd/config.toml" in done.stdout.decode()


def test_a_file_that_is_not_there() -> None:
    """Is named."""
    done = subprocess.run(
        [sys.executable, "-m", "migrator", "translate", "/nonexistent.json"], cwd=ROOT, capture_output=True, check=False
    )

    assert (done.returncode, b"/nonexistent.json" in done.stderr) == (64, True)
