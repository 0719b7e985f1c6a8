"""Each rule of the doctor: a healthy bus gives nothing, a bus broken in one way gives that finding."""

import io
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from rich.console import Console

from agents.cli.doctor.broker_settings import UnreadableSettings, read_settings
from agents.cli.doctor.examination import diagnose, is_healthy, render
from agents.cli.doctor.snapshot import Finding, Loopback, QueueProbe
from bus_schema import topics
from bus_schema.generate.mosquitto import local_conf, site_conf
from bus_schema.words import Severity
from tests.cli.doctor_bus import GOOD_SETTINGS, NOW, example, healthy, of_charger, raw, said

STATE = "ev/v1/garage/charger/c1/state"


def only(snapshot):
    """Return the one finding that the snapshot must give."""
    found = diagnose(snapshot)
    assert len(found) == 1, found
    assert found[0].what and found[0].remedy and found[0].where
    return found[0]


def test_nothing_is_wrong_with_a_healthy_bus():
    assert diagnose(healthy()) == []
    assert diagnose(healthy(settings=None, queue=None, anonymous_connects=None)) == []


def add(*live, kept=()):
    """Return a healthy snapshot with some more messages."""
    base = healthy()
    return replace(base, live=(*base.live, *live), kept=(*base.kept, *kept))


# --- messages


def test_an_unreadable_message_is_found_once_and_counted():
    bad = raw(STATE, b'{"ts":"soon"}')
    finding = only(add(bad, bad))
    assert (finding.severity, finding.check, finding.where) == (Severity.CRITICAL, "schema", STATE)
    assert "field" in finding.what and "(2 messages)" in finding.what and "soon" not in finding.what


def test_an_unknown_topic_is_found():
    finding = only(add(raw("ev/v1/garage/charger/c1/stat", b"{}")))
    assert (finding.check, finding.where) == ("unknown_topic", "ev/v1/garage/charger/c1/stat")


def test_the_doctors_own_probes_are_not_found():
    assert diagnose(add(raw("ev/v1/garage/charger/doctor-probe/state", b"{}"))) == []
    assert diagnose(add(*of_charger("doctor-probe", kept=False))) == []
    report = example(topics.AGENT_REJECTED, topic="ev/v1/garage/charger/doctor-probe/state")
    assert diagnose(add(said(topics.AGENT_REJECTED, report))) == []


@pytest.mark.parametrize(
    ("topic", "severity"), [(topics.CHARGER_COMMAND, Severity.CRITICAL), (topics.CHARGER_EVENT, Severity.WARNING)]
)
def test_retained_where_it_is_forbidden(topic, severity):
    finding = only(add(kept=[said(topic, example(topic), kept=True)]))
    assert (finding.check, finding.severity) == ("retained", severity)
    assert f"mosquitto_pub -r -n -t {finding.where}" in finding.remedy


def test_who_commands_in_a_foreign_name_is_found():
    forged = [
        said(topics.CHARGER_COMMAND, example(topics.CHARGER_COMMAND), sender="anna", charger=charger)
        for charger in ("c1", "c2", "c1")
    ]
    finding = only(add(*forged))
    assert (finding.severity, finding.check, finding.where) == (Severity.CRITICAL, "source", "sender anna")
    assert "commands as load_balancer, which chargers refuse: 3 times to c1, c2" in finding.what


def test_people_command_as_technicians():
    command = example(topics.CHARGER_COMMAND, source="technician")
    assert diagnose(add(said(topics.CHARGER_COMMAND, command, sender="anna"))) == []


def test_not_retained_where_it_must_be():
    base = healthy()
    finding = only(replace(base, kept=tuple(heard for heard in base.kept if heard.topic != STATE)))
    assert (finding.check, finding.where) == ("retained", STATE) and "without the retain flag" in finding.what


def test_a_wish_that_was_cleared_is_not_missed():
    wish = said(topics.CHARGER_WISH, example(topics.CHARGER_WISH))
    assert diagnose(add(wish, raw(wish.topic, b""))) == []
    assert only(add(raw(wish.topic, b""), wish)).check == "retained"


