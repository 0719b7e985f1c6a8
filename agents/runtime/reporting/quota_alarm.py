"""Tells the bus which senders exceed a quota of an agent: one alarm, raised at once, cleared when all are quiet.

The two ends differ on purpose: a sender is named after as many refusals as its quota says (``alarm_after``) and until
it was refused nothing for :data:`agents.runtime.quota.QUIET_S`, so that one at the edge does not make the alarm
flicker.
"""

from collections.abc import Sequence
from dataclasses import replace
from hashlib import sha256

from structlog.typing import FilteringBoundLogger

from agents.runtime.agent import Bus, BusUnavailable, Clock
from agents.runtime.quota import Quotas, Refused
from bus_schema import is_id
from bus_schema.site_messages import Alarm
from bus_schema.topics import ALARM
from bus_schema.words import Severity

CHECK_S = 1.0
"""How often senders are looked at. s."""

REPEAT_S = 60.0
"""Distance at which a standing alarm is published again with its present figures. s."""

NAMED = 3
"""Senders that the text names one by one."""

SHOWN = 20
"""Senders that Prometheus gets as label values."""

REMEDY = (
    "Is this device broken, misconfigured, or in a stranger's hands? Look at it, and if it does not stop, take it off "
    "the bus (its certificate or password). Others are served meanwhile. The alarm ends by itself five minutes after "
    "the last refusal."
)


class QuotaAlarm:
    """The alarm ``quota-{agent}``."""

    def __init__(
        self, agent: str, source: str, bus: Bus, clock: Clock, log: FilteringBoundLogger, quotas: Quotas
    ) -> None:
        """Watch ``quotas`` for the process ``agent`` of the agent ``source``."""
        self.name = alarm_name(agent)
        self._source = source
        self._bus = bus
        self._clock = clock
        self._log = log
        self._quotas = quotas
        self.named: tuple[Refused, ...] = ()
        """Whom the alarm is about, the worst first, at most :data:`SHOWN`; Prometheus reads it from its own thread."""
        self._named: frozenset[tuple[str, str]] | None = None
        """Whom the retained alarm names; None while it is not known what the broker has kept of an earlier life."""
        self._told_s = 0.0
        self._since_ms = 0

    async def run(self) -> None:
        """Watch until cancelled."""
        while True:
            await self.check()
            await self._clock.sleep(CHECK_S)

    async def check(self) -> None:
        """Raise, repeat or clear the alarm if it is time to. An agent without quotas never has one."""
        if not self._quotas:
            return
        now_s = self._clock.monotonic_s()
        exceeding = self._quotas.exceeding(now_s)
        self.named = tuple(replace(each) for each in exceeding[:SHOWN])
        named = frozenset((each.quota, each.sender) for each in exceeding)
        due = named and now_s - self._told_s >= REPEAT_S
        if named == self._named and not due:
            return
        try:
            if named:
                if not self._named:
                    self._since_ms = self._clock.now_ms()
                await self._bus.publish(ALARM, self._alarm(exceeding), alarm=self.name)
            else:
                await self._bus.clear(ALARM, alarm=self.name)
        except BusUnavailable:
            return
        for quota, sender in sorted(named - (self._named or frozenset())):
            self._log.warning("quota_exceeded", quota=quota, sender=sender)
        self._named, self._told_s = named, now_s

    def _alarm(self, exceeding: Sequence[Refused]) -> Alarm:
        worst = exceeding[0]
        return Alarm(
            ts=self._clock.now_ms(),
            severity=Severity.WARNING,
            source=self._source,
            since_ts=self._since_ms,
            text=self._text(exceeding)[:400],
            remedy=REMEDY,
            charger=worst.sender if is_id(worst.sender) else None,
        )

    def _text(self, exceeding: Sequence[Refused]) -> str:
        parts = []
        for each in exceeding[:NAMED]:
            things = self._quotas[each.quota].things
            parts.append(f"{each.sender} was refused {each.count} {things}")
        more = f"; {len(exceeding) - NAMED} more senders exceed theirs" if len(exceeding) > NAMED else ""
        return f"Above its quota: {', '.join(parts)}{more}. {self._quotas[exceeding[0].quota].consequence}"


def alarm_name(agent: str) -> str:
    """Return the alarm's id for a process of an agent, at most 32 characters."""
    name = f"quota-{agent}"
    return name if len(name) <= 32 else f"{name[:23]}-{sha256(agent.encode()).hexdigest()[:8]}"
