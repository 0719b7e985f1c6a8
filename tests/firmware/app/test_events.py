"""Events on their way: whatever link, flash and ledger refuse or lose for a while, all arrive by themselves."""

import random as python_random
from types import SimpleNamespace

from hypothesis import given
from hypothesis import strategies as st

from firmware.app.events import IN_FLIGHT, RESEND_AFTER_MS, Events
from firmware.app.journal import Journal
from firmware.app.messages import Messages
from firmware.app.wall_clock import WallClock
from tests.firmware.app.fakes import FakeClock, FakeLink, Identity, MemoryStorage

BOOT = "0123456789ab"
SAMPLE = {"session_id": f"{BOOT}-1", "energy_wh": 5, "status": "Charging"}


class Sender:
    """Events with a ledger that acknowledges up to the first number that has not come and may still do."""

    def __init__(self, seed: int = 1) -> None:
        random = python_random.Random(seed)
        self.clock, self.link, self.storage = FakeClock(), FakeLink(), MemoryStorage()
        ratings = SimpleNamespace(phases=3)
        messages = Messages(Identity(), self.clock, BOOT, 0, ratings)  # type: ignore[arg-type]
        journal = Journal(self.storage)
        journal.recover()
        self.journal = journal
        self.events = Events(journal, messages, self.link, WallClock(self.clock), random.randbytes)
        self.heard: set[int] = set()
        self.refused: set[int] = set()
        """Numbers that the flash has not taken."""
        self._oldest = 1
        self._read = 0

    def record(self, count: int) -> None:
        for _ in range(count):
            assert self.events.record("session_sampled", self.clock.now, SAMPLE)

    def refuse(self) -> None:
        """Record an event that the flash does not take: its number is used up."""
        self.storage.full = True
        assert not self.events.record("session_sampled", self.clock.now, SAMPLE)
        self.storage.full = False
        self.refused.add(self.events.last_seq)

    def pump(self) -> None:
        """Do what is due now, as the charger's round does."""
        self.events.pump(self.clock.now)

    def wait(self) -> None:
        """Let time pass until it has something to do by itself; it must have."""
        assert self.events.next_ms is not None, f"{self.journal.pending} events wait and nothing will send them"
        self.clock.now = max(self.clock.now, self.events.next_ms)
        self.pump()

    def deliver(self, lost: bool = False, ack_lost: bool = False) -> None:
        """Give the ledger what was published since the last time."""
        sent, self._read = self.link.sent[self._read :], len(self.link.sent)
        if not lost:
            self.heard |= {message["seq"] for _, message in sent}
            self._oldest = max([self._oldest, *(message["oldest_seq"] for _, message in sent)])
        contiguous = self._oldest - 1
        while contiguous + 1 in self.heard:
            contiguous += 1
        if contiguous and not ack_lost:
            self.events.acknowledged(BOOT, contiguous, None, self.clock.now)
            self.pump()


def test_a_full_window_that_is_lost_is_sent_again_although_more_was_read_from_flash() -> None:
    sender = Sender()
    sender.record(IN_FLIGHT + 4)
    sender.link.connected = True
    sender.pump()
    assert [message["seq"] for _, message in sender.link.sent] == list(range(1, IN_FLIGHT + 1))
    sender.link.sent.clear()
    sender.wait()
    assert RESEND_AFTER_MS <= sender.clock.now < 2 * RESEND_AFTER_MS
    assert [message["seq"] for _, message in sender.link.sent] == list(range(1, IN_FLIGHT + 1))


def test_a_link_that_refuses_for_a_moment_does_not_make_it_forget_what_is_in_flight() -> None:
    sender = Sender()
    sender.record(3)
    sender.link.connected = True
    sender.pump()
    sender.record(1)
    sender.link.accepts = False
    sender.pump()
    sender.link.accepts = True
    sender.wait()
    assert [message["seq"] for _, message in sender.link.sent] == [1, 2, 3, 4]
    sender.wait()
    assert [message["seq"] for _, message in sender.link.sent] == [1, 2, 3, 4, 1, 2, 3, 4]


def test_gaps_that_a_refusing_flash_has_left_cost_no_wait() -> None:
    """The ledger stops before each until ``oldest_seq`` tells it that nothing is to come there."""
    sender = Sender()
    for _ in range(5):
        sender.record(2)
        sender.refuse()
    sender.record(1)
    sender.link.connected = True
    sender.pump()
    before = sender.clock.now
    for _ in range(6):
        sender.deliver()
    assert sender.journal.pending == 0 and sender.clock.now == before
    assert len(sender.link.sent) == 11 + 9 + 7 + 5 + 3 + 1, "what was left, once for each gap"


TROUBLE = st.sampled_from(["record", "refuse", "lost", "ack_lost", "full", "unreadable", "arrives", "wait"])


@given(st.lists(st.tuples(TROUBLE, st.integers(1, 30)), max_size=25), st.integers(0, 5))
def test_whatever_was_lost_all_arrive_without_a_new_connection(steps: list[tuple[str, int]], seed: int) -> None:
    sender = Sender(seed)
    sender.link.connected = True
    for what, count in steps:
        sender.link.accepts, sender.storage.unreadable = what != "full", what == "unreadable"
        if what == "record":
            sender.record(min(count, 100 - sender.events.last_seq))
        elif what == "refuse":
            sender.refuse()
        elif what == "wait" and sender.journal.pending:
            sender.wait()
            continue
        sender.pump()
        if what in ("lost", "ack_lost", "arrives"):
            sender.deliver(lost=what == "lost", ack_lost=what == "ack_lost")
    sender.link.accepts, sender.storage.unreadable = True, False
    for _ in range(20):
        sender.pump()
        sender.deliver()
        if not sender.journal.pending:
            break
        sender.wait()
    assert sender.journal.pending == 0
    assert sender.heard == set(range(1, sender.events.last_seq + 1)) - sender.refused