def test_too_low_a_quality_of_service():
    finding = only(add(said(topics.CHARGER_EVENT, example(topics.CHARGER_EVENT), qos=0)))
    assert finding.check == "qos" and "QoS 0" in finding.what


def test_a_newer_minor_version_is_worth_knowing():
    base = healthy()
    newer = said(topics.CHARGER_META, example(topics.CHARGER_META, schema_version="1.10"), kept=True)
    kept = tuple(newer if heard.topic == newer.topic else heard for heard in base.kept)
    finding = only(replace(base, kept=kept, live=tuple(heard for heard in base.live if heard.topic != newer.topic)))
    assert (finding.check, finding.severity, finding.where) == ("version", Severity.INFO, "c1")
    assert is_healthy([finding])


def test_what_agents_reject_is_told():
    report = example(topics.AGENT_REJECTED, count=3)
    finding = only(add(said(topics.AGENT_REJECTED, report), said(topics.AGENT_REJECTED, report)))
    assert finding.check == "rejected" and "has rejected 6" in finding.what and finding.where == report.topic


def test_a_charger_with_the_name_of_a_role():
    found = diagnose(add(*of_charger("ledger", kept=False), kept=of_charger("ledger", kept=True)))
    assert [finding.check for finding in found] == ["name"] and found[0].where == "ledger"


# --- clocks


def at(skew_ms, topic=topics.CHARGER_STATE, charger="c1"):
    """Return messages of a charger whose clock is wrong."""
    return [said(topic, example(topic, ts=NOW + skew_ms), charger=charger), *of_charger(charger, kept=False)[:0]]


@pytest.mark.parametrize(("skew_ms", "word"), [(-60_000, "slow"), (-3_000, "slow"), (3_000, "fast"), (60_000, "fast")])
def test_a_wrong_clock_is_found(skew_ms, word):
    live = [said(topic, example(topic, ts=NOW + skew_ms)) for topic in (topics.CHARGER_STATE, topics.CHARGER_TELEMETRY)]
    finding = only(healthy(live=tuple(live)))
    assert (finding.check, finding.where) == ("clock", "c1") and word in finding.what
    assert finding.severity is (Severity.CRITICAL if abs(skew_ms) > 10_000 else Severity.WARNING)


@pytest.mark.parametrize("skew_ms", [-1_900, 0, 1_900])
def test_a_clock_that_is_nearly_right_is_not(skew_ms):
    assert diagnose(healthy(live=tuple(at(skew_ms)))) == []


def test_a_message_that_waited_in_a_queue_is_no_wrong_clock():
    assert diagnose(healthy(live=(*at(-8_000), *at(-100)))) == []


def test_an_old_event_and_a_will_tell_nothing_about_the_clock():
    old = [
        said(topics.CHARGER_EVENT, example(topics.CHARGER_EVENT, ts=NOW - 86_400_000)),
        said(topics.CHARGER_ONLINE, example(topics.CHARGER_ONLINE, ts=NOW - 86_400_000, online=False)),
    ]
    assert not [finding for finding in diagnose(healthy(live=tuple(old))) if finding.check == "clock"]


def test_an_unset_clock_is_found():
    finding = only(healthy(live=(said(topics.CHARGER_STATE, example(topics.CHARGER_STATE, ts=None)),)))
    assert finding.check == "clock" and "unset" in finding.what


def test_when_everybody_differs_alike_it_is_this_computer():
    live = [message for charger in ("c1", "c2", "c3") for message in at(-30_000, charger=charger)]
    kept = [message for charger in ("c1", "c2", "c3") for message in of_charger(charger, kept=True)]
    finding = only(healthy(live=(*live, *at(-29_000, charger="c1")), kept=tuple(kept)))
    assert finding.where == "this computer" and "30.0 s fast" in finding.what


# --- who lives


def test_an_empty_site_is_found():
    assert only(healthy(live=(), kept=())).check == "chargers"


