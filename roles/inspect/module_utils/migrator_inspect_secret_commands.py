"""Command lines and environment variables: what a migration reads of them stays, and a variable's value only then.

Runs on the node: Python 3.6 or later, standard library only.
"""

import re

from ansible.module_utils.migrator_inspect_secret_names import (
    digest,
    hide,
    is_harmless,
    is_header,
    is_path,
    is_secret,
    keeps,
)
from ansible.module_utils.migrator_inspect_secret_text import redact
from ansible.module_utils.migrator_inspect_secret_urls import hide_in_proxy

_HARMLESS = frozenset(
    "AWS_DEFAULT_REGION AWS_REGION CONTAINERD_LOG_LEVEL DBUS_SESSION_BUS_ADDRESS DOCKER_CERT_PATH DOCKER_HOST "
    "DOCKER_NOFILE DOCKER_RAMDISK DOCKER_TMPDIR ENABLE_CRI_SANDBOXES GODEBUG GOGC GOMAXPROCS GOMEMLIMIT GOTRACEBACK "
    "HOME HOSTNAME INVOCATION_ID JOURNAL_STREAM KUBECONFIG KUBELET_IMAGE LANG LANGUAGE LISTEN_FDS LISTEN_PID LOGNAME "
    "MOUNT_FLAGS NETWORK_POLICY NOTIFY_SOCKET PATH PWD SHELL SHLVL SSL_CERT_DIR SSL_CERT_FILE SYSTEMD_EXEC_PID TERM "
    "TMPDIR TZ USER XDG_RUNTIME_DIR".split()
)
"""Variables that a plan reads, or that every process has."""
_LOCALE = re.compile(r"LC_[A-Z]+")
_PROXY = re.compile(r"(?:HTTPS?|ALL|FTP)_PROXY", re.IGNORECASE)
_NO_PROXY = re.compile(r"NO_PROXY", re.IGNORECASE)
_FLAGS = re.compile(r"--?[A-Za-z](?:[A-Za-z0-9]*|[A-Za-z0-9_]*[.\-][A-Za-z0-9_.\-]*)(?:[=\s]|$)")
"""How a value begins that is options for a program."""
_NUMBER = re.compile(r"-?[0-9]{1,5}|[0-9]{1,4}(?:ms|s|m|h|Ki|Mi|Gi|K|M|G)?|\d{1,3}(?:\.\d{1,3}){3}(?:/\d{1,2})?")
_ASSIGNMENT = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)=")
_CAPITALS = re.compile(r"[A-Z_][A-Z0-9_]*=")
_ATTACHED = re.compile(r"-(?:e(?=[A-Za-z_]\w*=)|u(?=[^=:\-]+:)|H(?=[A-Za-z][\w\-]*:(?!//)))")
"""Options of one letter whose value follows at once."""
_HEADER = re.compile(r"[A-Za-z][\w\-]*:(?!//)(?!\d+(?:/\w+)?$)")
_PUBLISHED = re.compile(r"[\d.:\[\]a-f]*(?:/(?:tcp|udp|sctp))?|all|esp|icmp|icmpv6|ipv6-icmp|sctp|tcp|udp")
_NUMBERS = re.compile(r"\d+(?::\d+)?")
_DOUBLE, _SINGLE = r'"{0}[^"\\]*(?:\\[\s\S][^"\\]*)*{1}"', r"'{0}[^'\\]*(?:\\[\s\S][^'\\]*)*{1}'"
_TOKEN = re.compile(r"""(?:[^\s"'\\]+|\\[^\r\n]|{}|{}|["'])+""".format(_DOUBLE.format("", ""), _SINGLE.format("", "")))
_QUOTES = re.compile(r"{}|{}|\\([\s\S])".format(_DOUBLE.format("(", ")"), _SINGLE.format("(", ")")))
_ESCAPED = re.compile(r"\\([\s\S])")
_OPTIONS = re.compile(r"(?:KUBE|DOCKER|CONTAINERD|CRIO|CRI_)\w*|\w*(?:ARGS|FLAGS|OPTIONS|OPTS|REGISTRY)")
"""Variables that hold options by custom, whoever refers to them."""
_REFERRED = re.compile(
    r"""(?<![\w\-])--?([A-Za-z][A-Za-z0-9_\-]*)(?:=|[ \t]+)["']?\$\{?([A-Za-z_]\w*)\}?["']?(?=[\s"']|$)"""
)
_VARIABLE = re.compile(r"\$\{?([A-Za-z_]\w*)")
_START = re.compile(r"^[ \t]*ExecStart[ \t]*=([^\\\n]*(?:\\[\s\S][^\\\n]*)*)", re.MULTILINE)

LOG_OPTIONS = frozenset(
    "cache-compress cache-disabled cache-max-file cache-max-size compress env env-regex labels labels-regex "
    "max-buffer-size max-file max-size mode tag".split()
)
"""Options of log drivers that a plan reads; the others are for services elsewhere."""
EXEC_OPTIONS = re.compile(r"native\.cgroupdriver|isolation")
STORAGE_OPTIONS = re.compile(r"(?:btrfs|dm|overlay2|vfs|windowsfilter|zfs)\.[\w.\-]+|size")
NETWORK_OPTIONS = re.compile(r"com\.docker\.network\.[\w.\-]+")
NOTHING = re.compile(r"(?!)")
"""No option at all: nothing is read of the values."""
_PAIRS = {
    "cluster-store-opt": NOTHING,
    "exec-opt": EXEC_OPTIONS,
    "label": NOTHING,
    "log-opt": re.compile("|".join(sorted(LOG_OPTIONS))),
    "storage-opt": STORAGE_OPTIONS,
}
"""Flags of dockerd whose value is a name and a value, with the names whose values stay."""
_ENVIRONMENT = frozenset(["build-arg", "e", "env", "setenv"])
_PUBLIC = frozenset(["node-labels", "register-with-taints"])
"""Flags for what everybody reads in the cluster."""
_DEEPEST = 3


