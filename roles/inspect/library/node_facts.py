#!/usr/bin/python
"""Read in one go all that a migration must know of a node; change nothing.

Runs on the node: Python 3.6 or later, standard library only.
"""

DOCUMENTATION = r"""
module: node_facts
short_description: Read what a runtime migration must know of a node
description:
  - Reads the host, the kubelet, Docker over its API socket, containerd, CRI-O, the CNI configuration, packages,
    leftovers, and the files that a migration may read or write. Changes nothing.
  - A part that cannot be read is left empty and named in a warning; secrets are replaced by hashes.
options: {}
author: [the migrator project]
"""
EXAMPLES = r"""
- name: Read the node
  node_facts:
"""
RETURN = r"""
node:
  description: The facts, as the schema of migrator/model/facts.py describes them.
  type: dict
  returned: always
"""

import glob
import os

from ansible.module_utils import migrator_inspect_callers as callers
from ansible.module_utils import migrator_inspect_containerd as containerd
from ansible.module_utils import migrator_inspect_control as control
from ansible.module_utils import migrator_inspect_credentials as credentials
from ansible.module_utils import migrator_inspect_crio as crio
from ansible.module_utils import migrator_inspect_docker as docker
from ansible.module_utils import migrator_inspect_files as files
from ansible.module_utils import migrator_inspect_history as history
from ansible.module_utils import migrator_inspect_host as host
from ansible.module_utils import migrator_inspect_kubelet as kubelet
from ansible.module_utils import migrator_inspect_lasting as lasting
from ansible.module_utils import migrator_inspect_network as network
from ansible.module_utils import migrator_inspect_packages as packages
from ansible.module_utils import migrator_inspect_secrets as secrets
from ansible.module_utils import migrator_inspect_toml as toml
from ansible.module_utils import migrator_inspect_units as units
from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.migrator_inspect_programs import Answer, Program, Together, find
from ansible.module_utils.migrator_inspect_tree import Tree, plain, reason

SCHEMA = 2


