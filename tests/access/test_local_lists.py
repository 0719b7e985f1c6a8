"""The local lists of chargers: what stands in them, the pieces that lead there, and the agent that sends them."""

from datetime import date
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.access.agent import Access
from agents.access.cards import Card
from agents.access.local_lists import (
    ADDED,
    REMOVED,
    LocalList,
    Piece,
    beginnings,
    entries_of,
    list_for,
    next_piece,
    version_of,
    with_room,
)
from bus_schema.command import MAX_LOCAL_LIST, UpdateLocalList
from bus_schema.message import CUT_SHORT_LIST, MAX_MESSAGE_BYTES
from bus_schema.topics import CHARGER_COMMAND, CHARGER_META, CHARGER_STATE
from bus_schema.words import ChargerStatus, IdTokenType, ReplyCode, ReplyStage
from firmware.app.contract import MAX_LOCAL_LIST as ROOM
from firmware.app.validation import read_command
from tests.access.lists import bring_up_to_date, done, meta, pieces, says
from tests.access.test_plugging import state
from tests.firmware.app.fakes import Bench
from tests.ledger.events import T0
from tests.ledger.harness import Hosted, ManualClock

UTC = ZoneInfo("UTC")


def cards(count: int, **fields: Any) -> dict[str, Card]:
    made = [Card(uid=f"04{number:012X}", group="staff", **fields) for number in range(count)]
    return {card.uid: card for card in made}


def whole(charger: str, known: dict[str, Card]) -> LocalList:
    return list_for(charger, known, entries_of(known, UTC))


# --- what stands in a list --------------------------------------------------------------------------------------------


def test_a_card_with_its_group_and_its_last_day() -> None:
    zone = ZoneInfo("Europe/Berlin")
    card = Card(uid="04A1B2C3", group="staff", expires=date(2027, 1, 31))
    entry = entries_of({card.uid: card}, zone)["04A1B2C3"]
    assert (entry.id_token.type, entry.id_token.value) == (IdTokenType.RFID, "04A1B2C3")
    assert entry.parent_id_token is not None and entry.parent_id_token.value == "staff"
    assert entry.expires_ts == 1_801_436_400_000, "2027-02-01T00:00 in Berlin"


def test_blocked_cards_are_listed_as_such_and_cards_with_hours_are_not_listed() -> None:
    blocked, hours = Card(uid="04A1B2C3", blocked=True), Card(uid="04A1B2C4", hours="06:00-22:00")
    entries = entries_of({card.uid: card for card in (blocked, hours)}, UTC)
    assert [(uid, entry.blocked) for uid, entry in entries.items()] == [("04A1B2C3", True)]


def test_a_charger_gets_the_cards_that_are_valid_there() -> None:
    known = cards(3) | {"04A1B2C3": Card(uid="04A1B2C3", chargers=["c2"])}
    assert "04A1B2C3" not in whole("c1", known) and "04A1B2C3" in whole("c2", known)


def test_no_more_than_there_is_room_for() -> None:
    assert MAX_LOCAL_LIST == ROOM
    assert len(with_room(whole("c1", cards(MAX_LOCAL_LIST + 7)))) == MAX_LOCAL_LIST


@pytest.mark.parametrize("last", [date.max, date(2099, 12, 31), date(1969, 1, 1)])
def test_no_date_of_the_file_breaks_the_contract(last: date) -> None:
    assert entries_of({"04A1B2C3": Card(uid="04A1B2C3", expires=last)}, UTC)


# --- versions and pieces ----------------------------------------------------------------------------------------------

UIDS = st.integers(0, 60).map(lambda number: f"04{number:012X}")
LISTS = st.dictionaries(UIDS, st.booleans(), max_size=60).map(
    lambda drawn: entries_of({uid: Card(uid=uid, blocked=blocked) for uid, blocked in drawn.items()}, UTC)
)


@settings(max_examples=60, deadline=None)
@given(LISTS, LISTS, st.booleans())
def test_pieces_lead_to_the_list_and_stop_there(have: LocalList, want: LocalList, known: bool) -> None:
    now: LocalList | None = have if known else None
    for _ in range(12):
        if now is not None and version_of(now) == version_of(want):
            break
        piece = next_piece(now, want)
        assert len(piece.entries) <= ADDED and len(piece.removals) <= REMOVED
        assert piece.base_version == (version_of(now) if now else None)
        now = piece.result
    assert now == want


