"""Who may charge."""

from dataclasses import replace
from datetime import date
from zoneinfo import ZoneInfo

from agents.access.cards import Card
from agents.access.rules import Age, Hearing, Lists, Question, Ruling, age_of, charger_refusal, decide, proceed
from bus_schema import IdToken
from bus_schema.words import IdTokenType, ReplyCode, Verdict
from tests.ledger.events import CARD, T0

STRANGER = IdToken(type=IdTokenType.RFID, value="11223344")
ANNA = Card(uid=CARD.value, group="staff", expires=date(2026, 1, 1))
LISTS = Lists(zone=ZoneInfo("UTC"), cards={ANNA.uid: ANNA})


def rule(lists: Lists, token: IdToken = CARD, charger: str = "c1", now_ms: int = T0) -> Ruling:
    _, ruling = proceed(Hearing(token, charger), lists, now_ms)
    assert isinstance(ruling, Ruling)
    return ruling


def test_a_listed_card_is_accepted_with_its_group() -> None:
    ruling = rule(LISTS)
    assert (ruling.verdict, ruling.policy) == (Verdict.ACCEPTED, "local_list")
    assert ruling.parent == IdToken(type=IdTokenType.RFID, value="staff")


def test_an_unknown_card_is_refused_with_a_reason() -> None:
    ruling = rule(LISTS, STRANGER)
    assert (ruling.verdict, ruling.policy) == (Verdict.REFUSED, "")
    assert ruling.reason == "This card is not known here. Please ask the operator of this site to add it."


def test_an_expired_card_is_refused_for_good_even_where_others_charge_for_free() -> None:
    lists = replace(LISTS, policies=["local_list", "free"])
    ruling = rule(lists, now_ms=T0 + 86_400_000)
    assert (ruling.verdict, ruling.policy) == (Verdict.REFUSED, "local_list")
    assert "expired on 2026-01-01" in ruling.reason


def test_a_day_ends_in_the_zone_of_the_site() -> None:
    evening_before = T0 + 86_400_000 + 3_600_000  # 2026-01-02 01:00 UTC
    assert rule(LISTS, now_ms=evening_before).verdict is Verdict.REFUSED
    new_york = replace(LISTS, zone=ZoneInfo("America/New_York"))
    assert rule(new_york, now_ms=evening_before).verdict is Verdict.ACCEPTED


def test_free_is_for_its_chargers_only() -> None:
    lists = replace(LISTS, policies=["local_list", "free"], free_chargers=frozenset({"c2"}))
    assert rule(lists, STRANGER, "c1").verdict is Verdict.REFUSED
    assert rule(lists, STRANGER, "c2").verdict is Verdict.ACCEPTED
    assert not lists.is_free("c1")
    assert not replace(lists, policies=["local_list"]).is_free("c2")


def test_the_order_of_the_policies_decides() -> None:
    expired = T0 + 86_400_000
    assert rule(replace(LISTS, policies=["free", "local_list"]), now_ms=expired).policy == "free"


def test_another_agent_is_asked_when_its_turn_comes() -> None:
    lists = replace(LISTS, policies=["local_list", "backend", "payment"])
    assert rule(lists).policy == "local_list"
    hearing, question = proceed(Hearing(STRANGER, "c1"), lists, T0)
    assert question == Question("ocpp_bridge", "backend")
    hearing, question = proceed(hearing.answered(), lists, T0)
    assert question == Question("payment", "payment")
    _, ruling = proceed(hearing.answered(), lists, T0)
    assert isinstance(ruling, Ruling)
    assert "not known here" in ruling.reason


def test_a_silent_agent_is_told_from_an_unknown_card() -> None:
    lists = replace(LISTS, policies=["backend", "local_list"])
    hearing, _ = proceed(Hearing(STRANGER, "c1"), lists, T0)
    _, ruling = proceed(hearing.answered(silent="backend"), lists, T0)
    assert isinstance(ruling, Ruling)
    assert (ruling.verdict, ruling.policy) == (Verdict.REFUSED, "backend")
    assert "could not be checked" in ruling.reason
    hearing, _ = proceed(Hearing(CARD, "c1"), lists, T0)
    _, ruling = proceed(hearing.answered(silent="backend"), lists, T0)
    assert isinstance(ruling, Ruling)
    assert ruling.verdict is Verdict.ACCEPTED, "the local list is asked after the silent backend"


def test_other_agents_get_only_what_is_decided_here() -> None:
    lists = replace(LISTS, policies=["backend", "local_list"])
    assert decide(CARD, "c1", T0, lists).verdict is Verdict.ACCEPTED
    assert decide(CARD, "c1", T0 + 86_400_000, lists).verdict is Verdict.REFUSED
    assert decide(STRANGER, "c1", T0, lists).verdict is Verdict.UNKNOWN
    assert decide(CARD, "c1", T0, replace(LISTS, policies=["backend"])).verdict is Verdict.UNKNOWN


def test_the_age_of_a_presentation() -> None:
    assert age_of(T0, T0) is Age.FRESH
    assert age_of(T0, T0 + 30_000) is Age.FRESH
    assert age_of(T0, T0 + 30_001) is Age.STALE
    assert age_of(T0 + 30_000, T0) is Age.FRESH
    assert age_of(T0 + 30_001, T0) is Age.UNKNOWN
    assert age_of(None, T0) is Age.UNKNOWN


def test_every_refusal_of_a_charger_has_words() -> None:
    for code in ReplyCode:
        words = charger_refusal(code)
        assert words.endswith(".")
        assert "_" not in words