def test_a_charger_that_never_said_it_is_online():
    base = healthy()
    keep = [heard for heard in base.kept if not heard.topic.endswith("/online")]
    finding = only(replace(base, kept=tuple(keep), live=tuple(h for h in base.live if not h.topic.endswith("/online"))))
    assert (finding.check, finding.severity) == ("will", Severity.CRITICAL)


@pytest.mark.parametrize(("age_s", "silent"), [(31, True), (29, False)])
def test_a_charger_that_is_retained_online_but_old(age_s, silent):
    snapshot = healthy(live=(), kept=of_charger(kept=True, ts=NOW - age_s * 1000))
    assert [finding.check for finding in diagnose(snapshot)] == (["silent"] if silent else [])


def test_a_charger_without_a_clock_is_silent_when_it_was_listened_for_long_enough():
    kept = tuple(
        said(topic, example(topic, ts=None), kept=True)
        for topic in (topics.CHARGER_ONLINE, topics.CHARGER_META, topics.CHARGER_STATE)
    )
    assert diagnose(healthy(live=(), kept=kept)) == []
    assert only(healthy(live=(), kept=kept, listened_s=31.0)).check == "silent"


def test_a_slow_clock_does_not_make_a_charger_silent():
    kept = of_charger(kept=True, ts=NOW - 600_000)
    found = diagnose(healthy(live=tuple(at(-600_000)), kept=kept))
    assert [finding.check for finding in found] == ["clock"]


def test_a_charger_that_is_offline_as_its_will_says_is_nothing_to_find():
    gone = said(topics.CHARGER_ONLINE, example(topics.CHARGER_ONLINE, online=False, ts=NOW - 9_000_000), kept=True)
    kept = (gone, *of_charger(kept=True, ts=NOW - 9_000_000)[1:])
    assert diagnose(healthy(live=(), kept=kept)) == []


def test_a_charger_that_talks_while_it_is_retained_as_offline():
    gone = said(topics.CHARGER_ONLINE, example(topics.CHARGER_ONLINE, online=False), kept=True)
    live = of_charger(kept=False)[2:]
    finding = only(healthy(live=live, kept=(gone, *of_charger(kept=True)[1:])))
    assert (finding.check, finding.severity) == ("will", Severity.WARNING) and "late will" in finding.what


def test_a_charger_without_meta():
    kept = tuple(heard for heard in of_charger(kept=True) if not heard.topic.endswith("/meta"))
    finding = only(healthy(live=(), kept=kept))
    assert finding.check == "meta" and "chargebus trigger c1 meta" in finding.remedy


@pytest.mark.parametrize(("age_s", "silent"), [(76, True), (74, False)])
def test_an_agent_that_is_retained_online_but_old(age_s, silent):
    old = said(topics.AGENT_HEALTH, example(topics.AGENT_HEALTH, ts=NOW - age_s * 1000), kept=True)
    snapshot = healthy(live=of_charger(kept=False), kept=(*of_charger(kept=True), old))
    assert [finding.check for finding in diagnose(snapshot)] == (["silent"] if silent else [])


def test_an_agent_that_has_gone():
    gone = said(topics.AGENT_HEALTH, example(topics.AGENT_HEALTH, online=False, ts=NOW - 5000), kept=True)
    finding = only(healthy(live=of_charger(kept=False), kept=(*of_charger(kept=True), gone)))
    assert finding.where == "agent ledger" and "not running (last connected 5 s ago)" in finding.what


def test_an_agent_that_acts_but_never_reports_its_health():
    finding = only(add(said(topics.CHARGER_DECISION, example(topics.CHARGER_DECISION)), kept=[
        said(topics.CHARGER_DECISION, example(topics.CHARGER_DECISION), kept=True),
    ]))  # fmt: skip
    assert (finding.check, finding.where) == ("will", "agent load_balancer")


def test_what_keeps_an_agent_from_its_work_is_told():
    ill = example(topics.AGENT_HEALTH, problems=["the database is full"], dropped=4)
    base = healthy(live=of_charger(kept=False))
    found = diagnose(replace(base, kept=(*of_charger(kept=True), said(topics.AGENT_HEALTH, ill, kept=True))))
    assert {finding.check for finding in found} == {"problem", "dropped"}
    assert any(finding.what == "the database is full" for finding in found)


