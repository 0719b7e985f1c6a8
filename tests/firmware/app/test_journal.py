"""The journal: nothing lost at any torn byte, bounded, in order (invariant 4)."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware.app.journal import END, LOW, START, Journal
from tests.firmware.app.fakes import Bench, MemoryStorage, PowerLost

BOOT = "0123456789ab"


def event(seq: int, kind: str = "session_sampled", boot_id: str = BOOT, size: int = 0) -> dict[str, Any]:
    return {"boot_id": boot_id, "seq": seq, "type": kind, "energy_wh": seq, "session_id": "s", "pad": "x" * size}


def opened(storage: MemoryStorage, **options: int) -> Journal:
    journal = Journal(storage, **options)
    journal.recover()
    return journal


def everything(journal: Journal) -> list[tuple[str, int]]:
    journal.rewind()
    found = []
    while bodies := journal.unread(3):
        found += [(body["boot_id"], body["seq"]) for body in map(json.loads, bodies)]
    return found


def test_events_come_back_in_order_after_a_reboot() -> None:
    storage = MemoryStorage()
    journal = opened(storage, segment_bytes=512)
    for seq in range(1, 40):
        assert journal.append(event(seq), LOW)
    again = opened(storage, segment_bytes=512)
    assert everything(again) == [(BOOT, seq) for seq in range(1, 40)] == everything(journal)
    assert again.pending == journal.pending == 39
    assert again.energy_wh == 39


def test_what_is_acknowledged_is_forgotten_and_flash_is_given_back() -> None:
    storage = MemoryStorage()
    journal = opened(storage, segment_bytes=512)
    for seq in range(1, 40):
        journal.append(event(seq), LOW)
    assert journal.acknowledge(BOOT, 20)
    assert journal.oldest_seq(BOOT) == 21
    assert everything(journal) == [(BOOT, seq) for seq in range(21, 40)]
    assert not journal.acknowledge(BOOT, 20), "again"
    assert not journal.acknowledge(BOOT, 40), "never made"
    assert journal.acknowledge(BOOT, 39)
    assert journal.pending == 0
    assert sum(len(data) for data in storage.files.values()) < 512
    again = opened(storage, segment_bytes=512)
    assert again.energy_wh == 39, "the register survives everything being acknowledged"


def test_events_of_several_boots_are_acknowledged_each_for_itself() -> None:
    storage = MemoryStorage()
    journal = opened(storage, segment_bytes=512)
    for boot in ("aaaaaaaaaaaa", "bbbbbbbbbbbb"):
        for seq in range(1, 6):
            journal.append(event(seq, boot_id=boot), LOW)
    assert journal.acknowledge("bbbbbbbbbbbb", 5)
    assert everything(journal) == [("aaaaaaaaaaaa", seq) for seq in range(1, 6)]
    assert journal.acknowledge("aaaaaaaaaaaa", 5)
    assert journal.pending == 0


def test_a_full_journal_refuses_samples_then_starts_but_never_the_end() -> None:
    storage = MemoryStorage()
    journal = opened(storage, segments=6, segment_bytes=1024)
    seq = 0
    for importance in (LOW, START):
        while journal.append(event(seq + 1, size=150), importance):
            seq += 1
        assert not journal.room(importance)
    assert not journal.room(START)
    assert journal.append(event(seq + 1, "session_ended", size=150), END)
    assert everything(journal) == [(BOOT, number) for number in range(1, seq + 2)]
    assert sum(len(data) for data in storage.files.values()) <= 6 * 1024


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(["add", "ack", "boot"]), st.integers(0, 400)), max_size=60),
    st.integers(0, 6000),
)
def test_a_power_loss_at_any_byte_loses_nothing_that_was_journalled(steps: list[tuple[str, int]], cut: int) -> None:
    storage = MemoryStorage()
    storage.cut(cut)
    kept: dict[tuple[str, int], bool] = {}
    acked: dict[str, int] = {}
    boots = 0
    lost = False

    def next_boot() -> tuple[Journal, str]:
        return opened(storage, segments=8, segment_bytes=600), f"{boots:012x}"

    journal, boot = next_boot()
    seq = 0
    for action, number in [*steps, ("boot", 0)]:
        try:
            if action == "add" and journal.room(LOW) and journal.append(event(seq + 1, boot_id=boot, size=number), LOW):
                seq += 1
                kept[boot, seq] = True
            elif action == "ack" and journal.acknowledge(boot, number % (seq + 1)):
                acked[boot] = max(acked.get(boot, 0), number % (seq + 1))
            elif action == "boot":
                boots += 1
                journal, boot = next_boot()
                seq = 0
        except PowerLost:
            assert not lost
            lost = True
            storage.left = None
            boots += 1
            journal, boot = next_boot()
            seq = 0
    wanted = [key for key in kept if key[1] > acked.get(key[0], 0)]
    found = everything(journal)
    assert [key for key in found if key in wanted] == wanted, "in order and without a gap"
    # An event whose append was cut may be there (its last byte was written) or not; none appears twice.
    assert len(found) == len(set(found))


def test_every_byte_of_one_torn_append() -> None:
    whole = MemoryStorage()
    opened(whole).append(event(1), LOW)
    size = sum(len(data) for data in whole.files.values())
    for cut in range(size + 1):
        storage = MemoryStorage()
        storage.cut(cut)
        try:
            opened(storage).append(event(1), LOW)
        except PowerLost:
            assert cut < size
        storage.left = None
        journal = opened(storage)
        assert journal.append(event(1, boot_id="f" * 12), LOW)
        assert everything(journal)[-1] == ("f" * 12, 1)
        assert everything(opened(storage)) == everything(journal)


def test_rotten_bytes_cost_only_their_own_event() -> None:
    storage = MemoryStorage()
    journal = opened(storage)
    for seq in range(1, 6):
        journal.append(event(seq), LOW)
    data = bytearray(storage.files["journal-0"])
    middle = data.find(b'"seq":3')
    data[middle + 6] ^= 1
    storage.files["journal-0"] = bytes(data)
    assert everything(opened(storage)) == [(BOOT, seq) for seq in (1, 2, 4, 5)]


def test_a_rotten_header_costs_no_event() -> None:
    storage = MemoryStorage()
    journal = opened(storage)
    for seq in range(1, 6):
        journal.append(event(seq), LOW)
    storage.files["journal-0"] = b"?" + storage.files["journal-0"][1:]
    assert everything(opened(storage)) == [(BOOT, seq) for seq in range(1, 6)]


# --- the journal of a whole charger -----------------------------------------------------------------------------------


def session(bench: Bench) -> None:
    bench.cp("B")
    bench.authorize()
    bench.cp("C")
    bench.run(30)
    bench.send("stop")
    bench.run(1)
    bench.cp("A")
    bench.run(1)


def bytes_of_a_session() -> int:
    bench = Bench()
    bench.storage.cut(1 << 30)
    session(bench)
    assert bench.storage.left is not None
    return (1 << 30) - bench.storage.left


@pytest.mark.parametrize("acks", [True, False])
def test_a_charger_that_loses_power_at_any_byte_of_a_session_accounts_for_every_wh(acks: bool) -> None:
    for cut in range(0, bytes_of_a_session() + 1, 1):
        bench = Bench()
        bench.acks = acks
        bench.storage.cut(cut)
        try:
            session(bench)
        except PowerLost:
            bench.meter.settle()
            bench.pilot.cp_state = "A"
        bench.storage.left = None
        bench.acks = True
        bench.boot()
        bench.run(70)
        started = {event["session_id"]: event for event in bench.events("session_started")}
        ended = {event["session_id"]: event for event in bench.events("session_ended")}
        assert started.keys() == ended.keys(), cut
        energy = sum(event["energy_wh"] - event["start_energy_wh"] for event in ended.values())
        assert energy == int(bench.meter.wh) - 1000, cut
        assert bench.charger.journal.pending == 0, cut
        assert bench.state()["energy_wh"] == int(bench.meter.wh)


def fill(bench: Bench) -> None:
    """Fill the journal with a dead ledger until it refuses sessions."""
    bench.acks = False
    for _ in range(400):
        bench.run(3)
        bench.card("04FF")
        bench.cp("B")
        if bench.authorize(value="04A1")["stage"] != "done":
            return
        bench.cp("C")
        bench.run(30)
        bench.send("stop")
        bench.run(1)
        bench.cp("A")
    raise AssertionError("the journal is not bounded")


def test_a_full_journal_refuses_sessions_and_says_so_and_loses_none() -> None:
    bench = Bench()
    fill(bench)
    assert bench.authorize()["code"] == "journal_full"
    assert (bench.status(), bench.state()["faults"][0]["fault"]) == ("Faulted", "journal_full")
    assert sum(len(data) for data in bench.storage.files.values()) <= 17 * 4096
    bench.boot()
    assert bench.status() == "Faulted"
    bench.acks = True
    bench.run(120)
    assert bench.status() == "Preparing"
    assert bench.charger.journal.pending == 0
    started = [event["session_id"] for event in bench.events("session_started")]
    ended = [event["session_id"] for event in bench.events("session_ended")]
    assert started == ended and len(started) > 20
    for boot_id in {event["boot_id"] for event in bench.events()}:
        numbers = sorted(event["seq"] for event in bench.events() if event["boot_id"] == boot_id)
        assert numbers == list(range(1, len(numbers) + 1))


def test_a_session_that_is_going_on_ends_although_the_journal_has_become_full() -> None:
    bench = Bench()
    bench.acks = False
    bench.send("configure", settings={"sample_interval_s": 10})
    bench.charge()
    bench.run(20_000)
    assert bench.charger.events.refused > 0, "no room for samples any more"
    assert bench.status() == "Charging"
    bench.send("stop")
    bench.run(1)
    bench.acks = True
    bench.run(300)
    (event,) = bench.events("session_ended")
    assert event["energy_wh"] == int(bench.meter.wh)


def test_a_flash_that_refuses_starts_nothing_and_ends_later() -> None:
    bench = Bench()
    bench.charge()
    bench.run(60)
    bench.storage.full = True
    assert bench.send("configure", settings={"max_current_a": 10.0})["code"] == "hardware"
    bench.send("stop")
    bench.run(30)
    assert not bench.pilot.permitted
    assert not bench.events("session_ended")
    assert bench.state()["faults"][0]["fault"] == "journal_full"
    assert bench.authorize()["code"] == "journal_full"
    bench.storage.full = False
    bench.run(70)
    (event,) = bench.events("session_ended")
    assert event["energy_wh"] == int(bench.meter.wh)
    assert bench.status() == "Finishing"
    assert bench.authorize()["stage"] == "done"


def test_a_start_that_cannot_be_journalled_does_not_begin() -> None:
    bench = Bench()
    bench.cp("C")
    bench.storage.full = True
    bench.authorize()
    bench.run(1)
    assert not bench.pilot.permitted and not bench.pilot.closed
    assert "session" not in bench.state()


@pytest.mark.parametrize("written", [0, 1, 40, 10_000])
def test_an_append_that_fails_half_way_is_looked_at(written: int) -> None:
    bench = Bench()
    bench.cp("C")
    bench.storage.refuse_after = written
    bench.authorize()
    assert bench.pilot.permitted == (written == 10_000), "begun only if it is on flash"
    bench.run(70)
    bench.authorize()
    bench.run(60)
    bench.cp("A")
    bench.run(120)
    started = [event["session_id"] for event in bench.events("session_started")]
    ended = [event["session_id"] for event in bench.events("session_ended")]
    assert len(started) == 1 and started == ended
    assert bench.events("session_ended")[0]["energy_wh"] == int(bench.meter.wh)
    assert bench.charger.journal.pending == 0


def test_the_number_of_an_event_that_may_be_on_flash_is_not_used_again() -> None:
    bench = Bench()
    storage = bench.storage
    bench.card("04A1")
    storage.refuse_after = 10_000
    storage.unreadable = True
    bench.run(3)
    bench.card("04B2")
    storage.unreadable = False
    bench.run(70)
    bench.card("04C3")
    bench.boot()
    bench.run(120)
    events = bench.events()
    assert [event["id_token"]["value"] for event in bench.events("card_presented")] == ["04A1", "04B2", "04C3"]
    assert len({(event["boot_id"], event["seq"]) for event in events}) == len(events)
    assert bench.charger.journal.pending == 0


def test_a_flash_that_cannot_be_read_at_boot_begins_nothing_and_overwrites_nothing() -> None:
    bench = Bench()
    bench.charge()
    bench.run(60)
    before = dict(bench.storage.files)
    bench.storage.unreadable = True
    bench.boot()
    assert (bench.status(), bench.state()["faults"][0]["detail"]) == ("Faulted", "the flash cannot be read")
    assert bench.authorize()["code"] == "faulted"
    bench.card("04FF")
    bench.run(100)
    assert bench.storage.files == before
    assert bench.state()["energy_wh"] is None
    bench.storage.unreadable = False
    bench.boot()
    assert bench.status() == "Preparing"
    assert len(bench.events("session_ended")) == 1


# --- sending ----------------------------------------------------------------------------------------------------------


def test_at_most_twenty_events_are_under_way_and_they_come_in_order() -> None:
    bench = Bench()
    bench.acks = False
    for number in range(50):
        bench.run(3)
        bench.card(f"{number:04X}")
    bench.link.sent.clear()
    bench._acked = 0
    bench.boot()
    assert [event["seq"] for event in bench.of("event")] == list(range(1, 21))
    bench.acks = True
    bench.run(30)
    assert bench.charger.journal.pending == 0
    assert [event["seq"] for event in bench.of("event")] == [*range(1, 52), 1]


def test_what_is_not_acknowledged_is_sent_again_after_thirty_seconds_and_after_a_reconnection() -> None:
    bench = Bench(connect=False)
    bench.acks = False
    bench.connect()
    assert len(bench.of("event")) == 1
    bench.run(29.9)
    assert len(bench.of("event")) == 1
    bench.run(30.2)
    assert len(bench.of("event")) == 2
    bench.disconnect()
    bench.connect()
    assert len(bench.of("event")) == 3
    bench.acks = True
    bench.run(1)
    bench.run(200)
    assert len(bench.of("event")) == 3


def test_a_link_whose_queue_is_full_loses_no_event() -> None:
    bench = Bench()
    bench.link.accepts = False
    session_events = len(bench.events())
    bench.card("04A1")
    bench.cp("B")
    bench.run(5)
    assert len(bench.events()) == session_events
    bench.link.accepts = True
    bench.run(1)
    assert len(bench.events("card_presented")) == 1
    assert bench.status() == "Preparing"


def test_oldest_seq_says_what_will_never_come() -> None:
    bench = Bench(connect=False)
    bench.acks = False
    bench.connect()
    for uid in ("01", "02", "03"):
        bench.run(3)
        bench.card(uid)
    bench.acknowledge(bench.charger.boot_id, 2)
    bench.disconnect()
    bench.connect()
    assert [(event["seq"], event["oldest_seq"]) for event in bench.of("event")[-2:]] == [(3, 3), (4, 3)]


def test_an_earlier_boot_is_settled_although_only_its_oldest_events_are_left() -> None:
    """The ledger acknowledges the highest number that it has, which may be one that has left the flash already."""
    bench = Bench()
    bench.acks = False
    for number in range(60):
        bench.run(3)
        bench.card(f"{number:04X}")
    oldest = min(bench.storage.files, key=lambda name: (not name.startswith("journal"), name))
    kept = bench.storage.files[oldest]
    bench.run(1)
    boot_id, last = bench.charger.boot_id, bench.charger.events.last_seq
    bench.acknowledge(boot_id, last)
    assert bench.charger.journal.pending == 0
    # Power was lost after the newer segments had been removed and before the oldest one was.
    bench.storage.files = {name: data for name, data in bench.storage.files.items() if not name.startswith("journal")}
    bench.storage.files[oldest] = kept
    bench.boot()
    assert bench.charger.journal.pending > 1
    bench.acknowledge(boot_id, last)
    bench.acknowledge(bench.charger.boot_id, bench.charger.events.last_seq)
    assert bench.charger.journal.pending == 0
