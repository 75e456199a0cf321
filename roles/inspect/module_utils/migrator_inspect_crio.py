"""CRI-O, cri-dockerd, and the low-level runtimes: those that are there, with their versions.

Runs on the node: Python 3.6 or later, standard library only.
"""

from ansible.module_utils.migrator_inspect_programs import FOLDERS, Program, find, find_all
from ansible.module_utils.migrator_inspect_secrets import TOML, redact_file
from ansible.module_utils.migrator_inspect_tree import LARGEST_FILE

CRIO_FOLDERS = ("/usr/libexec/crio", "/usr/lib/cri-o-runc/sbin")
"""Where CRI-O's packages keep a runtime of their own."""
LOW_LEVEL = ("runc", "crun")


class Crio:
    """CRI-O's answers, or None for a fact where it is not installed."""

    def __init__(self, tree, unit):
        self._unit = unit
        program = unit.get("program") or find(tree, "crio")
        self._version = Program(tree, [program, "--version"]) if program else None
        self._config = Program(tree, [program, "config"]) if program else None

    def fact(self):
        """Wait for the answers and put them together."""
        if not self._version:
            return None
        config = self._config.answer()
        return {
            "version": self._version.answer().version,
            "unit": self._unit,
            "effective": redact_file(config.out[:LARGEST_FILE], [TOML]) if config.code == 0 else "",
        }


class CriDockerd:
    """cri-dockerd's answer, or None for a fact where it is not installed."""

    def __init__(self, tree, unit):
        self._unit = unit
        program = unit.get("program") or find(tree, "cri-dockerd")
        self._version = Program(tree, [program, "--version"]) if program else None

    def fact(self):
        """Wait for the answer."""
        return {"version": self._version.answer().version, "unit": self._unit} if self._version else None


class LowLevel:
    """The versions of the low-level runtimes; more can be named while the first are asked already."""

    def __init__(self, tree):
        self._tree = tree
        self._asked = {}
        self._seen = set()
        self.add(find_all(tree, LOW_LEVEL, CRIO_FOLDERS))

    def add(self, programs):
        """Ask these too, by path or by name; one that is asked already or that is not there is left out."""
        for program in programs:
            path = program if program.startswith("/") else next(iter(self._places(program)), "")
            if self._tree.is_program(path) and self._tree.real(path) not in self._seen:
                self._seen.add(self._tree.real(path))
                self._asked[path] = Program(self._tree, [path, "--version"])

    def _places(self, name):
        return [folder + "/" + name for folder in FOLDERS if self._tree.is_program(folder + "/" + name)]

    def fact(self):
        """Wait for the answers: the version by path."""
        return {path: program.answer().version for path, program in sorted(self._asked.items())}
