"""What all tests share."""

import signal

import ansible.module_utils
import pytest
from hypothesis import settings

from migrator import data_files

# The same examples each time, so that a test that fails fails for everybody; `--hypothesis-profile default` looks further.
settings.register_profile("repeatable", derandomize=True, database=None, deadline=None)
settings.load_profile("repeatable")
# `make check` is waited for.
settings.register_profile("few", settings.get_profile("repeatable"), max_examples=25)

# Ansible finds a role's module_utils by itself; a test that imports a node-side module does it this way.
ansible.module_utils.__path__.append(str(data_files.folder("roles") / "node_support" / "module_utils"))

# What a shell starts with `&` ignores Ctrl-C, and so would each program that a test starts.
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Leave out what needs guests where the lab's nodes are containers, and say so."""
    if item.get_closest_marker("guest") is None:
        return
    from lab import machines
    from lab.settings import Settings

    if machines.kind(Settings()) != "guest":
        pytest.skip("needs guests: MIGRATOR_LAB_NODES=guest")
