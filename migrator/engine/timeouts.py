"""How long things are waited for, all in one place, because one limit must not contradict another. Seconds.

A switch: what the node waits for in one go < what its playbook may take < what is waited for the node in all.
`tests/test_patience.py` checks the chain, with the node's own constants.
"""

from __future__ import annotations

API = 600.0
"""For an API server that does not answer, or knows our user no more: it may be restarted, fail over, or somebody
renews a token."""
AWAY = 900.0
"""For a node that cannot be reached, since its last answer: long enough for servers to reboot."""
SWITCH = 7200.0
"""For a switch that the node says is under way, from its beginning: it is never cut short, only asked for."""
PUT_BACK = 600.0
"""For a node that goes back to be Ready, whatever `ready_timeout` says: giving up early would leave it cordoned."""
REFUSED = 120.0
"""For a right that is lacking when pods shall leave: somebody may give it, and nothing else is lost meanwhile."""
EVERY = 5.0
"""Between two tries to reach somebody who is away."""
