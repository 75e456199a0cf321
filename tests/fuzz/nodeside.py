"""The node's inspection, imported here as Ansible would find it there."""

from __future__ import annotations

import importlib

import ansible.module_utils

from migrator import data_files

for _role in ("node_support", "inspect"):
    ansible.module_utils.__path__.append(str(data_files.folder("roles") / _role / "module_utils"))

secrets = importlib.import_module("ansible.module_utils.migrator_inspect_secrets")
trees = importlib.import_module("ansible.module_utils.migrator_inspect_tree")
units = importlib.import_module("ansible.module_utils.migrator_inspect_units")
