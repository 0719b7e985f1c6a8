"""The local list: on flash, whole or begun anew, with room for so many cards; and the command that changes it."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware.app.contract import CUT_SHORT_LIST, MAX_LOCAL_LIST
from firmware.app.local_list import ACCEPTED, BLOCKED, EXPIRED, PAGE_BYTES, PAGES, UNKNOWN, ListFull, LocalList
from tests.firmware.app.fakes import T0, Bench, MemoryStorage, PowerLost

STAFF = {"type": "rfid", "value": "staff"}


def token(value: str, kind: str = "rfid") -> dict[str, Any]:
    return {"type": kind, "value": value}


def entry(value: str, parent: Any = None, expires_ts: int | None = None, blocked: bool = False) -> dict[str, Any]:
    return {"id_token": token(value), "parent_id_token": parent, "expires_ts": expires_ts, "blocked": blocked}


def loaded(storage: MemoryStorage) -> LocalList:
    cards = LocalList(storage)
    cards.load()
    return cards


def test_what_it_says_of_a_card() -> None:
    storage = MemoryStorage()
    cards = loaded(storage)
    assert (cards.version, cards.find(token("04A1"), T0)) == (0, (UNKNOWN, None))
    cards.change(7, None, [entry("04A1", STAFF), entry("04B2", blocked=True), entry("04C3", expires_ts=T0)], [])
    for same in (cards, loaded(storage)):
        assert (same.version, same.cards) == (7, 3)
        assert same.find(token("04A1"), T0) == (ACCEPTED, STAFF)
        assert same.find(token("04A1", "app"), T0) == (UNKNOWN, None), "another kind is another token"
        assert same.find(token("04B2"), T0) == (BLOCKED, None)
        assert same.find(token("04C3"), T0 - 1) == (ACCEPTED, None)
        assert same.find(token("04C3"), T0) == (EXPIRED, None)
        assert same.find(token("04C3"), None) == (ACCEPTED, None), "nobody knows the time"


VALUES = st.integers(0, 40).map(lambda number: f"04{number:02X}")
ENTRIES = st.lists(
    st.builds(entry, VALUES, st.sampled_from([None, STAFF]), st.sampled_from([None, T0]), st.booleans()), max_size=20
)
CHANGES = st.lists(st.tuples(st.booleans(), ENTRIES, st.lists(VALUES.map(token), max_size=20)), min_size=1, max_size=6)


@settings(max_examples=100, deadline=None)
@given(CHANGES, st.integers(0, 6000), st.integers(0, 5))
def test_a_power_loss_at_any_byte_leaves_each_card_as_it_was_or_as_it_is_meant(
    changes: list[tuple[bool, list[Any], list[Any]]], cut_after: int, cut_in: int
) -> None:
    storage = MemoryStorage()
    cards = loaded(storage)
    model: dict[str, Any] = {}
    for number, (begins, entries, removals) in enumerate(changes):
        after = {} if begins else dict(model)
        for gone in removals:
            after.pop(gone["value"], None)
        after.update({each["id_token"]["value"]: each for each in entries})
        if number == cut_in:
            storage.cut(cut_after)
        try:
            cards.change(number + 1, None if begins else number, entries, removals)
        except PowerLost:
            storage.left = None
            cards = loaded(storage)
            assert cards.version in (number, CUT_SHORT_LIST)
            for value in model.keys() | after.keys():
                assert cards.find(token(value), T0 - 1) in (found(model, value), found(after, value))
            cards.change(number + 1, None, list(after.values()), [])
        storage.left = None
        model = after
        assert (cards.version, cards.cards) == (number + 1, len(model))
    again = loaded(storage)
    for value in (f"04{byte:02X}" for byte in range(41)):
        assert again.find(token(value), T0 - 1) == found(model, value)


def found(model: dict[str, Any], value: str) -> tuple[int, Any]:
    if value not in model:
        return (UNKNOWN, None)
    return (BLOCKED if model[value]["blocked"] else ACCEPTED, model[value]["parent_id_token"])


def test_it_has_room_for_so_many_cards_and_no_more() -> None:
    storage = MemoryStorage()
    cards = loaded(storage)
    uids = [f"04{number * 7919:012X}" for number in range(MAX_LOCAL_LIST + 1)]
    for first in range(0, MAX_LOCAL_LIST, 20):
        cards.change(first + 20, first if first else None, [entry(uid, STAFF, T0) for uid in uids[first:][:20]], [])
    with pytest.raises(ListFull):
        cards.change(999, MAX_LOCAL_LIST, [entry(uids[-1])], [])
    assert (cards.version, cards.cards) == (MAX_LOCAL_LIST, MAX_LOCAL_LIST)
    cards.change(1000, MAX_LOCAL_LIST, [entry(uids[-1])], [token(uids[0])])
    assert cards.find(token(uids[-1]), T0)[0] == ACCEPTED
    sizes = [len(data) for data in storage.files.values()]
    assert len(sizes) <= PAGES + 1 and max(sizes) <= PAGE_BYTES


def test_cards_too_long_for_a_page_are_refused_whole() -> None:
    storage = MemoryStorage()
    cards = loaded(storage)
    long = [entry("04A1") | {"id_token": {"type": "rfid", "value": "\U0001f697" * 32 + str(n)}} for n in range(400)]
    with pytest.raises(ListFull):
        cards.change(1, None, long, [])
    assert storage.files == {} and cards.version == 0


def test_a_damaged_page_is_a_page_of_unknown_cards() -> None:
    storage = MemoryStorage()
    cards = loaded(storage)
    cards.change(1, None, [entry("04A1")], [])
    (page,) = [name for name in storage.files if name != "cards"]
    storage.files[page] = b"\xff" * 40
    assert loaded(storage).find(token("04A1"), T0) == (UNKNOWN, None)
    storage.files["cards"] = b"torn"
    assert loaded(storage).version == 0


# --- the command ------------------------------------------------------------------------------------------------------


def update(bench: Bench, version: int, base: int | None, *uids: str, gone: tuple[str, ...] = ()) -> dict[str, Any]:
    return bench.send(
        "update_local_list",
        source="access",
        version=version,
        base_version=base,
        entries=[{"id_token": token(uid)} for uid in uids],
        removals=[token(uid) for uid in gone],
    )


def test_pieces_lead_from_version_to_version() -> None:
    bench = Bench()
    assert bench.of("meta")[-1]["local_list_version"] == 0
    assert update(bench, 10, None, "04A1")["stage"] == "done"
    assert bench.of("meta")[-1]["local_list_version"] == 10
    assert update(bench, 20, 10, "04B2")["reason"] == "2 cards"
    assert update(bench, 20, 10, "04B2")["reason"] == "the list has this version already"
    reply = update(bench, 30, 10, "04C3")
    assert (reply["stage"], reply["code"]) == ("rejected", "version_mismatch")
    assert reply["reason"] == "the list has version 20"
    bench.boot()
    assert bench.of("meta")[-1]["local_list_version"] == 20
    assert update(bench, 5, 20, gone=("04A1", "04FF"))["reason"] == "1 cards"


def test_a_change_that_was_cut_short_must_be_begun_anew() -> None:
    bench = Bench()
    update(bench, 10, None, "04A1")
    bench.storage.cut(len(bench.storage.files["cards"]) + 12)
    with pytest.raises(PowerLost):
        update(bench, 20, 10, "04B2")
    bench.storage.left = None
    bench.boot()
    assert bench.of("meta")[-1]["local_list_version"] == CUT_SHORT_LIST
    for base in (0, 10, CUT_SHORT_LIST):
        assert update(bench, 20, base, "04B2")["code"] == "version_mismatch"
    assert update(bench, 20, None, "04B2")["stage"] == "done"


def test_a_flash_that_refuses() -> None:
    bench = Bench()
    update(bench, 10, None, "04A1")
    bench.storage.full = True
    assert update(bench, 20, 10, "04B2")["code"] == "hardware"
    bench.storage.full = False
    assert update(bench, 20, 10, "04B2")["stage"] == "done", "nothing was begun"


def test_a_full_list_says_so() -> None:
    bench = Bench()
    cards = bench.charger.local_list
    for first in range(0, MAX_LOCAL_LIST, 20):
        cards.change(first + 20, first or None, [entry(f"04{first + n:06X}") for n in range(20)], [])
    reply = update(bench, 999, MAX_LOCAL_LIST, "04A1")
    assert (reply["code"], reply["reason"]) == ("list_full", f"the list has room for {MAX_LOCAL_LIST} cards")


def test_a_piece_of_twenty_usual_cards_fits_a_message() -> None:
    entries = [entry(f"04{number:012X}", STAFF, T0) for number in range(20)]
    command = Bench().command("update_local_list", version=2**31 - 1, base_version=2**31 - 1, entries=entries)
    assert len(json.dumps(command, separators=(",", ":"))) < 4096
