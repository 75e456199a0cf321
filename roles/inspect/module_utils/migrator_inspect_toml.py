"""Just enough TOML to find the files and folders that a configuration names; planning reads the whole.

Runs on the node: Python 3.6 or later, standard library only.
"""

import re

_LINE = re.compile(
    r"""^[ \t]*(?:\[+(?P<table>[^\n]+?)\]+[ \t]*(?:\#.*)?$|"""
    r"""["']?(?P<key>[A-Za-z0-9_\-]+)["']?[ \t]*=[ \t]*(?P<value>\[[^\]]*\]|"(?:[^"\\\n]|\\.)*"|'[^'\n]*'))""",
    re.MULTILINE,
)
_STRING = re.compile(r""""((?:[^"\\\n]|\\.)*)"|'([^'\n]*)'""")
_COMMENT = re.compile(r"^[ \t]*#.*$", re.MULTILINE)


def strings(text, key, table=None):
    """Give the strings that `key` is set to, alone or in lists; in the table of this name only ("" is the top)."""
    found, current = [], ""
    for match in _LINE.finditer(_COMMENT.sub("", text)):
        if match.group("table"):
            current = match.group("table").strip()
        elif match.group("key") == key and table in (None, current):
            for string in _STRING.finditer(match.group("value")):
                basic = string.group(1)
                found.append(re.sub(r"\\(.)", r"\1", basic) if basic is not None else string.group(2))
    return found
