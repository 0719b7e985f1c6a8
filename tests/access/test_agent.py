"""The access agent in its host: what it tells chargers, and that it does so once."""

import os
from pathlib import Path
from typing import Any

import pytest

from agents.access.agent import CARD_QUESTIONS, Access
from bus_schema import IdToken
from bus_schema.command import Authorize, Caps, CommandReply, Refuse, Stop
from bus_schema.site_messages import AccessReply, AccessRequest
from bus_schema.topics import (
    ACCESS_REPLY,
    ACCESS_REQUEST,
    ALARM,
    CHARGER_COMMAND,
    CHARGER_COMMAND_REPLY,
    CHARGER_EVENT,
    CHARGER_STATE,
)
from bus_schema.words import ChargerStatus, CpState, IdTokenType, ReplyCode, ReplyStage, Verdict
from tests.access.test_plugging import charging, state
from tests.ledger.events import BOOT, CARD, LATER_BOOT, SESSION, T0, card, started
from tests.ledger.harness import Hosted, ManualClock

ANNA = {"uid": CARD.value, "group": "staff"}
BERT = IdToken(type=IdTokenType.RFID, value="11223344")
STRANGER = IdToken(type=IdTokenType.RFID, value="55667788")


def reply(command_id: str, stage: ReplyStage = ReplyStage.DONE, code: ReplyCode = ReplyCode.OK, **fields: Any) -> Any:
    values = {"ts": T0, "uptime_ms": 3000, "boot_id": BOOT, "op": "authorize", **fields}
    return CommandReply(**values, id=command_id, stage=stage, code=code)


def commands(access: Hosted) -> list[tuple[str, Any]]:
    return [(ids["charger"], command) for ids, command in access.bus.take(CHARGER_COMMAND)]


def hosted(*args: Any, **settings: Any) -> Hosted:
    return Hosted(Access, *args, **{"cards": [ANNA, {"uid": BERT.value, "group": "staff"}], **settings})


async def test_a_known_card_is_authorised(store_url: str) -> None:
    async with hosted(store_url) as access:
        await access.hear(CHARGER_EVENT, [card(1, ts=T0)], charger="c1")
        assert commands(access) == [
            (
                "c1",
                Authorize(
                    ts=T0,
                    id=f"card-{BOOT}-1",
                    source="access",
                    deadline_ts=T0 + 10_000,
                    id_token=CARD,
                    parent_id_token=IdToken(type=IdTokenType.RFID, value="staff"),
                ),
            )
        ]


async def test_an_unknown_card_is_refused_with_a_reason(store_url: str) -> None:
    async with hosted(store_url) as access:
        await access.hear(CHARGER_EVENT, [card(1, STRANGER, ts=T0)], charger="c1")
        [(charger, command)] = commands(access)
        assert (charger, command.op, command.id_token) == ("c1", "refuse", STRANGER)
        assert "not known here" in command.reason


async def test_other_events_are_none_of_its_business() -> None:
    async with hosted() as access:
        await access.hear(CHARGER_EVENT, [started(1, 1000)], charger="c1")
        assert commands(access) == []
        assert access.acknowledged == 1


async def test_a_stale_presentation_is_ignored() -> None:
    async with hosted() as access:
        await access.hear(CHARGER_EVENT, [card(1, ts=T0 - 30_001)], charger="c1")
        assert commands(access) == []
        await access.hear(CHARGER_EVENT, [card(2, ts=T0 - 30_000)], charger="c1")
        assert len(commands(access)) == 1


@pytest.mark.parametrize("ts", [None, T0 + 60_000])
async def test_a_presentation_that_cannot_be_dated_is_to_be_repeated(ts: int | None) -> None:
    async with hosted() as access:
        await access.hear(CHARGER_EVENT, [card(1, ts=ts)], charger="c1")
        [(_, command)] = commands(access)
        assert isinstance(command, Refuse)
        assert "present the card again" in command.reason


