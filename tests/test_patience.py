"""No limit contradicts another: who is asked gives up before whoever asks, and is asked again for long enough."""

from __future__ import annotations

from migrator.engine import timeouts
from migrator.hosts import runner
from migrator.hosts import session as host_session
from migrator.model.host_settings import HostSettings
from tests.test_node_modules import node_switch, service, switching

MARGIN = 60
"""Seconds that Ansible takes to begin and to bring the answer back."""


def test_the_limits_of_a_switch_nest() -> None:
    """Each stop < the way forth < the wait for another's < the node's answer < its playbook < patience in all."""
    limit = runner._LIMITS["switch"]  # noqa: SLF001
    chain = [switching.START_SECONDS, node_switch.FORTH_SECONDS, node_switch.LOCK_SECONDS, service.WAIT_SECONDS]

    assert chain == sorted(chain)
    assert limit >= service.WAIT_SECONDS + MARGIN
    assert limit < timeouts.SWITCH
    assert timeouts.AWAY < timeouts.SWITCH


def test_an_api_server_is_waited_for_longer_than_a_request_may_take() -> None:
    """At least some tries are made."""
    from migrator.cluster import http

    assert 10 * http._SECONDS <= timeouts.API  # noqa: SLF001


def test_somebody_elses_session_ends_before_it_is_given_up() -> None:
    """A session's own limits together: start, import, removal."""
    from migrator.probe_session import kubelet_session, session

    longest = session._IMPORT_SECONDS + kubelet_session._START_SECONDS + kubelet_session._REMOVE_SECONDS  # noqa: SLF001
    assert longest < session._BUSY_SECONDS  # noqa: SLF001


def test_a_connection_may_take_as_long_as_its_setting_says() -> None:
    """However long the largest one is, a line is not given up before."""
    (most,) = [entry.le for entry in HostSettings.model_fields["connect_timeout"].metadata if hasattr(entry, "le")]

    assert host_session.opening(most) > most
    assert host_session.opening(20) >= 180
