"""What an image is called: pods, Docker and containerd each write the same name another way."""

from __future__ import annotations

from functools import lru_cache


@lru_cache(maxsize=8192)
def familiar(image: str) -> str:
    """Write an image's name as Docker lists it: without its own registry, and with a digest or else a tag.

    Source: distribution/reference, FamiliarString and TagNameOnly; ParseDockerRef for a name with both, whose tag
    counts for nothing.
    """
    name, at, digest = image.removeprefix("docker.io/").removeprefix("library/").partition("@")
    tagged = ":" in name.rpartition("/")[2]
    if at:
        return f"{name.rpartition(':')[0] if tagged else name}@{digest}"
    return name if tagged else f"{name}:latest"


def registry_of(image: str) -> str:
    """Give the registry that a name begins with; "" for Docker Hub's (distribution/reference, splitDockerDomain)."""
    first, slash, _ = image.partition("/")
    return first if slash and ("." in first or ":" in first or first == "localhost") else ""


def last_part(image: str) -> str:
    """Give the last part of an image's repository, such as "etcd", without tag and digest."""
    return image.partition("@")[0].rpartition("/")[2].partition(":")[0]


def tagged_digest(image: str) -> bool:
    """Tell whether a name has a tag and a digest."""
    name, at, _ = image.partition("@")
    return bool(at) and ":" in name.rpartition("/")[2]
