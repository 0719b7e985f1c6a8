"""What the page shows of what was heard. Unknown is never 0, old is never new."""

import pytest

from agents.console.cards import ChargerCard, Connection, Drawn, Tone
from agents.console.site_view import Heard, SiteView, natural_order
from bus_schema.charger_messages import ActiveFault, Lease
from bus_schema.site_messages import AgentHealth, Alarm
from bus_schema.words import ChargerStatus, Fault, Phase, Severity
from tests.console.messages import meta, online, session, state, telemetry

T0 = 1_700_000_000_000


def heard(at_s: float, *, retained: bool = False) -> Heard:
    return Heard(at_s, T0 + round(at_s * 1000), retained)


def card(view: SiteView, now_s: float, charger: str = "c1") -> ChargerCard:
    return next(card for card in view.snapshot(now_s).chargers if card.charger == charger)


@pytest.fixture
def view() -> SiteView:
    view = SiteView("garage")
    view.meta("c1", meta())
    view.online("c1", online(), heard(0))
    return view


def test_a_charging_charger_shows_state_currents_reason_and_session(view: SiteView) -> None:
    view.state("c1", state(session=session()), heard(1))
    view.telemetry("c1", telemetry(current_l1_a=15.5, current_l2_a=15.4, current_l3_a=15.3, power_w=10_600.0), heard(1))
    shown = card(view, 2)
    assert (shown.connection, shown.tone, shown.status) == (Connection.ONLINE, Tone.CHARGING, "Charging")
    assert shown.offered_current_a == 16.0
    assert [(each.phase, each.current_a) for each in shown.currents] == [("L1", 15.5), ("L2", 15.4), ("L3", 15.3)]
    assert (shown.drawn, shown.power_w) == (Drawn.MEASURED, 10_600.0)
    assert shown.limit_reason == "16 A: the cable is rated for 16 A"
    assert shown.session is not None
    assert (shown.session.energy_wh, shown.session.started_ts) == (1000, 1_000_000)


@pytest.mark.parametrize(("age_s", "drawn"), [(5.0, Drawn.MEASURED), (5.1, Drawn.UNKNOWN)])
def test_telemetry_older_than_five_seconds_is_unknown_not_zero(view: SiteView, age_s: float, drawn: Drawn) -> None:
    view.telemetry("c1", telemetry(current_l1_a=15.5, power_w=3500.0), heard(10))
    view.state("c1", state(), heard(10 + age_s))
    shown = card(view, 10 + age_s)
    assert shown.drawn is drawn
    if drawn is Drawn.UNKNOWN:
        assert {each.current_a for each in shown.currents} == {None}
        assert shown.power_w is None


def test_without_telemetry_an_open_contactor_draws_nothing_and_a_closed_one_is_unknown(view: SiteView) -> None:
    view.state("c1", state(ChargerStatus.AVAILABLE), heard(1))
    assert card(view, 2).drawn is Drawn.NONE
    view.state("c1", state(ChargerStatus.CHARGING), heard(3))
    assert card(view, 4).drawn is Drawn.UNKNOWN


@pytest.mark.parametrize(("age_s", "connection"), [(30.0, Connection.ONLINE), (30.1, Connection.SILENT)])
def test_no_state_for_thirty_seconds_is_silent(view: SiteView, age_s: float, connection: Connection) -> None:
    view.state("c1", state(), heard(5))
    shown = card(view, 5 + age_s)
    assert shown.connection is connection
    if connection is Connection.SILENT:
        assert (shown.tone, shown.offered_current_a, shown.limit_reason) == (Tone.LOST, None, None)
        assert "Last known: Charging" in shown.detail
        assert "may still be charging" in shown.detail


def test_fresh_telemetry_of_a_silent_charger_is_not_shown_as_if_all_were_well(view: SiteView) -> None:
    view.state("c1", state(), heard(0))
    view.telemetry("c1", telemetry(current_l1_a=15.5, power_w=3500.0), heard(60))
    assert (card(view, 60).connection, card(view, 60).power_w) == (Connection.SILENT, None)


def test_offline_hides_what_is_no_longer_known_and_keeps_the_session(view: SiteView) -> None:
    view.state("c1", state(session=session()), heard(1))
    view.telemetry("c1", telemetry(current_l1_a=15.5, power_w=3500.0), heard(1))
    view.online("c1", online(False), heard(2))
    shown = card(view, 2)
    assert (shown.connection, shown.tone) == (Connection.OFFLINE, Tone.LOST)
    assert (shown.offered_current_a, shown.power_w, shown.drawn) == (None, None, Drawn.UNKNOWN)
    assert shown.session is not None
    assert shown.session.energy_wh == 1000
    assert shown.heard_ts == T0 + 2000


def test_a_late_will_of_an_earlier_connection_is_overruled_by_a_live_state(view: SiteView) -> None:
    view.online("c1", online(False), heard(5))
    assert card(view, 5).connection is Connection.OFFLINE
    view.state("c1", state(), heard(6))
    assert card(view, 6).connection is Connection.ONLINE


def test_a_retained_state_does_not_overrule_a_retained_offline(view: SiteView) -> None:
    view.online("c1", online(False, ts=T0), heard(10, retained=True))
    view.state("c1", state(ts=T0), heard(10, retained=True))
    assert card(view, 10).connection is Connection.OFFLINE


def test_a_retained_state_is_as_old_as_its_timestamp(view: SiteView) -> None:
    view.state("c1", state(ts=T0), heard(25, retained=True))
    assert card(view, 25).connection is Connection.ONLINE
    assert card(view, 31).connection is Connection.SILENT


def test_a_retained_state_without_time_is_not_known_to_be_true_now(view: SiteView) -> None:
    view.state("c1", state(ts=None), heard(25, retained=True))
    assert card(view, 25).connection is Connection.SILENT
    assert card(view, 25).status == "Charging"


