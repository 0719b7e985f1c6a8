"""SendLocalList reaches the charger: with the bus dead, the cards that the backend has listed decide there."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ocpp.v16 import call

from agents.ocpp_bridge.v16.id_tags import TagInfo
from agents.ocpp_bridge.v16.offline_list import offline_list, page_after
from bus_schema.command import MAX_LOCAL_LIST
from bus_schema.message import MAX_MESSAGE_BYTES
from bus_schema.site_messages import (
    BACKEND_LIST_PAGE,
    BackendCard,
    BackendListAnswer,
    BackendListNotice,
    BackendListQuery,
    SessionsQuery,
)
from bus_schema.topics import AGENT_BACKEND_LIST, AGENT_QUERY, CHARGER_BACKEND_LIST
from tests.ocpp_bridge.site_of_lists import ADA, BOB, EVE, SiteOfLists, entry
from tests.ocpp_bridge.stage import Stage, settle
from tests.ocpp_bridge.steve import Steve


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[SiteOfLists]:
    site = SiteOfLists(tmp_path)
    yield site
    await site.end()


async def both(site: SiteOfLists, **access: Any) -> None:
    await site.start_bridge()
    await site.start_access(**access)


async def version(site: SiteOfLists) -> int:
    return (await site.stage.steve.call(call.GetLocalListVersion())).list_version


# --- what an entry means at the charger -------------------------------------------------------------------------------


async def test_a_card_that_the_backend_has_listed_charges_while_the_bus_is_dead(site: SiteOfLists) -> None:
    await both(site)
    assert not site.charges(ADA)
    assert await site.listed(7, "Full", entry(ADA.lower()), entry("APP-USER")) == "Accepted"
    assert site.cards == 1, "no reader can tell APP-USER"
    assert site.charges(ADA) and not site.charges(BOB)
    assert await version(site) == 7


@pytest.mark.parametrize("status", ["Blocked", "Expired", "Invalid", "ConcurrentTx"])
async def test_what_is_listed_as_not_accepted_is_refused_even_where_unknown_cards_charge(
    site: SiteOfLists, status: str
) -> None:
    await both(site)
    site.bench.send("configure", settings={"allow_offline_tx_for_unknown_id": True})
    assert site.charges(ADA)
    await site.listed(1, "Full", entry(ADA, status))
    assert not site.charges(ADA)
    assert site.charges(BOB)


async def test_an_entry_s_time_ends_at_the_charger_too(site: SiteOfLists) -> None:
    await both(site)
    over, far = "2026-06-01T00:00:00.000Z", "2027-06-01T02:00:00+02:00"
    await site.listed(1, "Full", entry(ADA, expiry_date=over), entry(BOB, expiry_date=far))
    assert not site.charges(ADA) and site.charges(BOB)
    assert site.bench.charger.local_list.find({"type": "rfid", "value": BOB}, 1_811_808_000_000)[0] == 2, "expired"


async def test_the_parent_is_the_group_whose_cards_may_stop(site: SiteOfLists) -> None:
    await both(site)
    await site.listed(1, "Full", entry(ADA, parent_id_tag="FLEET"), entry(BOB, parent_id_tag="FLEET"), entry(EVE))
    bench = site.bench
    bench.disconnect()
    bench.cp("B")
    bench.card(ADA)
    bench.cp("C")
    assert bench.pilot.closed
    bench.run(3)
    bench.card(EVE)
    assert bench.pilot.closed, "EVE is of no group"
    bench.run(3)
    bench.card(BOB)
    assert not bench.pilot.closed


@given(st.dictionaries(st.text("0123456789abcdefgx-", min_size=1, max_size=20), st.booleans(), max_size=60))
def test_pages_are_the_whole_list_once_and_in_order(drawn: dict[str, bool]) -> None:
    local = {tag: TagInfo("Accepted" if good else "Blocked") for tag, good in drawn.items()}
    found: list[BackendCard] = []
    cursor = None
    while True:
        page, cursor = page_after(local, cursor)
        assert len(page) <= BACKEND_LIST_PAGE
        found += page
        if cursor is None:
            break
    assert found == sorted(found, key=lambda card: card.id_token.value)
    assert len(found) == offline_list(1, local).count
    assert {card.id_token.value for card in found} == {t.upper() for t in drawn if not set(t) & set("gx-")}


@pytest.mark.parametrize("group", ["g", "\U0001f697", "\x01"])
def test_a_page_fits_a_message_however_long_its_cards_are(group: str) -> None:
    local = {f"{n:020x}": TagInfo("Invalid", group * 20, 4_000_000_000_000) for n in range(30)}
    page, cursor = page_after(local, None)
    answer = BackendListAnswer(ts=0, id="x" * 64, ok=True, cards=page, cursor=cursor)
    assert len(page) == BACKEND_LIST_PAGE and len(AGENT_BACKEND_LIST.encode(answer)) <= MAX_MESSAGE_BYTES


def test_equal_lists_have_equal_digests_and_others_have_not() -> None:
    one = offline_list(1, {"aa": TagInfo("Accepted"), "bb": TagInfo("Blocked")})
    assert offline_list(2, {"bb": TagInfo("Blocked"), "aa": TagInfo("Accepted")}).digest == one.digest
    for other in (TagInfo("Accepted", "P"), TagInfo("Invalid"), TagInfo("Accepted", None, 1), TagInfo("Blocked")):
        assert offline_list(1, {"aa": other, "bb": TagInfo("Blocked")}).digest != one.digest


@pytest.mark.parametrize("expires_ms", [-1, 10**15])
def test_no_expiry_date_breaks_the_contract(expires_ms: int) -> None:
    ((card,), _) = page_after({"aa": TagInfo("Accepted", None, expires_ms)}, None)
    assert card.expires_ts == (0 if expires_ms < 0 else None)


# --- changes ----------------------------------------------------------------------------------------------------------


async def test_full_and_differential_lists_arrive(site: SiteOfLists) -> None:
    await both(site)
    await site.listed(1, "Full", entry(ADA), entry(BOB))
    assert await site.listed(2, "Differential", entry(ADA, None), entry(EVE), entry(BOB, "Blocked")) == "Accepted"
    assert (site.charges(ADA), site.charges(BOB), site.charges(EVE)) == (False, False, True)
    assert await site.listed(2, "Differential", entry(ADA)) == "VersionMismatch"
    assert not site.charges(ADA) and await version(site) == 2
    await site.listed(2, "Full", entry(ADA))
    assert site.charges(ADA) and not site.charges(EVE), "another list under the same version"
    await site.listed(3, "Full")
    assert site.cards == 0 and await version(site) == 3


async def test_a_list_that_is_switched_off_is_taken_from_the_charger_and_comes_back(site: SiteOfLists) -> None:
    await both(site)
    await site.listed(4, "Full", entry(ADA))
    await site.stage.steve.call(call.ChangeConfiguration("LocalAuthListEnabled", "false"))
    await site.settle()
    assert site.cards == 0 and await version(site) == -1
    await site.stage.steve.call(call.ChangeConfiguration("LocalAuthListEnabled", "true"))
    await site.settle()
    assert site.charges(ADA) and await version(site) == 4


async def test_of_a_list_that_is_too_long_the_charger_gets_what_it_has_room_for(site: SiteOfLists) -> None:
    await both(site)
    many = [entry(f"04{number:012X}") for number in range(MAX_LOCAL_LIST + 9)]
    assert await site.listed(5, "Full", *many) == "Accepted"
    await site.settle()
    await site.settle()
    assert site.cards == MAX_LOCAL_LIST and await version(site) == 5
    (problem,) = site.access.host.agent.problems()
    assert "c1: 9 cards more than the 500" in problem
    await site.listed(6, "Full", entry(ADA))
    assert site.access.host.agent.problems() == []


# --- whose card it is -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("policies", "backend_says", "charges"),
    [
        (["local_list", "backend"], "Accepted", False),
        (["backend", "local_list"], "Accepted", True),
        (["backend"], "Accepted", True),
        (["local_list"], "Accepted", False),
    ],
)
async def test_a_card_of_both_counts_as_the_policy_that_is_asked_first_has_it(
    site: SiteOfLists, policies: list[str], backend_says: str, charges: bool
) -> None:
    await both(site, policies=policies, cards=[{"uid": ADA, "blocked": True}])
    await site.listed(1, "Full", entry(ADA, backend_says))
    assert site.charges(ADA) == charges


@pytest.mark.parametrize("policies", [["local_list", "backend"], ["backend", "local_list"]])
async def test_what_the_backend_does_not_know_the_site_may_know(site: SiteOfLists, policies: list[str]) -> None:
    await both(site, policies=policies, cards=[{"uid": ADA}])
    await site.listed(1, "Full", entry(ADA, "Invalid"), entry(BOB))
    assert site.charges(ADA) and site.charges(BOB)


@pytest.mark.parametrize("limits", [{"chargers": ["c2"]}, {"hours": "06:00-22:00"}])
async def test_a_card_that_the_site_lets_charge_elsewhere_or_at_times_is_not_the_backend_s_to_accept(
    site: SiteOfLists, limits: dict[str, Any]
) -> None:
    await both(site, policies=["local_list", "backend"], cards=[{"uid": ADA, **limits}])
    await site.listed(1, "Full", entry(ADA))
    assert not site.charges(ADA)


async def test_own_cards_and_the_backend_s_stand_side_by_side(site: SiteOfLists) -> None:
    await both(site, policies=["local_list", "backend"], cards=[{"uid": ADA}])
    await site.listed(1, "Full", entry(BOB))
    assert site.charges(ADA) and site.charges(BOB)
    await site.listed(2, "Full")
    assert site.charges(ADA) and not site.charges(BOB)


# --- restarts and changes of the site ---------------------------------------------------------------------------------


async def test_a_bridge_that_starts_again_changes_nothing(site: SiteOfLists) -> None:
    await both(site)
    await site.listed(7, "Full", entry(ADA))
    asked = site.questions
    await site.end_bridge()
    await site.settle()
    assert site.charges(ADA), "agents die alone"
    await site.start_bridge()
    assert site.charges(ADA) and await version(site) == 7
    assert site.questions == asked, "nothing was fetched again"


async def test_access_that_starts_again_while_the_bridge_is_dead_keeps_the_backend_s_cards(site: SiteOfLists) -> None:
    await both(site, policies=["local_list", "backend"])
    await site.listed(7, "Full", entry(ADA))
    await site.end_bridge()
    await site.end_access()
    site.retained.clear()
    await site.start_access(policies=["local_list", "backend"], cards=[{"uid": BOB}])
    assert site.charges(ADA) and site.charges(BOB)
    await site.end_access()
    await site.start_access(policies=["local_list"], cards=[{"uid": BOB}])
    assert not site.charges(ADA) and site.charges(BOB), "the site asks the backend no more"


async def test_a_list_that_changes_while_access_is_away_is_fetched_afterwards(site: SiteOfLists) -> None:
    await both(site)
    await site.listed(1, "Full", entry(ADA))
    await site.end_access()
    await site.listed(2, "Full", entry(BOB))
    await site.start_access()
    assert site.charges(BOB) and not site.charges(ADA)
    await site.end_access()
    await site.stage.steve.call(call.ChangeConfiguration("LocalAuthListEnabled", "false"))
    await site.settle()
    await site.start_access()
    assert site.cards == 0


async def test_a_bridge_that_does_not_answer_is_asked_again_and_the_old_list_counts_until_then(
    site: SiteOfLists,
) -> None:
    await both(site)
    await site.listed(1, "Full", entry(ADA))
    publish, site.stage.publish = site.stage.publish, _deaf(site.stage)  # type: ignore[method-assign]
    site.stage.host._bus._transport = site.stage  # type: ignore[attr-defined]
    await site.listed(2, "Full", entry(BOB))
    assert site.charges(ADA) and not site.charges(BOB)
    site.stage.publish = publish  # type: ignore[method-assign]
    for _ in range(15):
        await site.settle()
    assert site.charges(BOB) and not site.charges(ADA)


def _deaf(stage: Stage) -> Any:
    publish = stage.publish

    async def lose_answers(topic: str, payload: bytes, qos: int, retain: bool) -> None:
        if "/agent/ocpp_bridge/backend_list/" not in topic:
            await publish(topic, payload, qos, retain)

    return lose_answers


async def test_another_backend_begins_without_the_list_of_the_one_before(site: SiteOfLists) -> None:
    await both(site)
    await site.listed(7, "Full", entry(ADA))
    await site.end_bridge()
    site.steves = {"other": Steve(site.clock)}
    await site.start_bridge()
    assert await version(site) == 0
    assert site.cards == 0 and not site.charges(ADA)
    await site.end_bridge()
    await site.start_bridge()
    assert await site.listed(1, "Full", entry(BOB)) == "Accepted"
    assert site.charges(BOB)


async def test_what_the_backend_before_said_of_cards_is_forgotten_with_it(site: SiteOfLists) -> None:
    await site.start_bridge()
    site.stage.steve.tags[ADA] = ("Accepted", None)
    await site.stage.ask_access(ADA)
    assert site.stage.point().id_tags.cache
    await site.settle()
    assert site.retained == {}, "there is no list to speak of"
    await site.end_bridge()
    await site.start_bridge()
    assert site.stage.point().id_tags.cache, "the same backend"
    await site.end_bridge()
    site.steves = {"other": Steve(site.clock)}
    for _ in range(2):
        await site.start_bridge()
        assert not site.stage.point().id_tags.cache
        await site.end_bridge()


async def test_a_charger_that_is_no_charge_point_any_more_loses_the_list(site: SiteOfLists) -> None:
    await both(site)
    await site.listed(7, "Full", entry(ADA))
    await site.end_bridge()
    await site.start_bridge(backends=[{"name": "steve", "url": "ws://steve/ocpp", "chargers": ["c9"]}])
    await site.settle()
    assert site.cards == 0


async def test_a_listener_s_list_is_none(site: SiteOfLists) -> None:
    await both(site)
    await site.listed(7, "Full", entry(ADA))
    await site.end_bridge()
    await site.start_bridge(backends=[{"name": "steve", "url": "ws://steve/ocpp", "role": "listener"}])
    assert site.cards == 0


async def test_one_fetch_serves_every_charger_with_the_same_list(site: SiteOfLists) -> None:
    await both(site)
    await site.listed(1, "Full", entry(ADA))
    asked, notice = site.questions, site.retained["c1"]
    for number in range(2, 40):
        site.access.put(CHARGER_BACKEND_LIST, notice, charger=f"c{number}")
    await site.settle()
    assert site.questions == asked


# --- questions to the bridge ------------------------------------------------------------------------------------------


async def ask(stage: Stage, **fields: Any) -> BackendListAnswer:
    now_ms = stage.clock.now_ms()
    head = {"ts": now_ms, "id": "q", "source": "access", "deadline_ts": now_ms + 1000}
    stage.put(AGENT_QUERY, BackendListQuery(**{**head, **fields}), agent="ocpp_bridge")
    await settle()
    return AGENT_BACKEND_LIST.decode(stage.sent[-1][1])


async def test_a_question_about_another_list_or_charger_is_refused(site: SiteOfLists) -> None:
    await site.start_bridge()
    await site.listed(1, "Full", entry(ADA))
    digest, stage = site.retained["c1"].digest, site.stage
    assert (await ask(stage, charger="c1", digest=digest)).ok
    for fields in ({"charger": "c1", "digest": "0" * 64}, {"charger": "c9", "digest": digest}):
        answer = await ask(stage, **fields)
        assert not answer.ok and "another one" in answer.reason and not answer.cards
    count = len(stage.sent)
    stage.put(
        AGENT_QUERY,
        SessionsQuery(ts=0, id="s", source="console", deadline_ts=stage.clock.now_ms() + 1),
        agent="ocpp_bridge",
    )
    await settle()
    assert "ask the ledger" in AGENT_BACKEND_LIST.decode(stage.sent[count][1]).reason


async def test_what_the_broker_may_have_lost_is_said_again_by_and_by(site: SiteOfLists) -> None:
    await site.start_bridge()
    await site.listed(1, "Full", entry(ADA))
    site.retained.clear()
    await site.settle()
    assert not site.retained
    await site.stage.bridge.tidy()
    await site.settle()
    assert isinstance(site.retained["c1"], BackendListNotice)


async def test_a_charger_that_never_had_a_list_is_not_spoken_of(site: SiteOfLists) -> None:
    await both(site)
    assert site.retained == {} and site.questions == 0
