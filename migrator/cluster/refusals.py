"""What to do when admission does not let a pod or a namespace of ours in."""

from __future__ import annotations

import re

_OURS = "namespaces labelled app.kubernetes.io/managed-by=migrator (migrator-probe-*)"

_ADVICE: tuple[tuple[str, str], ...] = (
    (
        r"violates PodSecurity",
        "keep pod-security.kubernetes.io/enforce: privileged on its namespace: something took that label away",
    ),
    # Until 1.18 without its name: plugin/pkg/admission/security/podsecuritypolicy/admission.go.
    (
        r"PodSecurityPolicy: |any pod security policy",
        "give the kubeconfig's user the verb use on a PodSecurityPolicy that allows privileged containers",
    ),
    (
        r"security context constraint",
        f"let the service account default of {_OURS} use the SecurityContextConstraints privileged",
    ),
    # staging/src/k8s.io/apiserver/pkg/admission/plugin/webhook/errors/statuserror.go
    (r'admission webhook "([^"]+)" denied', rf"exempt {_OURS} from \1"),
    (r'failed calling webhook "([^"]+)"', rf"mend the service behind that webhook, or exempt {_OURS} from \1"),
    (r"ValidatingAdmissionPolicy '([^']+)'", rf"exempt {_OURS} from \1"),
    (r"image policy webhook", "let it allow images of migrator.invalid: they come from no registry"),
    (
        r"exceeded quota|(?:minimum|maximum) \S+ (?:usage|limit)",
        f"put no ResourceQuota or LimitRange into {_OURS}",
    ),
    (r'cannot (\w+) resource "([\w/]+)"', r"give that user the right to \1 \2"),
)
"""Patterns in the API server's words, and the advice; \\1 stands for what the pattern's group found."""


def advice(message: str) -> str:
    """Give what to do about a refusal; "" when its words are not known."""
    for pattern, told in _ADVICE:
        match = re.search(pattern, message)
        if match:
            return match.expand(told)
    return ""
