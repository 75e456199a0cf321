"""What to do when admission does not let a pod or a namespace of ours in.

No advice opens a hole: whoever may make a namespace may give it our labels, and a name like ours too. So an exemption
is for the user and the names together, and only as long as it is needed.
"""

from __future__ import annotations

import re

_SPACES = "namespaces named migrator-probe-*"
_EXEMPT = (
    r"exempt what the kubeconfig's user, and nobody else, makes in our namespaces (migrator-probe-*) from \1, for the "
    "time of the rollout"
)

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
        "let the kubeconfig's user use the SecurityContextConstraints privileged for the time of the rollout",
    ),
    # staging/src/k8s.io/apiserver/pkg/admission/plugin/webhook/errors/statuserror.go
    (r'admission webhook "([^"]+)" denied', _EXEMPT),
    (r'failed calling webhook "([^"]+)"', f"mend the service behind that webhook, or {_EXEMPT}"),
    (r"ValidatingAdmissionPolicy '([^']+)'", _EXEMPT),
    (
        r"image policy webhook",
        "let it allow images of migrator.invalid, which come from no registry, for the time of the rollout",
    ),
    (
        r"exceeded quota|(?:minimum|maximum) \S+ (?:usage|limit)",
        f"put no ResourceQuota or LimitRange into {_SPACES}",
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
