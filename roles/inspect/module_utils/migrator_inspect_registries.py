"""What insecure registries speak, found out by asking: HTTPS, whoever they are, or plain HTTP.

Runs on the node: Python 3.6 or later, standard library only.
"""

import http.client
import ssl

from ansible.module_utils.migrator_inspect_programs import Together

SECONDS = 3
MOST = 50


def probe(hosts, seconds=SECONDS):
    """Tell of each registry whether it speaks "https" or "http", "" when it does not answer in time.

    All are asked at the same time, in both ways, so that dead ones cost their seconds once.
    """
    asked = sorted(hosts)[:MOST]
    ways = [(host, scheme) for host in asked for scheme in ("https", "http")]
    answers = Together([_question(scheme, host, seconds) for host, scheme in ways]).results(seconds=seconds + 0.5)
    found = dict.fromkeys(asked, "")
    for number, (host, scheme) in enumerate(ways):
        if answers[number] and not found[host]:
            found[host] = scheme
    return found


def _question(scheme, host, seconds):
    return lambda: _answers(scheme, host, seconds)


def _answers(scheme, host, seconds):
    """Tell whether anything speaks HTTP there; any status is an answer."""
    try:
        connection = _connection(scheme, host, seconds)
        try:
            connection.request("GET", "/v2/", headers={"User-Agent": "migrator"})
            return bool(connection.getresponse().status)
        finally:
            connection.close()
    except (OSError, ValueError, http.client.HTTPException):
        return False


def _connection(scheme, host, seconds):
    if scheme == "http":
        return http.client.HTTPConnection(host, timeout=seconds)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return http.client.HTTPSConnection(host, timeout=seconds, context=context)
