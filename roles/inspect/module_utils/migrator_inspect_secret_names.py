"""Which names have secrets for their values, and what stands in for a secret.

Runs on the node: Python 3.6 or later, standard library only.
"""

import hashlib
import re

_WORDS = frozenset(
    "apikey auth authorization bearer cookie cookies cred credential credentials creds jwt key keys pass passcode "
    "passphrase passwd password passwords pat psk pw pwd sas secret secrets session sig signature token tokens "
    "username".split()
)
"""Last words of such names."""
_WEAK = frozenset("auth cookie cookies key keys pass pat psk pw pwd sas session sig signature".split())
"""Words that are often something else: alone they say little, and a path behind them is a file's."""
_ENDINGS = (
    "accesskey",
    "apikey",
    "authorization",
    "connectionstring",
    "credential",
    "credentials",
    "keydata",
    "passphrase",
    "passwd",
    "password",
    "privatekey",
    "secret",
    "secretkey",
    "token",
    "username",
)
"""How names end that are written as one word."""
_TAILS = frozenset("b base current data hash id new old raw string text val value".split())
"""Words behind the one that tells: SECRET_ID, tokenData, PASSWORD_BASE64."""
_HEADERS = frozenset(["header", "headers"])
_TABLES = _HEADERS | frozenset(["auth"])
"""Tables in which every value is a secret."""
_HARMLESS = frozenset(["", "~", "false", "no", "none", "null", "off", "on", "true", "yes"])
_PARTS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
_HASH = re.compile(r"sha256:[0-9a-f]{16}")
_PATH = re.compile(
    r"(?:file://)?/(?:boot|data|dev|etc|home|lib|lib64|mnt|opt|proc|root|run|sbin|bin|snap|srv|sys|tmp|usr|var)"
    r"(?:/[A-Za-z0-9_.@:+%\-]+)*/?"
)
_REFERENCE = re.compile(r"\$(?:\w+|\{\w+\})")


def digest(secret):
    """Give what stands in for a secret; a hash stays what it is."""
    if _HASH.fullmatch(secret):
        return secret
    return "sha256:" + hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def hide(secret):
    """Give what stands in for a value, which may be none at all."""
    return secret if is_harmless(secret) else digest(secret)


def is_harmless(text):
    """Tell whether a value says nothing, whatever its name: it is empty, a switch, or a variable's name."""
    return text.strip().lower() in _HARMLESS or bool(_REFERENCE.fullmatch(text))


def is_path(text):
    """Tell whether a text is the path of a file of the system; a random text begins so by no chance."""
    return bool(_PATH.fullmatch(text))


def is_secret(name):
    """Tell whether a key, variable or flag of this name has a secret for its value."""
    return bool(_telling(name))


def is_surely_secret(name):
    """Likewise, where a name stands among free text: one weak word alone is not enough."""
    word = _telling(name)
    return bool(word) and (word not in _WEAK or word != _plain(name) or word == "auth")


def is_weak(name):
    """Tell whether a name of a secret may be that of a file with it too."""
    return _telling(name) in _WEAK


def keeps(name, value):
    """Tell whether the value of a name may be shown, as far as the name goes."""
    return not is_secret(name) or is_harmless(value) or (is_weak(name) and is_path(value))


def is_header(name):
    """Tell whether a name is that of HTTP headers."""
    words = _PARTS.findall(name)
    return bool(words) and words[-1].lower() in _HEADERS


def is_secret_table(name):
    """Tell whether every value below a table or mapping of this name is a secret."""
    return name.lower() in _TABLES or is_header(name)


def _plain(name):
    return re.sub(r"[^a-z]", "", name.rpartition(".")[2].lower())


def _telling(name):
    """Give the word that makes a name a secret's; "" when none does."""
    words = [word.lower() for word in _PARTS.findall(name.rpartition(".")[2])]
    while len(words) > 1 and (words[-1] in _TAILS or words[-1].isdigit()):
        words.pop()
    last = words[-1] if words else ""
    if last in _WORDS:
        return last
    joined = "".join(words)
    if not (last.endswith(_ENDINGS) or joined.endswith(_ENDINGS)):
        return ""  # as for most names; one look for all endings, because a large file has many names
    return next((ending for ending in _ENDINGS if last.endswith(ending) or joined.endswith(ending)), "")
