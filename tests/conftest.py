"""What all tests share."""

import ansible.module_utils

from migrator import resources

# Ansible finds a role's module_utils by itself; a test that imports a node-side module does it this way.
ansible.module_utils.__path__.append(str(resources.folder("roles") / "node_support" / "module_utils"))
