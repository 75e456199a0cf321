"""Which cluster is meant: a kubeconfig, and a context of it."""

from __future__ import annotations

from typing import NamedTuple


class KubeconfigChoice(NamedTuple):
    """Where the cluster is, as the command line says; "" where it does not."""

    kubeconfig: str = ""
    context: str = ""

    def over(self, kubeconfig: str, context: str) -> KubeconfigChoice:
        """Give what was said, else these. A context belongs to its kubeconfig: another file brings its own."""
        return KubeconfigChoice(self.kubeconfig or kubeconfig, self.context or ("" if self.kubeconfig else context))
