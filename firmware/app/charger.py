"""One charger: its parts, wired together, and the one loop body that drives them.

The host calls :meth:`Charger.boot` once, then :meth:`Charger.tick` whenever the time has come that the last tick
returned, whenever the hardware reports a change, and after every ``on_*``. Nothing here waits, reads a clock of its
own, or raises because of what came over the bus.
"""

import binascii

from .acks import read_ack
from .cards import Cards
from .commands import Commands
from .contract import (
    CODE_OK,
    EVENT_SECURITY,
    FAULT_EMERGENCY_STOP,
    FAULT_JOURNAL_FULL,
    FAULT_SELF_TEST,
    STAGE_DONE,
    STATUS_AVAILABLE,
    STOP_EMERGENCY_STOP,
    STOP_HARD_RESET,
    STOP_POWER_LOSS,
    SUBSCRIPTIONS,
    TOPIC_COMMAND,
    TOPIC_EVENT_ACK,
    TOPIC_ONLINE,
)
from .drive import Drive
from .events import Events
from .faults import Faults
from .jobs import Jobs, commanded_restart
from .journal import START, Journal
from .leases import Leases
from .local_list import LocalList
from .measuring import Measuring
from .messages import Messages
from .notes import Notes
from .operations import Operations
from .publisher import RETRY_MS, Publisher
from .renewing import resume_renewal
from .retries import Retries
from .rounds import Rounds
from .service import Service
from .sessions import Sessions
from .settings import Settings
from .status import Statuses
from .updating import resume_update
from .validation import check_values
from .wall_clock import WallClock

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .seam import Clock, Hardware, Identity, Link, RandomBytes, Snapshot, Storage

JOB_MS = 100
"""Distance of looks at a command that takes longer."""
HALTED_MS = 10_000
FAR_MS = 3_600_000
"""When nothing is known to be due: measuring and the state come much sooner."""

_SETTLE = 6
"""Most rounds in which one change may bring the next within a tick: end, contactor opens, journal, next start."""


