"""Publishes what is due: online, meta, replies, state, events, telemetry."""

from .contract import (
    TOPIC_COMMAND_REPLY,
    TOPIC_META,
    TOPIC_ONLINE,
    TOPIC_STATE,
    TOPIC_TELEMETRY,
)
from .state import StateText
from .text import nullable
from .version import FIRMWARE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .commands import Commands
    from .events import Events
    from .leases import Leases
    from .measuring import Measuring
    from .messages import Messages
    from .seam import Clock, Link, Login, Snapshot
    from .sessions import Sessions
    from .settings import Settings

STATE_EVERY_MS = 10_000
IDLE_TELEMETRY_MS = 60_000
RETRY_MS = 500
"""Wait after the link could not take a message."""


class Publisher:
    """Gives messages to the link, in an order that a listener can follow, and again when it could not take them."""

    def __init__(self, link: "Link", clock: "Clock", messages: "Messages", commands: "Commands") -> None:
        self._link = link
        self._clock = clock
        self._messages = messages
        self._commands = commands
        self.firmware = FIRMWARE
        """Version of what is running."""
        self.login: Login | None = None
        """The charger's certificate, if it has one of its own."""
        self.state = StateText(messages.boot_id)
        self._state_topic = messages.topic(TOPIC_STATE)
        self._telemetry_topic = messages.topic(TOPIC_TELEMETRY)
        self.online_due = False
        self.meta_due = False
        self.state_at = 0
        """Ticks at which the state is published although nothing has changed."""
        self.telemetry_at = 0

    def connected(self) -> None:
        """Everything that a broker keeps is due."""
        self.online_due = self.meta_due = True
        self.state_at = self.telemetry_at = 0

    def flush(self, now: int, settings: "Settings", list_version: int) -> bool:
        """Publish online, meta and replies; return whether the link has taken everything."""
        link, messages, replies = self._link, self._messages, self._commands.unsent
        if not link.connected:
            return True
        if self.online_due:
            if not link.publish(messages.topic(TOPIC_ONLINE), messages.online(now, True), 1, True):
                return False
            self.online_due = False
        if self.meta_due:
            ends_ts = None if self.login is None else self.login.ends_ts
            payload = messages.meta(now, self.firmware, settings, list_version, ends_ts)
            if not link.publish(messages.topic(TOPIC_META), payload, TOPIC_META[1], TOPIC_META[2]):
                return False
            self.meta_due = False
        while replies:
            topic = messages.topic(TOPIC_COMMAND_REPLY)
            if not link.publish(topic, replies[0], TOPIC_COMMAND_REPLY[1], TOPIC_COMMAND_REPLY[2]):
                return False
            replies.pop(0)
        return True

    def send_state(
        self, now: int, sessions: "Sessions", leases: "Leases", register_wh: int | None, events: "Events", pending: int
    ) -> None:
        """Publish the state, which is then due again in ten seconds, or soon when the link could not take it."""
        if not self._link.connected:
            self.state_at = now + STATE_EVERY_MS
            return
        head = (nullable(self._clock.utc_ms()), self._messages.uptime(now))
        payload = self.state.text(head, (register_wh, pending, events.last_seq), sessions, leases, now)
        if not self._link.publish(self._state_topic, payload, TOPIC_STATE[1], TOPIC_STATE[2]):
            self.state_at = now + RETRY_MS
            return
        self.state_at = now + STATE_EVERY_MS

    def send_telemetry(self, now: int, snap: "Snapshot", measuring: "Measuring", sessions: "Sessions") -> None:
        """Publish measured values. They are lost when the link cannot take them: the next ones come soon."""
        if not self._link.connected:
            return
        session = sessions.session
        numbers = (
            measuring.register.energy_wh,
            measuring.temperature_c,
            None if session is None else session.session_id,
        )
        payload = self._messages.telemetry(now, snap, measuring.reading, numbers)
        self._link.publish(self._telemetry_topic, payload, TOPIC_TELEMETRY[1], TOPIC_TELEMETRY[2])
