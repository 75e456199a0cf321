"""What Docker has made of a node's network: its bridges, and its rules in the firewall.

Runs on the node: Python 3.6 or later, standard library only.
"""

import os
import re
import shlex

from ansible.module_utils.migrator_node import NodeError, run

BRIDGE = re.compile(r"docker0$|br-[0-9a-f]{12}$")
"""Bridges of Docker's networks (libnetwork, drivers/bridge/bridge.go)."""
CHAINS = frozenset(
    "DOCKER DOCKER-ISOLATION DOCKER-ISOLATION-STAGE-1 DOCKER-ISOLATION-STAGE-2 DOCKER-USER DOCKER-FORWARD "
    "DOCKER-BRIDGE DOCKER-CT DOCKER-INTERNAL DOCKER-INGRESS".split()
)
"""Its chains (libnetwork, iptables/iptables.go and drivers/bridge/setup_ip_tables.go, Docker 1.10 to 28)."""
TABLES = (("iptables", "filter"), ("iptables", "nat"), ("ip6tables", "filter"), ("ip6tables", "nat"))
NO_TABLE = re.compile("does not exist|not supported|Protocol wrong|Address family not supported", re.IGNORECASE)
"""What ip6tables says on a host without IPv6."""


def bridges():
    """Give Docker's bridges with their networks, and those that something is plugged into."""
    free, used = {}, []
    for name in sorted(os.listdir("/sys/class/net")):
        if not BRIDGE.match(name) or not os.path.isdir("/sys/class/net/{}/bridge".format(name)):
            continue
        if os.listdir("/sys/class/net/{}/brif".format(name)):
            used.append(name)
        else:
            shown = run(["ip", "-o", "route", "show", "dev", name], check=False)[1]
            free[name] = [line.split()[0] for line in shown.splitlines() if line.strip()]
    return free, used


def rules(free):
    """Give the commands that remove Docker's own rules and chains, and the rules that may be other people's.

    Its own are its chains with their rules, what jumps to them, and its rules about a bridge: in FORWARD, and the
    masquerading of its network. The chain DOCKER-USER is other people's place: with rules of theirs in it, it stays.
    """
    commands, kept = [], []
    for program, table in TABLES:
        base = [program, "-w", "10", "-t", table]
        code, shown, err = run(base + ["-S"], check=False)
        if code == 127 or (code != 0 and NO_TABLE.search(err)):
            continue
        if code != 0:
            raise NodeError("the firewall's rules cannot be read: {}: {}".format(" ".join(base), err.strip()[-200:]))
        words = [shlex.split(line) for line in shown.splitlines()]
        chains = [entry[1] for entry in words if entry[0] == "-N" and entry[1] in CHAINS]
        added = [entry for entry in words if entry[0] == "-A"]
        user = [entry for entry in added if entry[1] == "DOCKER-USER" and entry[2:] != ["-j", "RETURN"]]
        if user:
            chains.remove("DOCKER-USER")
        outside = [entry for entry in added if entry[1] not in chains and entry[1] != "DOCKER-USER"]
        own = [entry for entry in outside if ours(entry, chains, free)]
        about = [entry for entry in outside if entry not in own and set(entry) & set(free)]
        kept += [" ".join([program, "-t", table] + entry) for entry in user + about]
        commands += [base + ["-D"] + entry[1:] for entry in own]
        commands += [base + ["-F", chain] for chain in chains] + [base + ["-X", chain] for chain in chains]
    return [" ".join(map(shlex.quote, command)) for command in commands], kept


def ours(rule, chains, free):
    """Tell whether a rule of another chain is Docker's."""
    told = {(rule[place], rule[place + 1]) for place in range(2, len(rule) - 1) if rule[place - 1] != "!"}
    if any(("-j", chain) in told for chain in chains):
        return True
    if rule[1] == "FORWARD":
        return any((way, name) in told for way in ("-i", "-o") for name in free)
    masquerades = rule[1] == "POSTROUTING" and ("-j", "MASQUERADE") in told
    return masquerades and any(("-s", network) in told and name in rule for name in free for network in free[name])