class Charger:
    """One charger."""

    def __init__(
        self,
        identity: "Identity",
        hardware: "Hardware",
        storage: "Storage",
        clock: "Clock",
        link: "Link",
        random: "RandomBytes",
    ) -> None:
        self.hardware = hardware
        self.storage = storage
        self.clock = clock
        self.link = link
        self.boot_id = str(binascii.hexlify(random(6)), "ascii")
        self.messages = Messages(identity, clock, self.boot_id, clock.ticks_ms(), hardware.ratings)
        self.wall_clock = WallClock(clock)
        self.journal = Journal(storage)
        self.events = Events(self.journal, self.messages, link, self.wall_clock, random)
        self.faults = Faults(self.events, clock)
        self.settings = Settings(storage)
        self.service = Service(storage, clock)
        self.leases = Leases(storage)
        self.local_list = LocalList(storage)
        self.measuring = Measuring(hardware, storage, self.faults, self.settings)
        self.sessions = Sessions(
            self.boot_id, self.settings, self.service, self.events, self.measuring, clock, random, storage
        )
        self.retries = Retries(hardware.pilot, self.faults, self.settings)
        self.drive = Drive(hardware, clock, self.settings, self.leases, self.sessions, self.measuring, self.faults)
        self.operations = Operations(self)
        self.commands = Commands(clock, self.messages, self.operations.execute)
        self.cards = Cards(self)
        self.publisher = Publisher(link, clock, self.messages, self.commands)
        self.jobs = Jobs(self.commands)
        self.ota = getattr(hardware, "ota", None)
        if self.ota is not None:
            self.publisher.firmware = self.ota.version
        self.publisher.login = getattr(hardware, "login", None)
        self.notes = Notes(getattr(hardware, "log", None), clock, self.messages)
        self.events.note = self.notes.event
        self.commands.note = self.notes.command
        self.status = STATUS_AVAILABLE
        self.unread = 0
        """Messages other than commands that could not be read."""
        self._statuses = Statuses()
        self._rounds = Rounds(self.measuring, self.sessions, self.faults, self.publisher, self.settings)
        self._commands_from = self.messages.topic(TOPIC_COMMAND)
        self._ack_topic = self.messages.topic(TOPIC_EVENT_ACK)
        self._pilot = hardware.pilot
        self._halted = False
        self._changes = -1
        self._due = 0

    def boot(self) -> None:
        """Read what was kept, and begin. A session that a power loss has cut is ended with the first reading."""
        now = self.clock.ticks_ms()
        damaged = ""
        try:
            self.journal.recover()
            self.settings.load()
            self.leases.load()
            self.service.load()
            self.local_list.load()
            self.measuring.register.load(self.journal.energy_wh)
        except OSError:
            damaged = "the flash cannot be read"
            self.settings.damaged = True
        if self.settings.damaged and not damaged:
            damaged = "the settings are damaged: configure max_current_a and required_sources"
        self.take_settings()
        self.measuring.watch.begin(now)
        self.drive.stop()
        reset = commanded_restart(self.storage)
        if reset is None:
            detail = "power was lost, or the application restarted by itself"
        else:
            detail = "%s reset by %s" % (reset[0], reset[2])
            self.commands.answer((reset[1], "reset"), (STAGE_DONE, CODE_OK, "restarted"), now)
        lost_by = STOP_HARD_RESET if reset is not None else STOP_POWER_LOSS
        try:
            updated = resume_update(self, now)
        except OSError:
            updated = None
        renewed = resume_renewal(self, now)
        if renewed is not None:
            detail = renewed
        if updated is not None:
            detail = "firmware update: " + updated[2]
        elif self.ota is not None and self.ota.on_trial:
            detail = "restarted by a firmware update; version %s is on trial" % self.ota.version
        self.notes.boot(self.firmware, self.hardware.ratings.hardware, detail)
        self.sessions.recover(self.journal.open_session, lost_by, detail, self.journal.session_ts, now)
        self.events.record(EVENT_SECURITY, now, {"kind": "StartupOfTheDevice", "detail": detail})
        self.faults.set(FAULT_SELF_TEST, damaged != "", damaged, now)

    def subscriptions(self) -> list[tuple[str, int]]:
        """Topics that the link must subscribe to after connecting, with their QoS."""
        return [(self.messages.topic((suffix, qos, False)), qos) for suffix, qos in SUBSCRIPTIONS]

    def will(self, online: bool = False) -> tuple[str, str, int, bool]:
        """Topic, payload, QoS and retain of what the broker says when the charger is lost, and it itself on leaving."""
        payload = self.messages.online(self.clock.ticks_ms(), online)
        return (self.messages.topic(TOPIC_ONLINE), payload, TOPIC_ONLINE[1], TOPIC_ONLINE[2])

    def on_connected(self) -> None:
        """The link is up and subscribed."""
        self.notes.say("connected to the broker")
        self.publisher.connected()
        self.events.rewind()
        self._due = 0

    def on_disconnected(self) -> None:
        """The link is down."""
        self.notes.say("the broker is lost")
        self._due = 0

    def on_message(self, topic: str, payload: bytes, retained: bool) -> None:
        """Take a message. Of one that is longer than the contract allows the first 4097 bytes are enough."""
        now = self.clock.ticks_ms()
        self._due = 0
        if topic.startswith(self._commands_from):
            self.commands.take(topic[len(self._commands_from) :], payload, retained, now)
            return
        ack = read_ack(payload) if topic == self._ack_topic and not retained else None
        if ack is None:
            self.unread += 1
        else:
            self.events.acknowledged(ack[0], ack[1], ack[2], now)

    def tick(self) -> int:
        """Do what is due; return the milliseconds until the next tick if nothing comes from outside before."""
        if self._halted:
            return HALTED_MS
        now = self.clock.ticks_ms()
        pilot, rounds = self._pilot, self._rounds
        pilot.heartbeat()
        snap = pilot.snapshot()
        if self.cards.poll(now):
            self._due = 0
        if now >= rounds.next_ms:
            if rounds.run(snap, now):
                self._due = 0
            snap = pilot.snapshot()
        if now >= self._due or snap.change_count != self._changes:
            self._evaluate(snap, now)
        elif now >= self.publisher.state_at:
            self._send_state(now)
        due = min(self._due, rounds.next_ms, self.publisher.state_at)
        return due - now if due > now else 1

    def _evaluate(self, snap: "Snapshot", now: int) -> None:
        """See what has changed, act on it, tell the bus, and find out when there is something to do next."""
        sessions, faults = self.sessions, self.faults
        session_id = None if sessions.session is None else sessions.session.session_id
        faults.of_pilot(snap.faults, now, session_id)
        self._check_flash(now)
        if faults.stands(FAULT_EMERGENCY_STOP):
            sessions.end(STOP_EMERGENCY_STOP, "emergency stop", now)
        self.leases.expire(now)
        self.service.expire()
        self.jobs.run(now)
        if self._halted:
            return
        for _ in range(_SETTLE):
            count = snap.change_count
            may_start = self.service.available and faults.forbid_start is None
            plugged = sessions.plugged
            changed = sessions.step(snap, now, may_start, self.drive.may_close(now))
            if plugged and not sessions.plugged and faults.unplugged(now):
                # Somebody was there and has pulled the plug: what may be tried again, the next car tries.
                self._pilot.clear_faults()
            self.drive.apply(snap, now)
            self._pilot.set_available(self.service.available or sessions.plugged or sessions.session is not None)
            snap = self._pilot.snapshot()
            faults.of_pilot(snap.faults, now, session_id)
            if not changed and snap.change_count == count:
                break
        self._changes = snap.change_count
        self.retries.look(snap, sessions.plugged, now)
        offered = self.drive.offers
        self.status = self._statuses.of(sessions, faults, self.service, offered, snap, now)
        sessions.sample(self.status, now)
        self._publish(snap, now)
        self._plan(snap, now)

    def _check_flash(self, now: int) -> None:
        register, events, faults = self.measuring.register, self.events, self.faults
        if register.jump is not None:
            events.record(EVENT_SECURITY, now, {"kind": "MeterReplaced", "detail": register.jump})
            register.jump = None
        refused = events.flash_refuses(now)
        detail = (
            "the flash refuses to be written" if refused else "%d events wait for the ledger" % self.journal.pending
        )
        faults.set(FAULT_JOURNAL_FULL, refused or not self.journal.room(START), detail, now)
        if not self.settings.damaged:
            faults.set(FAULT_SELF_TEST, False, "", now)

    def _publish(self, snap: "Snapshot", now: int) -> None:
        publisher, sessions = self.publisher, self.sessions
        taken = publisher.flush(now, self.settings, self.local_list.version)
        limit = self.drive.limit
        update = None if self.ota is None else self.ota.update
        parts = (self.leases, self.faults, self.service, update)
        changed = publisher.state.update(snap, self.status, limit, sessions, *parts)
        self._due = now + FAR_MS if taken else now + RETRY_MS
        if taken and (changed or now >= publisher.state_at):
            self._send_state(now)
        elif changed:
            publisher.state_at = self._due
        self.events.pump(now)

    def _send_state(self, now: int) -> None:
        register_wh = self.measuring.register.energy_wh
        self.notes.flush(now, not self.hardware.pilot.snapshot().contactor_closed)
        self.publisher.send_state(now, self.sessions, self.leases, register_wh, self.events, self.journal.pending)

    def _plan(self, snap: "Snapshot", now: int) -> None:
        """Find the next moment at which something happens by itself."""
        times = [self.leases.next_expiry(), self.sessions.next_ms(self.status), self.drive.next_ms]
        times += [self.cards.next_ms, self.retries.next_ms]
        times += [self.events.next_ms, self.events.flash_retry_ms(now), self._statuses.next_ms]
        reservation_ms = self.service.ends_in_ms()
        if reservation_ms is not None:
            times.append(now + reservation_ms)
        if self.jobs.waiting:
            times.append(now + JOB_MS)
        for time in times:
            if time is not None and time < self._due:
                self._due = time
        self._rounds.hurry(snap, now)

    @property
    def in_use(self) -> bool:
        """Whether somebody uses the charger, or the outlet is energised."""
        sessions = self.sessions
        uses = sessions.session is not None or sessions.unwritten is not None or sessions.awaited is not None
        return uses or self.hardware.pilot.snapshot().contactor_closed

    @property
    def firmware(self) -> str:
        """Version of what is running."""
        return self.publisher.firmware

    def order(self, source: str, op: str, fields: "dict[str, Any]") -> tuple[str, str, str]:
        """Execute an operation for somebody at the charger itself, by the rules of a command; return its answer.

        Raises :class:`firmware.app.validation.Refused` for fields that a command may not have.
        """
        now = self.clock.ticks_ms()
        command: dict[str, Any] = {"op": op, "id": source, "source": source, "ts": 0, "deadline_ts": 0}
        command.update(fields)
        answer = self.operations.execute(check_values(command), now)
        self.notes.command(command["id"], op, answer)
        self._due = 0
        return answer

    def take_settings(self) -> None:
        """Hand changed settings to the parts that keep them."""
        self.leases.configure(self.settings.required_sources, self.settings.fallback_current_a)

    def trigger(self, message: str) -> None:
        """Publish ``meta``, ``state``, ``telemetry`` or ``events`` with the next tick."""
        if message == "meta":
            self.publisher.meta_due = True
        elif message == "state":
            self.publisher.state_at = 0
        elif message == "telemetry":
            self._rounds.now()
        else:
            self.events.rewind()

    def restart(self, kind: str) -> None:
        """Let the host restart; this object does nothing from here on."""
        self._halted = True
        self.drive.stop()
        self.notes.leave("restarts: " + kind)
        self.hardware.restart(kind)
