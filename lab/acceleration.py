"""KVM where it truly works, TCG elsewhere: decided by booting the guest's own kernel once.

`/dev/kvm` may exist and even create a machine whose guest then hangs before its kernel prints
anything (a paravirtual KVM that runs only specially built kernels), so its existence proves nothing.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from pathlib import Path

from lab import emulator
from lab.artefacts import say
from lab.settings import Settings

_KVM = ["-M", "q35,accel=kvm", "-cpu", "host"]
# Strings instructions are emulated byte by byte, and every page that the kernel clears is one: six times as slow.
_TCG = ["-M", "q35", "-accel", "tcg,thread=multi,tb-size=512", "-cpu", "max,-erms,-fsrm,-la57"]
_PATIENCE = 12.0


def options(settings: Settings, image: Path) -> list[str]:
    """Give QEMU's machine, accelerator and processor options for this host.

    The verdict is kept until the host's kernel or the guest's image changes.
    """
    verdict = settings.cache / f"acceleration-{os.uname().release}-{image.name}"
    if not verdict.exists():
        verdict.write_text("kvm" if _kvm_boots(emulator.program(settings), image) else "tcg")
        say(f"guests run under {verdict.read_text()}")
    return _KVM if verdict.read_text() == "kvm" else _TCG


def _kvm_boots(program: Path, image: Path) -> bool:
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        return False
    with tempfile.TemporaryDirectory() as folder:
        console = Path(folder, "console")
        command = [
            str(program), *_KVM, "-m", "256", "-nodefaults", "-display", "none",
            "-kernel", str(image / "vmlinuz"), "-append", "console=ttyS0 panic=-1", "-no-reboot",
            "-chardev", f"file,id=console,path={console}", "-serial", "chardev:console",
        ]  # fmt: skip
        trial = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            deadline = time.monotonic() + _PATIENCE
            while time.monotonic() < deadline:
                # Without a disk the kernel ends in a panic about its root; having printed that much, it runs.
                if console.exists() and b"Linux version" in console.read_bytes():
                    return True
                if trial.poll() is not None:
                    return False
                time.sleep(0.2)
            return False
        finally:
            trial.kill()
            trial.wait()
