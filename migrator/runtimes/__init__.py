"""The runtimes: a folder each, with one frozen object that has everything in which it differs from the others."""

from migrator.runtimes.containerd.runtime import CONTAINERD
from migrator.runtimes.crio.runtime import CRIO
from migrator.runtimes.docker.runtime import CRI_DOCKERD, DOCKER
from migrator.runtimes.registry import register

for _runtime in (DOCKER, CRI_DOCKERD, CONTAINERD, CRIO):
    register(_runtime)