@settings(max_examples=60, deadline=None)
@given(LISTS, LISTS)
def test_equal_lists_and_only_those_have_equal_versions(one: LocalList, other: LocalList) -> None:
    assert (version_of(one) == version_of(other)) == (one == other)
    assert version_of(dict(reversed(list(one.items())))) == version_of(one)
    assert 0 <= version_of(one) < CUT_SHORT_LIST and (version_of(one) == 0) == (not one)


@settings(max_examples=30, deadline=None)
@given(LISTS)
def test_a_list_from_the_beginning_goes_through_versions_that_are_known_beforehand(want: LocalList) -> None:
    now: LocalList | None = None
    for version, after in beginnings(want).items():
        piece: Piece = next_piece(now, want)
        assert (piece.version, piece.result) == (version, after)
        now = piece.result


@pytest.mark.parametrize("group", ["g", "\U0001f697", "\x01"])
def test_a_piece_fits_a_message_however_long_its_cards_are(group: str) -> None:
    known = {f"{n:020X}": Card(uid=f"{n:020X}", group=group * 20, expires=date(2099, 1, 1)) for n in range(30)}
    listed = whole("c1", known)
    others = whole("c1", {f"F{uid[1:]}": card.model_copy(update={"uid": f"F{uid[1:]}"}) for uid, card in known.items()})
    for piece in (next_piece(None, listed), next_piece(listed, {}), next_piece(listed, others)):
        command = UpdateLocalList(
            ts=T0,
            id="list-1800000000000-1000000",
            source="access",
            deadline_ts=T0,
            version=piece.version,
            base_version=CUT_SHORT_LIST,
            entries=list(piece.entries),
            removals=list(piece.removals),
        )
        payload = CHARGER_COMMAND.encode(command)
        assert len(payload) <= MAX_MESSAGE_BYTES
        read = read_command(payload)
        assert len(read["entries"]) == ADDED or len(read["removals"]) == REMOVED


# --- the agent --------------------------------------------------------------------------------------------------------


def access_with(count: int, clock: ManualClock | None = None, **settings: Any) -> Hosted:
    listed = [{"uid": uid, "group": "staff"} for uid in cards(count)]
    return Hosted(Access, "sqlite://", clock or ManualClock(), **{"cards": listed, **settings})


async def test_a_charger_without_a_list_gets_all_of_it_piece_by_piece() -> None:
    async with access_with(45) as access:
        await says(access, 0)
        await access.clock.advance(6)
        sent: list[UpdateLocalList] = []
        while fresh := pieces(access):
            assert len(fresh) == 1, "one at a time"
            sent += fresh
            await done(access, fresh[0])
        assert [len(piece.entries) for piece in sent] == [12, 12, 12, 9]
        assert [piece.base_version for piece in sent] == [None, *(piece.version for piece in sent[:-1])]
        assert sent[-1].version == version_of(whole("c1", cards(45, chargers=[])))
        await says(access, sent[-1].version)
        await access.clock.advance(60)
        assert pieces(access) == [], "it has it"


async def test_each_charger_gets_its_own_cards() -> None:
    listed = [{"uid": "04A1B2C3"}, {"uid": "04A1B2C4", "chargers": ["c2"]}]
    async with access_with(0, cards=listed) as access:
        for charger in ("c1", "c2", "c3"):
            await access.hear(CHARGER_META, [meta(0)], charger=charger)
            await access.hear(CHARGER_STATE, [state(1, ChargerStatus.AVAILABLE)], charger=charger)
        await access.clock.advance(6)
        sent = {ids["charger"]: len(command.entries) for ids, command in access.bus.take(CHARGER_COMMAND)}
        assert sent == {"c1": 1, "c2": 2, "c3": 1}


