"""What an image is called: pods, Docker and containerd each write the same name another way."""

from __future__ import annotations


def familiar(image: str) -> str:
    """Write an image's name as Docker lists it: without its own registry, and with a tag.

    Source: distribution/reference, FamiliarString and TagNameOnly.
    """
    name = image.removeprefix("docker.io/").removeprefix("library/")
    if "@" in name or ":" in name.rpartition("/")[2]:
        return name
    return f"{name}:latest"


def registry_of(image: str) -> str:
    """Give the registry that a name begins with; "" for Docker Hub's (distribution/reference, splitDockerDomain)."""
    first, slash, _ = image.partition("/")
    return first if slash and ("." in first or ":" in first or first == "localhost") else ""