# --- the broker


@pytest.mark.parametrize(
    ("dropped", "severity"),
    [((0, 5), Severity.CRITICAL), ((5, 5), Severity.WARNING), ((5,), Severity.WARNING), ((), Severity.INFO)],
)
def test_messages_that_the_broker_drops(dropped, severity):
    finding = only(healthy(dropped=dropped))
    assert (finding.check, finding.severity) == ("broker", severity)


def test_a_queue_that_is_too_short():
    finding = only(healthy(queue=QueueProbe(1500, 1000)))
    assert (finding.severity, finding.where) == (Severity.CRITICAL, "max_queued_messages")
    assert "kept 1000" in finding.what


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("max_queued_messages", None),
        ("max_queued_messages", "1000"),
        ("max_queued_messages", "0"),
        ("max_inflight_messages", None),
        ("max_inflight_messages", "0"),
        ("persistence", "false"),
        ("persistence", None),
        ("set_tcp_nodelay", None),
        ("message_size_limit", "4000"),
    ],
)
def test_settings_that_lose_messages(name, value):
    settings = {key: kept for key, kept in GOOD_SETTINGS.items() if key != name} | ({name: value} if value else {})
    finding = only(healthy(settings=settings))
    assert (finding.check, finding.where) == ("broker", name) and f"Set {name} " in finding.remedy


def test_settings_that_let_anybody_in():
    assert only(healthy(settings={**GOOD_SETTINGS, "allow_anonymous": "true"})).where == "allow_anonymous"
    without = {key: value for key, value in GOOD_SETTINGS.items() if key != "acl_file"}
    assert only(healthy(settings=without)).where == "acl_file"


def test_settings_are_read_with_what_they_include(tmp_path):
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "a.conf").write_text("max_queued_messages 7\n")
    (tmp_path / "m.conf").write_text(f"# max_queued_messages 1\npersistence true\n\ninclude_dir {tmp_path / 'more'}\n")
    assert read_settings(tmp_path / "m.conf") == {"persistence": "true", "max_queued_messages": "7"}
    with pytest.raises(UnreadableSettings, match=r"none\.conf"):
        read_settings(tmp_path / "none.conf")


# --- the access list


def test_a_probe_that_got_through():
    probes = (Loopback("technician", STATE, arrived=True), Loopback("technician", STATE + "x", arrived=False))
    finding = only(healthy(loopbacks=probes))
    assert (finding.check, finding.severity, finding.where) == ("acl", Severity.CRITICAL, STATE)


def test_a_broker_that_lets_in_strangers():
    finding = only(healthy(anonymous_connects=True, anonymous_read=12))
    assert finding.where == "anonymous" and "12 retained messages" in finding.what


def test_a_technician_who_reads_what_is_not_for_people():
    session = said(topics.SESSION, example(topics.SESSION))
    finding = only(add(session))
    assert (finding.check, finding.where) == ("acl", session.topic)
    assert diagnose(replace(add(session), user="console")) == []


def test_answers_to_others_are_not_for_the_technician():
    answer = example(topics.AGENT_ANSWER)
    assert diagnose(add(said(topics.AGENT_ANSWER, answer, asker="technician"))) == []
    assert only(add(said(topics.AGENT_ANSWER, answer, asker="console"))).check == "acl"


def test_what_could_not_be_tested_is_said():
    assert only(healthy(untested=("the access list was not probed",))).severity is Severity.INFO


# --- for people


def test_the_worst_comes_first_and_everything_is_shown():
    found = diagnose(healthy(dropped=(), queue=QueueProbe(9, 1), settings={**GOOD_SETTINGS, "persistence": "no"}))
    assert [finding.severity for finding in found] == [Severity.CRITICAL, Severity.WARNING, Severity.INFO]
    console = Console(width=200, record=True, file=io.StringIO())
    console.print(render(found))
    text = console.export_text()
    assert "1 critical, 1 warning, 1 info" in text
    for finding in found:
        assert finding.where in text and finding.remedy in text
    assert not is_healthy(found)


