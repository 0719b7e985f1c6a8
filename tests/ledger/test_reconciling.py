"""Sessions that only the ledger holds to be active."""

from agents.ledger.reconciling import Reconciliation, Stuck


def test_a_charger_that_reports_no_session_is_suspect_after_a_while() -> None:
    view = Reconciliation()
    view.recorded("c1", "s1", active=True)
    view.reported("c1", None, 0, 1000)
    view.reported("c1", None, 0, 5000)
    assert view.stuck(5999, 5000) == []
    assert view.stuck(6000, 5000) == [Stuck("c1", "s1", None, 1000)]


def test_a_report_of_the_session_or_its_end_clears_the_suspicion() -> None:
    view = Reconciliation()
    view.recorded("c1", "s1", active=True)
    view.reported("c1", "s2", 0, 1000)
    view.reported("c1", "s1", 0, 2000)
    assert view.stuck(99_000, 0) == []
    view.reported("c1", "s2", 0, 3000)
    assert view.stuck(99_000, 0) == [Stuck("c1", "s1", "s2", 3000)]
    view.recorded("c1", "s1", active=False)
    assert view.stuck(99_000, 0) == []


def test_events_on_their_way_are_waited_for() -> None:
    view = Reconciliation()
    view.recorded("c1", "s1", active=True)
    view.reported("c1", None, 1, 1000)
    assert view.stuck(99_000, 0) == []


def test_the_suspicion_keeps_its_beginning_when_the_report_changes() -> None:
    view = Reconciliation()
    view.recorded("c1", "s1", active=True)
    view.reported("c1", None, 0, 1000)
    view.reported("c1", "s2", 0, 2000)
    assert view.stuck(99_000, 0) == [Stuck("c1", "s1", "s2", 1000)]