def test_the_clock_of_a_charger_does_not_matter_for_live_messages(view: SiteView) -> None:
    view.state("c1", state(ts=T0 - 86_400_000), heard(40))
    assert card(view, 41).connection is Connection.ONLINE


def test_currents_are_shown_by_the_phase_of_the_supply(view: SiteView) -> None:
    view.meta("c1", meta(phase_rotation=[Phase.L2, Phase.L3, Phase.L1]))
    view.state("c1", state(), heard(1))
    view.telemetry("c1", telemetry(current_l1_a=1.0, current_l2_a=2.0, current_l3_a=3.0), heard(1))
    assert [(each.phase, each.current_a) for each in card(view, 1).currents] == [("L1", 3.0), ("L2", 1.0), ("L3", 2.0)]


def test_a_single_phase_charger_has_one_bar_on_its_own_phase(view: SiteView) -> None:
    view.meta("c1", meta(phases=1, phase_rotation=[Phase.L3]))
    view.state("c1", state(), heard(1))
    view.telemetry("c1", telemetry(current_l1_a=7.0), heard(1))
    assert [(each.phase, each.current_a) for each in card(view, 1).currents] == [("L3", 7.0)]


def test_session_energy_follows_the_register_and_never_goes_back(view: SiteView) -> None:
    view.state("c1", state(session=session(energy_wh=1000, start_energy_wh=4000)), heard(1))
    view.telemetry("c1", telemetry(energy_wh=5025, session_id=session().session_id), heard(2))
    energies = [card(view, 2), card(view, 20)]
    view.state("c1", state(session=session(energy_wh=1030, start_energy_wh=4000)), heard(21))
    energies.append(card(view, 21))  # newer than the last telemetry
    view.online("c1", online(False), heard(22))
    energies.append(card(view, 22))
    assert [shown.session.energy_wh for shown in energies if shown.session is not None] == [1025, 1025, 1030, 1030]


def test_telemetry_of_an_earlier_session_does_not_count(view: SiteView) -> None:
    view.telemetry("c1", telemetry(energy_wh=9999, session_id="0123456789ab-0"), heard(1))
    view.state("c1", state(session=session(energy_wh=7)), heard(2))
    shown = card(view, 2).session
    assert shown is not None
    assert shown.energy_wh == 7


def test_faults_and_notes_are_shown(view: SiteView) -> None:
    fault = ActiveFault(fault=Fault.OVER_TEMPERATURE, since_ts=T0, detail="91 °C")
    lease = Lease(source="load_balancer", current_a=9.0, remaining_s=0, expired=True)
    view.state(
        "c1",
        state(ChargerStatus.FAULTED, faults=[fault], leases=[lease], paused=True, journal_pending=50, available=False),
        heard(1),
    )
    shown = card(view, 1)
    assert [(each.fault, each.since_ts, each.detail) for each in shown.faults] == [("over_temperature", T0, "91 °C")]
    assert shown.notes == (
        "Paused by a command.",
        "Taken out of service by a command.",
        "50 events wait for the ledger.",
        "Its clock is not set.",
        "The lease of load_balancer has run out.",
    )


@pytest.mark.parametrize("status", list(ChargerStatus))
def test_every_status_has_a_colour_and_words(view: SiteView, status: ChargerStatus) -> None:
    view.state("c1", state(status), heard(1))
    shown = card(view, 1)
    assert shown.status == status
    assert shown.tone is not Tone.LOST
    assert shown.detail or status is ChargerStatus.CHARGING


def test_the_sum_says_what_it_leaves_out(view: SiteView) -> None:
    for charger in ("c1", "c2", "c3", "c4"):
        view.online(charger, online(), heard(0))
        view.state(charger, state(session=session()), heard(0))
    view.telemetry("c1", telemetry(current_l1_a=15.5, power_w=3500.0), heard(0))
    view.online("c3", online(False), heard(0))
    view.state("c4", state(ChargerStatus.AVAILABLE), heard(0))
    summary = view.snapshot(0).summary
    assert (summary.chargers, summary.power_w, summary.power_unknown) == (4, 3500.0, 2)


def test_a_site_without_any_measurement_has_no_power_rather_than_zero(view: SiteView) -> None:
    assert view.snapshot(0).summary.power_w is None


def test_agents_and_alarms_come_in_order_and_go() -> None:
    view = SiteView("garage")
    for name, severity in (("a", Severity.INFO), ("b", Severity.CRITICAL), ("c", Severity.WARNING)):
        alarm = Alarm(ts=T0, severity=severity, source="ledger", since_ts=T0, text="t", remedy="r")
        view.alarm(name, alarm)
    view.alarm_over("c")
    view.alarm_over("never-was")
    view.health("ledger", AgentHealth(ts=T0, online=False, version="1", started_ts=T0, problems=["no disk"]))
    shown = view.snapshot(0)
    assert [alarm.alarm for alarm in shown.alarms] == ["b", "a"]
    assert [(agent.agent, agent.online, agent.problems) for agent in shown.agents] == [("ledger", False, ("no disk",))]


def test_a_charger_that_was_removed_is_forgotten(view: SiteView) -> None:
    view.forget("c1")
    view.forget("c1")
    assert view.snapshot(0).chargers == ()


def test_chargers_stand_in_the_order_people_count() -> None:
    assert sorted(["c10", "c2", "b-3", "c1", "9"], key=natural_order) == ["9", "b-3", "c1", "c2", "c10"]


def test_a_card_is_built_again_only_when_it_would_differ(view: SiteView) -> None:
    view.state("c1", state(), heard(1))
    assert card(view, 1) is card(view, 20)
    assert card(view, 1) is not card(view, 40)