def test_nothing_wrong_is_said_too():
    assert "Nothing is wrong" in str(render([]))


def test_brackets_in_a_finding_are_no_markup():
    finding = Finding(Severity.INFO, "x", "[bold]w[/bold]", "[red]", "[/nonsense]")
    console = Console(width=200, record=True, file=io.StringIO())
    console.print(render([finding]))
    assert "[/nonsense]" in console.export_text()


@pytest.mark.parametrize(
    ("changes", "check", "where"),
    [
        ({"settings": {**GOOD_SETTINGS, "use_username_as_clientid": "false"}}, "identity", "use_username_as_clientid"),
        ({"takes_over": True}, "identity", "client id"),
        ({"settings": {**GOOD_SETTINGS, "max_packet_size": "0"}}, "broker", "max_packet_size"),
        ({"settings": {**GOOD_SETTINGS, "max_packet_size": "4000"}}, "broker", "max_packet_size"),
        ({"settings": {**GOOD_SETTINGS, "max_connections": "-1"}}, "broker", "max_connections"),
        ({"access_list": "pattern read ev/v1/+/charger/%u/command\n"}, "acl", "acl_file"),
        ({"access_list": "user c1\n", "access_list_due": "user c1\n\nuser c2\n"}, "acl", "acl_file"),
        ({"certificates": {"c1": datetime.fromtimestamp(NOW / 1000 + 29 * 86_400, UTC)}}, "certificate", "c1"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_misconfigurations_of_identity_and_rights_are_found(changes, check, where):
    finding = only(healthy(**changes))
    assert (finding.check, finding.where) == (check, where)


@pytest.mark.parametrize(
    ("name", "days", "remedy"),
    [
        ("c1", 29, "chargebus renew-certificate c1."),
        ("c1", -1, "chargebus pki renew c1."),
        ("ledger", 29, "chargebus pki renew ledger."),
    ],
)
def test_a_charger_that_is_let_in_yet_is_renewed_over_the_bus(name, days, remedy):
    ends = datetime.fromtimestamp(NOW / 1000 + days * 86_400, UTC)
    finding = only(healthy(certificates={name: ends}, certified_chargers=frozenset({"c1"})))
    assert finding.remedy.endswith(remedy)


@pytest.mark.parametrize("lost", ["crlfile", "require_certificate", "use_identity_as_username"])
def test_a_tls_listener_that_lets_in_who_it_should_not_is_found(lost):
    tls = {
        **GOOD_SETTINGS,
        "certfile": "broker.pem",
        "crlfile": "revoked.crl",
        "require_certificate": "true",
        "use_identity_as_username": "true",
    }
    assert diagnose(healthy(settings=tls)) == []
    assert only(healthy(settings={name: value for name, value in tls.items() if name != lost})).where == lost


def test_a_broker_that_has_just_started_is_not_called_forbidden():
    finding = only(healthy(dropped=(), broker_tells=True))
    assert finding.severity is Severity.INFO
    assert "just started" in finding.what and "may not read" not in finding.what


def test_a_second_listener_without_the_binding_is_found(tmp_path):
    bound = "use_username_as_clientid true\n"
    file = tmp_path / "m.conf"
    file.write_text(f"listener 8883\n{bound}listener 1883\n{bound}")
    assert read_settings(file)["use_username_as_clientid"] == "true"
    file.write_text(f"listener 8883\n{bound}listener 1883\n")
    assert "use_username_as_clientid" not in read_settings(file)


def test_what_chargebus_itself_configures_has_nothing_wrong(tmp_path):
    """The generated configurations, read by the doctor's own eyes."""
    for name, text in (("site", site_conf()), ("local", local_conf(1883, tmp_path))):
        (tmp_path / name).write_text(text)
        assert diagnose(healthy(settings=read_settings(tmp_path / name))) == []
