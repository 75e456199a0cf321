"""What all tests share."""

import ansible.module_utils
from hypothesis import settings

from migrator import resources

# The same examples each time, so that a test that fails fails for everybody; `--hypothesis-profile default` looks further.
settings.register_profile("repeatable", derandomize=True, database=None, deadline=None)
settings.load_profile("repeatable")

# Ansible finds a role's module_utils by itself; a test that imports a node-side module does it this way.
ansible.module_utils.__path__.append(str(resources.folder("roles") / "node_support" / "module_utils"))