async def test_an_agent_that_starts_again_goes_on_where_the_charger_is() -> None:
    want = whole("c1", cards(45))
    halfway = list(beginnings(want))[1]
    async with access_with(45) as access:
        await says(access, halfway)
        await access.clock.advance(6)
        [piece] = pieces(access)
        assert (piece.base_version, len(piece.entries)) == (halfway, 12)


@pytest.mark.parametrize("version", [12345, CUT_SHORT_LIST])
async def test_a_list_that_nobody_knows_is_begun_anew(version: int) -> None:
    async with access_with(3) as access:
        await says(access, version)
        await access.clock.advance(6)
        [piece] = pieces(access)
        assert (piece.base_version, len(piece.entries)) == (None, 3)


async def test_nothing_for_a_charger_that_keeps_no_list_is_silent_or_has_it() -> None:
    async with access_with(3) as access:
        await says(access, None)
        await access.clock.advance(6)
        assert pieces(access) == []
        await access.hear(CHARGER_META, [meta(0)], charger="c2")
        await access.clock.advance(60)
        assert pieces(access) == [], "nobody has heard of c2 but what the broker had kept"


async def test_without_the_policy_the_list_is_emptied() -> None:
    async with access_with(3, policies=["free"]) as access:
        await says(access, 77)
        await access.clock.advance(6)
        [piece] = pieces(access)
        assert (piece.version, piece.base_version, piece.entries) == (0, None, [])


async def test_a_mismatch_begins_anew_and_another_refusal_waits() -> None:
    async with access_with(30) as access:
        await says(access, next(iter(beginnings(whole("c1", cards(30))))))
        await access.clock.advance(6)
        [first] = pieces(access)
        assert first.base_version is not None
        await done(access, first, stage=ReplyStage.REJECTED, code=ReplyCode.VERSION_MISMATCH)
        [second] = pieces(access)
        assert second.base_version is None and second.id != first.id
        await done(access, second, stage=ReplyStage.REJECTED, code=ReplyCode.LIST_FULL)
        await says(access, 0)
        await access.clock.advance(20)
        assert pieces(access) == []


async def test_an_answer_that_does_not_come_is_not_waited_for_for_ever() -> None:
    async with access_with(3) as access:
        await says(access, 0)
        await access.clock.advance(6)
        [first] = pieces(access)
        await access.clock.advance(10)
        assert pieces(access) == []
        await access.hear(CHARGER_STATE, [state(2, ChargerStatus.AVAILABLE)], charger="c1")
        await access.clock.advance(20)
        [again] = pieces(access)
        assert again.entries == first.entries and again.id != first.id
        await done(access, first)
        assert pieces(access) == [], "the answer to the old one counts for nothing"


async def test_a_broker_that_is_away_delays_it() -> None:
    async with access_with(3) as access:
        await says(access, 0)
        access.bus.down = True
        await access.clock.advance(6)
        access.bus.down = False
        await access.clock.advance(22)
        assert len(pieces(access)) == 1


async def test_the_firmware_ends_up_with_the_list(tmp_path: Any) -> None:
    """Both sides together: agent, contract and charger, through a change and a power loss."""
    file = tmp_path / "cards.csv"

    def write(known: dict[str, Card]) -> None:
        file.write_text("uid,group\n" + "".join(f"{uid},{card.group}\n" for uid, card in known.items()))

    async def settle() -> None:
        await bring_up_to_date(access, bench)

    bench, first, then = Bench(), cards(70), cards(50)
    then["04D5E6F7"] = Card(uid="04D5E6F7", group="guests")
    write(first)
    async with Hosted(Access, "sqlite://", ManualClock(), cards_file=file) as access:
        await settle()
        assert has(bench, first)
        write(then)
        await settle()
        assert has(bench, then) and not has(bench, first)
        bench.storage.files["cards"] = b"torn"
        bench.boot()
        assert bench.of("meta")[-1]["local_list_version"] == 0
        await settle()
        assert has(bench, then)


def has(bench: Bench, known: dict[str, Card]) -> bool:
    tokens = [{"type": "rfid", "value": uid} for uid in known]
    found = [bench.charger.local_list.find(token, None) for token in tokens]
    groups = [{"type": "rfid", "value": card.group} for card in known.values()]
    return bench.charger.local_list.cards == len(known) and found == [(0, group) for group in groups]
