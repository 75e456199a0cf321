"""No limit contradicts another: who is asked gives up before whoever asks, and is asked again for long enough."""

from __future__ import annotations

from migrator.engine import patience
from migrator.hosts import line, runner
from migrator.model.target import Target
from tests.test_node_modules import node_switch, service, switching

MARGIN = 60
"""Seconds that Ansible takes to begin and to bring the answer back."""


def test_the_limits_of_a_switch_nest() -> None:
    """Each stop < the way forth < the wait for another's < the node's answer < its playbook < patience in all."""
    limit = runner._LIMITS["switch"]  # noqa: SLF001
    chain = [switching.START_SECONDS, node_switch.FORTH_SECONDS, node_switch.LOCK_SECONDS, service.WAIT_SECONDS]

    assert chain == sorted(chain)
    assert limit >= service.WAIT_SECONDS + MARGIN
    assert limit < patience.SWITCH
    assert patience.AWAY < patience.SWITCH


def test_an_api_server_is_waited_for_longer_than_a_request_may_take() -> None:
    """At least some tries are made."""
    from migrator.cluster import api

    assert 10 * api._SECONDS <= patience.API  # noqa: SLF001


def test_somebody_elses_session_ends_before_it_is_given_up() -> None:
    """A session's own limits together: start, import, removal."""
    from migrator.proving import live, session

    longest = session._IMPORT_SECONDS + live._START_SECONDS + live._REMOVE_SECONDS  # noqa: SLF001
    assert longest < session._BUSY_SECONDS  # noqa: SLF001


def test_a_connection_may_take_as_long_as_its_setting_says() -> None:
    """However long the largest one is, a line is not given up before."""
    (most,) = [entry.le for entry in Target.model_fields["connect_timeout"].metadata if hasattr(entry, "le")]

    assert line.opening(most) > most
    assert line.opening(20) >= 180
