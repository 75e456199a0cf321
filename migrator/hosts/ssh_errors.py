"""What Ansible and SSH say, made into one sentence for a person."""

from __future__ import annotations

import re

_FULL = "the host has no room for temporary files: free some space where /tmp and the user's home are"
_ADVICE = (
    ("No usable temporary directory", _FULL),
    ("No space left on device", _FULL),
    ("Module result deserialization failed", "the connection was lost while something was at work on the host"),
    ("Permission denied (publickey", "SSH refuses the key or the user: check ansible_user and its private key"),
    (
        "Missing sudo password",
        "the user may not use sudo without a password: allow it, or give ansible_become_password",
    ),
    ("sudo: a password is required", "the user may not use sudo without a password: allow it on the node"),
    ("is not in the sudoers", "the user may not use sudo: allow it on the node"),
    ("Incorrect sudo password", "the sudo password is wrong"),
    ("Could not resolve hostname", "the name does not resolve: correct ansible_host"),
    ("Connection timed out", "the host does not answer: is it up, and is ansible_host right?"),
    (
        "waiting for privilege escalation prompt",
        "the host does not answer, or its sudo hangs: try `ssh HOST sudo true`",
    ),
    ("No route to host", "the host does not answer: is it up, and is ansible_host right?"),
    ("Connection refused", "nothing listens for SSH there: check ansible_host and ansible_port"),
    (
        "Host key verification failed",
        "the host's SSH key is unknown or has changed: check it, then add it to known_hosts",
    ),
)
"""What Ansible or SSH says, and what a person can do about it."""
_HALF = 250
"""Characters of a long text that are kept at each of its ends."""


def explain(text: str) -> str:
    """Turn what Ansible says into one sentence with its cause, and what to do where that is known."""
    for sign, advice in _ADVICE:
        if sign in text:
            return f"{advice} ({shortened(text)})"
    return shortened(text) or "Ansible gave no reason"


def shortened(text: str) -> str:
    """Give the text in one line, without what Ansible puts before it; without its middle when it is very long.

    What was tried stands at the beginning, and the reason often at the end.
    """
    one_line = re.sub(r"\s+", " ", text).strip()
    one_line = re.sub(r"^Task failed: ", "", one_line)
    one_line = re.sub(r"^Failed to connect to the host via ssh: ", "", one_line)
    return one_line if len(one_line) <= 2 * _HALF else f"{one_line[:_HALF]} … {one_line[-_HALF:]}"
