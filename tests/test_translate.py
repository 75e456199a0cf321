"""`migrator translate`: one file in, files and fates out, one message for each mistake."""

from __future__ import annotations

import io
import json
import signal
import subprocess
import sys
from pathlib import Path
from unittest import mock

import pytest

from migrator.cli.main import main

ROOT = Path(__file__).parents[1]


def translate(text: str | bytes, *words: str) -> subprocess.CompletedProcess[bytes]:
    """Run the whole command line in this process, with the file on standard input: two dozen new ones take seconds."""
    data = text.encode() if isinstance(text, str) else text
    given, out, told = (io.TextIOWrapper(io.BytesIO(it), "utf-8") for it in (data, b"", b""))
    arguments = ["migrator", "translate", "-", *words]
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        with (
            mock.patch.multiple("sys", argv=arguments, stdin=given, stdout=out, stderr=told),
            pytest.raises(SystemExit) as ended,
        ):
            main()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    printed = []
    for each in (out, told):
        each.flush()
        printed.append(each.detach().getvalue())  # type: ignore[attr-defined]
    return subprocess.CompletedProcess(arguments, int(ended.value.code or 0), *printed)


MISTAKES: dict[str, tuple[str | bytes, list[str], int, str]] = {
    "broken JSON": ('{\n "debug": tru\n}', [], 10, "-, line 2, column 11"),
    "a key twice": ('{"debug": true, "debug": false}', [], 10, "debug"),
    "a list": ("[]", [], 10, "object"),
    "a wrong type": ('{"registry-mirrors": "https://m"}', [], 10, "registry-mirrors"),
    "in both places": ('{"log-driver": "json-file"}', ["--docker-args", "--log-driver=local"], 10, "log-driver"),
    "not UTF-8": (b'{"labels": ["\xff"]}', [], 64, "not UTF-8"),
    "an unknown runtime": ("{}", ["--to", "podman"], 64, "'podman' is not one of 'containerd', 'crio'"),
    "a runtime to come from alone": ("{}", ["--to", "docker"], 64, "'docker' is not one of"),
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
    assert "HTTP_PROXY=http://proxy:3128" in files["/etc/systemd/system/containerd.service.d/zz-migrator.conf"]


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


ENVIRONMENTS = {
    "a line of a unit, where two % are one": (r'Environment="HTTP_PROXY=http://proxy:3128/%%7Euser"', "http://proxy:3128/%%7Euser"),
    "a whole drop-in": ('[Service]\nEnvironment="HTTP_PROXY=http://proxy:3128" NO_PROXY=.corp\n', "NO_PROXY=.corp"),
    "a drop-in that takes back what it said": ("[Service]\nEnvironment=HTTP_PROXY=http://old\nEnvironment=\nEnvironment=HTTP_PROXY=http://new\n", "http://new"),
    "a file of variables, where % is itself": ("# Docker's\nHTTP_PROXY='http://proxy:3128/%7Euser'\n", "http://proxy:3128/%%7Euser"),
}  # fmt: skip


@pytest.mark.parametrize(("text", "written"), ENVIRONMENTS.values(), ids=ENVIRONMENTS)
def test_an_environment_is_read_as_systemd_does(text: str, written: str, tmp_path: Path) -> None:
    """Whether it is a unit's or a file's; what is written means the same to systemd."""
    (tmp_path / "proxy").write_text(text)

    assert written in translate("{}", "--proxy-env", str(tmp_path / "proxy")).stdout.decode()


def test_what_is_no_environment_is_one_message(tmp_path: Path) -> None:
    """With the line."""
    (tmp_path / "bad").write_text("# x\nHTTP_PROXY\n")

    done = translate("{}", "--proxy-env", str(tmp_path / "bad"))

    assert (done.returncode, b"bad, line 2: 'HTTP_PROXY' is not NAME=value" in done.stderr) == (64, True)


def test_a_cgroup_driver_that_docker_does_not_know_is_refused() -> None:
    """It would not start with it."""
    done = translate('{"exec-opts": ["native.cgroupdriver=Systemd"]}')

    assert done.returncode != 0
    assert b"Docker knows the cgroup drivers cgroupfs and systemd, not 'Systemd'" in done.stderr


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