def referred(texts):
    """Give the variables that the ExecStart of these units refers to, each with the flag whose value it is, or ""."""
    found = {}
    for text in texts:
        for start in _START.findall(text):
            found.update(dict.fromkeys(_VARIABLE.findall(start), ""))
            for flag, name in _REFERRED.findall(start):
                found[name] = flag
    return found


def variable(name, value, flags=None):
    """Give what may be shown of a variable's value; `flags` are those that `referred` gives."""
    if is_harmless(value) or not value:
        return value
    if _PROXY.fullmatch(name):
        return hide_in_proxy(value)
    if not keeps(name, value) and name not in _HARMLESS:
        return digest(value)
    referred_to = flags or {}
    if referred_to.get(name):
        return option(referred_to[name], value)
    shown = name in _HARMLESS or _LOCALE.fullmatch(name) or _NO_PROXY.fullmatch(name)
    if shown or _NUMBER.fullmatch(value) or is_path(value):
        return redact(value)
    options = _FLAGS.match(value.lstrip()) and (name in referred_to or _OPTIONS.fullmatch(name))
    return command(value) if options else digest(value)


def pair(text, names):
    """Give name=value with its value hidden unless `names` fits the name."""
    name, equals, value = text.partition("=")
    if not equals:
        return hide(text)
    return name + "=" + (redact(value) if names.fullmatch(name) and not is_secret(name) else hide(value))


def assignment(text, flags=None):
    """Give NAME=value with what may be shown of it; anything else is hidden."""
    match = _ASSIGNMENT.match(text)
    return match.group(0) + variable(match.group(1), text[match.end() :], flags) if match else hide(text)


def option(flag, value, depth=0):
    """Give what may be shown of the value of a command line's option."""
    name = flag.lstrip("-").replace("_", "-")
    if name in _PUBLIC:
        return value
    if _has_secret(name, value):
        return hide(value)
    if name in _PAIRS:
        return pair(value, _PAIRS[name])
    if name in _ENVIRONMENT and "=" in value:
        return assignment(value)
    return hide_in_proxy(value) if name.endswith("-proxy") and name != "no-proxy" else _word(value, depth)


def _has_secret(name, value):
    """Tell whether the value is a secret as a whole, by the option's name; those of one letter are curl's, mysql's."""
    if name == "H":
        return bool(_HEADER.match(value))
    if name == "u" or name.endswith("user"):
        return ":" in value and not _NUMBERS.fullmatch(value)
    if name == "p":
        return not (_PUBLISHED.fullmatch(value) or is_path(value))
    return is_header(name) or not keeps(name, value)


def redact_words(words, depth=0):
    """Give a command line with its secrets replaced by hashes."""
    found, pending = [], ""
    for word in words:
        flag = word.startswith("-") and word not in ("-", "--")
        name, equals, value = word.partition("=")
        if flag and _ATTACHED.match(word):
            found.append(word[:2] + option(word[1], word[2:], depth))
        elif flag and equals:
            found.append(name + "=" + option(name, value, depth))
        elif flag or not pending:
            found.append(redact(word) if flag else _word(word, depth))
        else:
            found.append(option(pending, word, depth))
        pending = name if flag and not equals else ""
    return found


def command(text, depth=0):
    """Give the text of a command line likewise; words in which nothing is hidden stay as they are written."""
    tokens = list(_TOKEN.finditer(text))
    return respelled(text, tokens, lambda words: redact_words(words, depth))


def assignments(text, flags=None):
    """Give the text of assignments in words likewise, as `Environment=` has them."""
    return respelled(text, list(_TOKEN.finditer(text)), lambda words: [assignment(word, flags) for word in words])


def respelled(text, tokens, change):
    """Give a text with its words changed; one that stays keeps its quotes."""
    words = [unquoted(token.group(0)) for token in tokens]
    parts, end = [], 0
    for number, new in enumerate(change(words)):
        token = tokens[number]
        if new != words[number]:
            parts += [text[end : token.start()], _quoted(new)]
            end = token.end()
    return "".join(parts) + text[end:]


def unquoted(text):
    """Give what a word means, as systemd and shells read it."""
    return _QUOTES.sub(_inner, text)


def _inner(match):
    double, single, sign = match.groups()
    return _ESCAPED.sub(r"\1", double) if double is not None else (single if single is not None else sign)


def _quoted(word):
    if word and not re.search(r"""[\s"'\\]""", word):
        return word
    return '"' + word.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _word(word, depth):
    """Give what may be shown of a word that is no flag: an assignment, a whole command for a shell, or plain."""
    if _CAPITALS.match(word):
        return assignment(word)
    if depth < _DEEPEST and re.search(r"\s", word):
        word = command(word, depth + 1)
    return redact(word)