class Reading:
    """One reading of a host: what is slow is started first, then all is put together. Nothing raises."""

    def __init__(self, tree):
        self.tree = tree
        self.problems = []
        early = find(tree, "kubelet")
        version = Program(tree, [early, "--version"])  # the slowest of all
        asked = self.part("systemd", lambda: units.ask(tree), None)
        self.packages = self.part("packages", lambda: packages.Packages(tree), None)
        bare = not find(tree, "containerd")
        self.candidates = (
            self.part("what could be installed", lambda: packages.Candidates(tree), None) if bare else None
        )
        self.low_level = self.part("low-level runtimes", lambda: crio.LowLevel(tree), None)
        self.units = units.parse(self._answer(asked).out)
        more = self.part("what starts Docker", lambda: units.ask_triggers(tree, self.units), None)
        self.units.update(units.parse(self._answer(more).out))
        names = (units.KUBELET, units.DOCKER, units.CONTAINERD, units.CRIO, units.CRI_DOCKERD)
        self.services = {name: self._service(name) for name in names}
        self.docker = Together([lambda: docker.inspect(tree, self.services[units.DOCKER])])
        self.kubelet_words = kubelet.words_of(self.services[units.KUBELET], self.units)
        self.containerd_words = containerd.words_of(self.services[units.CONTAINERD], self.units)
        self._start(early, version)

    def _start(self, early, version):
        """Start every program whose words depend on what systemd said."""
        tree, services = self.tree, self.services
        program = kubelet.program_of(tree, services[units.KUBELET], self.units)
        self.version = version if program == early else Program(tree, [program, "--version"])
        self.containerd = self.part(
            "containerd",
            lambda: containerd.Questions(
                tree,
                services[units.CONTAINERD],
                self.containerd_words,
                docker.limits_containers(tree, services[units.DOCKER]),
            ),
            None,
        )
        self.crio = self.part("CRI-O", lambda: crio.Crio(tree, services[units.CRIO]), None)
        self.cri_dockerd = self.part("cri-dockerd", lambda: crio.CriDockerd(tree, services[units.CRI_DOCKERD]), None)
        in_use = any(services[name].get("active") for name in (units.KUBELET, units.DOCKER))
        self.firewall = self.part("the firewall", lambda: host.ask_firewall(tree, in_use), [])

    def part(self, what, function, otherwise):
        """Give a part of the document; `otherwise`, with a problem of that name, when something keeps it from us."""
        try:
            return function()
        except Exception as error:  # the other parts are worth having
            self.problems.append("{} could not be read: {}".format(what, reason(error)))
            return otherwise

    def document(self):
        """Put the document together."""
        tree = self.tree
        found = {"schema_version": SCHEMA, "root": True}
        found.update(self.part("the host's addresses", lambda: host.identity(tree), {}))
        answered = self.part("Docker", lambda: self.docker.results()[0], docker.Docker(problem="it could not be read"))
        self.part("Docker's runtimes", lambda: self.low_level.add(answered.runtimes), None)
        found["docker"], found["docker_problem"] = answered.fact, answered.problem
        found["kubelet"] = self.part("the kubelet", lambda: self._kubelet(answered), {"version": ""})
        found["docker_callers"] = self.part("units and jobs that call Docker", lambda: callers.callers(tree), [])
        found["docker_units"] = self.part("units that need Docker", lambda: units.users_of_docker(self.units), {})
        found["agents"] = self.part("what changes the host by itself", self._agents, [])
        found["control_plane"] = self.part("static pods", self._control_plane, [])
        cni_folder = network.config_folder(self.kubelet_words)
        found["leftovers"] = self.part("leftovers", lambda: history.leftovers(tree, cni_folder), [])
        found["transactions"] = self.part("journals", lambda: history.transactions(tree), {})
        found["certificates"] = self.part("certificates", lambda: credentials.certificates(tree), [])
        found["containerd"] = self._fact("containerd", self.containerd, {"version": ""})
        found["cri_dockerd"] = self._fact("cri-dockerd", self.cri_dockerd, None)
        found["crio"] = self._fact("CRI-O", self.crio, None)
        texts = [found["containerd"].get("effective", ""), (found["crio"] or {}).get("effective", "")]
        found["cni"] = self.part("CNI", lambda: network.cni_fact(tree, self.kubelet_words, texts), {})
        found["credentials"] = self.part("credentials", lambda: self._credentials(texts), [])
        found["files"] = self.part("files", lambda: self._files(cni_folder, texts), {})
        found["unwritable"] = self.part(
            "what cannot be written", lambda: files.unwritable(tree, self._written(found["files"])), {}
        )
        found["host"] = self.part("the host", lambda: self._host(answered, texts), {})
        found["fleeting"] = self.part("what a reboot empties", lambda: self._fleeting(found), {})
        found["low_level"] = self._fact("low-level runtimes", self.low_level, {})
        found["packages"] = self._fact("packages", self.packages, [])
        found["candidates"] = self._fact("what could be installed", self.candidates, {})
        return plain(found)

    def _fact(self, what, asked, otherwise):
        return self.part(what, asked.fact, otherwise) if asked else otherwise

    def _answer(self, program):
        return program.answer() if program else Answer(127)

    def _service(self, name):
        return self.part(name, lambda: units.unit_fact(self.tree, self.units, name), {"name": name})

    def _kubelet(self, answered):
        unit = self.services[units.KUBELET]
        return {
            "version": self._answer(self.version).version,
            "installation": kubelet.installation(self.tree, unit, self.units, answered.containers),
            "unit": unit,
            "config": kubelet.config_of(self.kubelet_words),
            "user": self.part("the kubelet's user", lambda: kubelet.user_of(self.tree, self.kubelet_words), ""),
        }

    def _agents(self):
        return callers.agents(self.tree, [name for name in units.AGENTS if units.active(self.units, name)])

    def _control_plane(self):
        return control.control_plane(self.tree, self.kubelet_words, kubelet.config_of(self.kubelet_words))

    def _credentials(self, texts):
        told = [path for text in texts for path in toml.strings(text, "global_auth_file")]
        root = units.option(self.kubelet_words, "root-dir")
        return credentials.credentials(self.tree, credentials.places(root, told))

    def _files(self, cni_folder, texts):
        """Describe the files, each by what it is read as."""
        kinds = {}
        for kind, paths in self._paths(cni_folder, texts):
            for path in paths:
                kinds.setdefault(path, set()).add(kind)
        fragments = [path for unit in self.services.values() for path in unit.get("fragments", [])]
        flags = secrets.referred(self.tree.text(path) for path in fragments)
        return files.files(self.tree, {path: sorted(found) for path, found in kinds.items()}, flags)

    def _paths(self, cni_folder, texts):
        """Give the files that only this host tells of, by what they are."""
        tree = self.tree
        drop_ins = units.option(self.kubelet_words, "config-dir")
        yield secrets.KUBELET, [kubelet.config_of(self.kubelet_words)]
        yield secrets.KUBELET, tree.glob(glob.escape(drop_ins) + "/*.conf") if drop_ins else []
        yield secrets.DOCKER, [docker.config_of(self.services[units.DOCKER])]
        for unit in self.services.values():
            yield secrets.UNIT, unit.get("fragments", [])
            yield secrets.ENVIRONMENT, unit.get("environment_files", [])
        own = containerd.config_files(tree, containerd.config_of(self.containerd_words))
        texts = texts + [tree.text(path) for path in own]
        yield secrets.TOML, own
        yield secrets.CNI, network.config_files(tree, cni_folder)
        yield secrets.HOSTS, files.hosts_files(tree, texts)
        yield secrets.SPECIFICATION, files.specifications(texts)

    @staticmethod
    def _written(looked_at):
        """Name the files that a migration may write: all but those of packages, and of Docker's."""
        return [path for path in looked_at if not path.startswith(("/lib/", "/usr/", "/run/"))]

    def _fleeting(self, found):
        """Look below whatever a migration may write: files, folders of files, folders of data."""
        data = [disk["path"] for disk in found["host"].get("disks", [])]
        return lasting.fleeting(self.tree, self._written(found["files"]) + list(files.FOLDERS) + data)

    def _host(self, answered, texts):
        found = host.host_fact(self.tree)
        docker_root = answered.fact["root"] if answered.fact else ""
        paths = [docker_root or host.DISKS[0]] + list(host.DISKS[1:])
        paths += toml.strings(texts[0], "root", table="")[:1]
        found["disks"] = host.disks(self.tree, sorted(set(paths)))
        found["forward_policy"] = host.forward_policy([program.answer().out for program in self.firewall])
        return found


def facts(tree):
    """Give the document, with the problems that were met in it."""
    if os.geteuid() != 0:
        return {"schema_version": SCHEMA, "root": False}
    reading = Reading(tree)
    document = reading.document()
    document["problems"] = plain(reading.problems)
    return document


def main():
    """Run as an Ansible module."""
    module = AnsibleModule(argument_spec={}, supports_check_mode=True)
    try:
        document = facts(Tree())
    except Exception as error:  # a message says more than a trace
        module.fail_json(msg=reason(error))
    module.exit_json(changed=False, node=document)


if __name__ == "__main__":
    main()