async def test_a_redelivered_presentation_leads_to_the_same_command(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/access.sqlite3"
    clock = ManualClock()
    first = hosted(url, clock)
    await first.__aenter__()
    await first.hear(CHARGER_EVENT, [card(1, ts=T0), card(1, ts=T0, oldest=1)], charger="c1")
    sent = commands(first)
    assert len(sent) == 2
    assert sent[0] == sent[1]
    await first.kill()
    await clock.advance(5)
    async with hosted(url, clock, cards=[]) as second:
        await second.hear(CHARGER_EVENT, [card(1, ts=T0)], charger="c1")
        assert commands(second) == sent[:1], "also when the lists have changed meanwhile"
        await clock.advance(6)
        await second.hear(CHARGER_EVENT, [card(1, ts=T0)], charger="c1")
        assert commands(second) == [], "its time is over"


async def test_an_answered_presentation_leads_to_nothing_more(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/access.sqlite3"
    async with hosted(url) as access:
        await access.hear(CHARGER_EVENT, [card(1, ts=T0)], charger="c1")
        await access.hear(CHARGER_COMMAND_REPLY, [reply(f"card-{BOOT}-1")], charger="c1")
    async with hosted(url) as access:
        await access.hear(CHARGER_EVENT, [card(1, ts=T0)], charger="c1")
        assert commands(access) == []


async def test_a_dead_broker_delays_the_command_but_does_not_double_it() -> None:
    async with hosted() as access:
        access.bus.down = True
        access.put(CHARGER_EVENT, card(1, ts=T0), charger="c1")
        await access.clock.advance(1)
        assert access.acknowledged == 0
        access.bus.down = False
        await access.clock.advance(5)
        assert [command.id for _, command in commands(access)] == [f"card-{BOOT}-1"]
        assert access.acknowledged == 1


async def test_presentations_of_other_chargers_and_boots_are_others() -> None:
    async with hosted() as access:
        await access.hear(CHARGER_EVENT, [card(1, ts=T0), card(1, ts=T0, boot=LATER_BOOT)], charger="c1")
        await access.hear(CHARGER_EVENT, [card(1, STRANGER, ts=T0)], charger="c2")
        assert [(charger, command.op, command.id) for charger, command in commands(access)] == [
            ("c1", "authorize", f"card-{BOOT}-1"),
            ("c1", "authorize", f"card-{LATER_BOOT}-1"),
            ("c2", "refuse", f"card-{BOOT}-1"),
        ]


@pytest.mark.parametrize(
    ("stage", "code", "words"),
    [
        (ReplyStage.REJECTED, ReplyCode.RESERVED, "reserved"),
        (ReplyStage.REJECTED, ReplyCode.FAULTED, "fault"),
        (ReplyStage.EXPIRED, ReplyCode.DEADLINE_PASSED, "again"),
    ],
)
async def test_the_driver_hears_why_the_charger_refused(stage: ReplyStage, code: ReplyCode, words: str) -> None:
    async with hosted() as access:
        await access.hear(CHARGER_EVENT, [card(1, ts=T0)], charger="c1")
        commands(access)
        refused = reply(f"card-{BOOT}-1", stage, code)
        await access.hear(CHARGER_COMMAND_REPLY, [refused, refused], charger="c1")
        [(charger, command)] = commands(access)
        assert (charger, command.op, command.id) == ("c1", "refuse", f"card-{BOOT}-1-no")
        assert words in command.reason


async def test_answers_to_others_and_to_refusals_lead_to_nothing() -> None:
    async with hosted() as access:
        await access.hear(CHARGER_EVENT, [card(1, STRANGER, ts=T0)], charger="c1")
        commands(access)
        rejected = (ReplyStage.REJECTED, ReplyCode.NOT_SUPPORTED)
        answers = [reply(f"card-{BOOT}-1", *rejected), reply("load-1", *rejected), reply(f"card-{BOOT}-9", *rejected)]
        await access.hear(CHARGER_COMMAND_REPLY, answers, charger="c1")
        unreadable = reply("x", ReplyStage.REJECTED, ReplyCode.MALFORMED).model_copy(update={"id": None})
        await access.hear(CHARGER_COMMAND_REPLY, [unreadable], charger="c1")
        assert commands(access) == []


async def start_session(access: Hosted) -> None:
    await access.hear(CHARGER_EVENT, [card(1, ts=T0)], charger="c1")
    await access.hear(CHARGER_COMMAND_REPLY, [reply(f"card-{BOOT}-1")], charger="c1")
    await access.hear(CHARGER_STATE, [charging(4000)], charger="c1")
    commands(access)


async def test_a_card_of_the_same_group_ends_the_session(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/access.sqlite3"
    async with hosted(url) as access:
        await start_session(access)
    async with hosted(url) as access:
        await access.hear(CHARGER_STATE, [charging(5000)], retained=True, charger="c1")
        await access.hear(CHARGER_EVENT, [card(2, BERT, ts=T0)], charger="c1")
        [(_, command)] = commands(access)
        assert isinstance(command, Stop)
        assert command.session_id == SESSION
        assert "staff" in command.reason


@pytest.mark.parametrize(
    ("token", "words"), [(STRANGER, "in use"), (CARD, "Unplug the car"), (BERT, "in use")], ids=str
)
async def test_any_other_card_does_not(token: IdToken, words: str) -> None:
    cards = [ANNA, {"uid": BERT.value, "group": "guests"}]
    async with hosted(cards=cards) as access:
        await start_session(access)
        await access.hear(CHARGER_EVENT, [card(2, token, ts=T0)], charger="c1")
        [(_, command)] = commands(access)
        assert isinstance(command, Refuse)
        assert words in command.reason


async def test_an_expired_card_of_the_group_does_not() -> None:
    cards = [ANNA, {"uid": BERT.value, "group": "staff", "blocked": True}]
    async with hosted(cards=cards) as access:
        await start_session(access)
        await access.hear(CHARGER_EVENT, [card(2, BERT, ts=T0)], charger="c1")
        assert isinstance(commands(access)[0][1], Refuse)


async def test_after_the_session_the_charger_is_anyone_s() -> None:
    async with hosted() as access:
        await start_session(access)
        await access.hear(CHARGER_STATE, [state(9000, ChargerStatus.FINISHING)], charger="c1")
        await access.hear(CHARGER_EVENT, [card(2, BERT, ts=T0)], charger="c1")
        assert isinstance(commands(access)[0][1], Authorize)


async def test_a_car_at_a_free_charger_is_authorised_once_per_plug_in(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/access.sqlite3"
    settings: dict[str, Any] = {"policies": ["free"], "free_chargers": ["c1"]}
    async with hosted(url, **settings) as access:
        await access.hear(CHARGER_STATE, [state(1000), state(1000), state(1500)], charger="c1")
        await access.hear(CHARGER_STATE, [state(1000)], charger="c2")
        sent = commands(access)
        assert {(charger, command.id) for charger, command in sent} == {("c1", f"free-{BOOT}-1000")}
        assert sent[0][1].id_token == IdToken(type=IdTokenType.NO_AUTHORIZATION, value="")
        await access.hear(CHARGER_COMMAND_REPLY, [reply(f"free-{BOOT}-1000", uptime_ms=1600)], charger="c1")
        await access.hear(CHARGER_STATE, [state(1601), charging(1700)], charger="c1")
        assert commands(access) == []
    async with hosted(url, **settings) as access:
        await access.hear(CHARGER_STATE, [state(1000), state(1601)], charger="c1")
        assert commands(access) == [], "redelivered after a restart"
        await access.hear(CHARGER_STATE, [charging(9000)], retained=True, charger="c1")
        gone = [state(10_000, ChargerStatus.FINISHING), state(11_000, ChargerStatus.AVAILABLE, cp_state=CpState.A)]
        await access.hear(CHARGER_STATE, gone, charger="c1")
        assert commands(access) == []
        await access.hear(CHARGER_STATE, [state(12_000)], charger="c1")
        assert [command.id for _, command in commands(access)] == [f"free-{BOOT}-12000"]


async def test_the_same_news_of_a_car_repeats_the_same_command() -> None:
    async with hosted(policies=["free"]) as access:
        await access.hear(CHARGER_STATE, [state(1000)], charger="c1")
        sent = commands(access)
        await access.clock.advance(3)
        await access.hear(CHARGER_STATE, [state(1000)], charger="c1")
        assert commands(access) == sent, "with the same deadline too"


async def test_a_car_of_which_the_news_is_old_is_not_authorised() -> None:
    async with hosted(policies=["free"]) as access:
        await access.hear(CHARGER_STATE, [state(1000, ts=T0 - 30_001)], charger="c1")
        await access.hear(CHARGER_STATE, [state(1000, ts=T0 - 3_600_000)], retained=True, charger="c2")
        assert commands(access) == []
        await access.hear(CHARGER_STATE, [state(1000, ts=None)], charger="c3")
        assert [charger for charger, _ in commands(access)] == ["c3"], "its clock is unset"


async def test_killed_before_the_free_authorisation_left(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/access.sqlite3"
    clock = ManualClock()
    first = hosted(url, clock, policies=["free"])
    await first.__aenter__()
    first.bus.down = True
    first.put(CHARGER_STATE, state(1000), charger="c1")
    await clock.advance(0.1)
    await first.kill()
    async with hosted(url, clock, policies=["free"]) as second:
        await second.hear(CHARGER_STATE, [state(1000)], charger="c1")
        assert [command.id for _, command in commands(second)] == [f"free-{BOOT}-1000"]


async def test_a_free_charger_that_refuses_leads_to_no_refusal() -> None:
    async with hosted(policies=["free"]) as access:
        await access.hear(CHARGER_STATE, [state(1000)], charger="c1")
        commands(access)
        refused = reply(f"free-{BOOT}-1000", ReplyStage.REJECTED, ReplyCode.JOURNAL_FULL)
        await access.hear(CHARGER_COMMAND_REPLY, [refused], charger="c1")
        assert commands(access) == []


def question(**fields: Any) -> AccessRequest:
    values = {"ts": T0, "id": "r1", "to": "access", "source": "console", "charger": "c1", "id_token": CARD}
    return AccessRequest(**{**values, "deadline_ts": T0 + 1000, **fields})


async def test_other_agents_get_an_answer() -> None:
    async with hosted() as access:
        questions = [question(), question(id="r2", id_token=STRANGER), question(to="payment"), question(deadline_ts=1)]
        await access.hear(ACCESS_REQUEST, questions)
        answers = [(ids["agent"], answer.id, answer.verdict) for ids, answer in access.bus.take(ACCESS_REPLY)]
        assert answers == [("access", "r1", Verdict.ACCEPTED), ("access", "r2", Verdict.UNKNOWN)]


def said(verdict: Verdict, request: AccessRequest, **fields: Any) -> AccessReply:
    return AccessReply(ts=T0, id=request.id, charger=request.charger, verdict=verdict, reason="Because.", **fields)


async def asked(access: Hosted, seq: int = 1) -> AccessRequest:
    await access.hear(CHARGER_EVENT, [card(seq, STRANGER, ts=access.clock.now_ms())], charger="c1")
    [(_, request)] = access.bus.take(ACCESS_REQUEST)
    assert commands(access) == []
    assert (request.to, request.charger, request.id_token) == ("ocpp_bridge", "c1", STRANGER)
    return request


async def test_the_backend_is_asked_and_its_answer_counts() -> None:
    async with hosted(policies=["local_list", "backend"]) as access:
        request = await asked(access)
        accepted = said(Verdict.ACCEPTED, request, caps=Caps(energy_wh=5000))
        await access.hear(ACCESS_REPLY, [accepted], agent="payment")
        assert commands(access) == [], "somebody else's answer"
        await access.hear(ACCESS_REPLY, [accepted, accepted], agent="ocpp_bridge")
        [(_, command)] = commands(access)
        assert isinstance(command, Authorize)
        assert command.caps == Caps(energy_wh=5000)
        request = await asked(access, 2)
        await access.hear(ACCESS_REPLY, [said(Verdict.REFUSED, request)], agent="ocpp_bridge")
        assert [(command.op, command.reason) for _, command in commands(access)] == [("refuse", "Because.")]
        request = await asked(access, 3)
        await access.hear(ACCESS_REPLY, [said(Verdict.UNKNOWN, request)], agent="ocpp_bridge")
        assert "not known here" in commands(access)[0][1].reason


async def test_what_another_agent_has_decided_is_not_asked_again() -> None:
    async with hosted(policies=["backend"]) as access:
        presented_ts = access.clock.now_ms()
        request = await asked(access)
        await access.hear(ACCESS_REPLY, [said(Verdict.ACCEPTED, request)], agent="ocpp_bridge")
        sent = commands(access)
        await access.clock.advance(2)
        await access.hear(CHARGER_EVENT, [card(1, STRANGER, ts=presented_ts)], charger="c1")
        assert access.bus.take(ACCESS_REQUEST) == []
        assert commands(access) == sent


async def test_a_backend_that_does_not_answer_is_not_waited_for() -> None:
    async with hosted(policies=["backend"], ask_timeout_s=3) as access:
        request = await asked(access)
        await access.hear(CHARGER_EVENT, [card(1, STRANGER, ts=T0)], charger="c1")
        assert access.bus.take(ACCESS_REQUEST) == [], "asked once for one presentation"
        await access.clock.advance(3)
        assert commands(access) == []
        await access.clock.advance(1.5)
        [(_, command)] = commands(access)
        assert isinstance(command, Refuse)
        assert "could not be checked" in command.reason
        await access.hear(ACCESS_REPLY, [said(Verdict.ACCEPTED, request)], agent="ocpp_bridge")
        assert commands(access) == [], "too late"


async def test_the_file_of_cards_is_read_again_when_it_changes(tmp_path: Path) -> None:
    url, path = f"sqlite:///{tmp_path}/access.sqlite3", tmp_path / "cards.csv"
    path.write_text(f"uid\n{STRANGER.value}\n")
    async with hosted(url, cards_file=str(path)) as access:
        await access.hear(CHARGER_EVENT, [card(1, STRANGER, ts=T0)], charger="c1")
        assert commands(access)[0][1].op == "authorize"
        write(path, "uid\nno-uid\n")
        await access.clock.advance(6)
        assert "line 2" in access.host.problems()[0]
        await access.hear(CHARGER_EVENT, [card(2, STRANGER, ts=access.clock.now_ms())], charger="c1")
        assert commands(access)[0][1].op == "authorize", "the last good list counts"
    path.unlink()
    async with hosted(url, cards_file=str(path)) as access:
        assert "cannot be read" in access.host.problems()[0]
        await access.hear(CHARGER_EVENT, [card(3, STRANGER, ts=T0)], charger="c1")
        assert commands(access)[0][1].op == "authorize", "after a restart too"
        write(path, "uid\n99887766\n")
        await access.clock.advance(6)
        assert access.host.problems() == []
        await access.hear(CHARGER_EVENT, [card(4, STRANGER, ts=access.clock.now_ms())], charger="c1")
        assert commands(access)[0][1].op == "refuse", "the card is no longer in the file"
    async with hosted(url) as access:
        pass
    async with hosted(url, cards_file=str(tmp_path / "other.csv")) as access:
        assert access.host.agent._lists.cards.keys() == {CARD.value, BERT.value}


async def test_a_card_in_both_places_counts_as_it_stands_in_the_settings(tmp_path: Path) -> None:
    path = tmp_path / "cards.csv"
    path.write_text(f"uid,blocked\n{CARD.value},yes\n")
    async with hosted(cards_file=str(path)) as access:
        await access.hear(CHARGER_EVENT, [card(1, ts=T0)], charger="c1")
        assert commands(access)[0][1].op == "authorize"


def write(path: Path, text: str) -> None:
    """Write a file so that its time differs, however coarse the file system's clock is."""
    path.write_text(text)
    later = path.stat().st_mtime + 10
    os.utime(path, (later, later))


async def test_whoever_tries_cards_is_noticed_and_slowed_down() -> None:
    async with hosted() as access:
        tries = [card(seq, IdToken(type=IdTokenType.RFID, value=f"{seq:08X}"), ts=T0) for seq in range(1, 301)]
        await access.hear(CHARGER_EVENT, tries, charger="c1")
        assert len(commands(access)) == CARD_QUESTIONS.burst
        await access.hear(CHARGER_EVENT, [card(1, ts=T0)], charger="c2")
        assert [(charger, command.op) for charger, command in commands(access)] == [("c2", "authorize")]
        await access.clock.advance(6)
        [alarm] = [alarm for ids, alarm in access.bus.take(ALARM) if ids["alarm"] == "quota-access"]
        assert (alarm.charger, "280 card questions" in alarm.text) == ("c1", True)
        await access.hear(CHARGER_EVENT, [card(400, ts=T0), card(401, STRANGER, ts=T0)], charger="c1")
        assert len(commands(access)) == 1, "one in five seconds"
