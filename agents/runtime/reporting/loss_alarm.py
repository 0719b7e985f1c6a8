"""Tells the bus that an agent has lost its database, until a person has dealt with it."""

from collections.abc import Callable
from hashlib import sha256

from agents.runtime.agent import Bus, BusUnavailable, Clock
from agents.runtime.database.store_file import Loss
from bus_schema.site_messages import Alarm
from bus_schema.topics import ALARM
from bus_schema.words import Severity

CHECK_S = 5.0
"""How often the note about a loss is looked for. s."""

REPEAT_S = 600.0
"""How often a standing alarm is published again: the broker may have lost its data. s."""


class LossAlarm:
    """The alarm ``database-{agent}``."""

    def __init__(self, agent: str, source: str, bus: Bus, clock: Clock, loss: Callable[[], Loss | None]) -> None:
        """Tell of ``loss`` as the process ``agent`` of the agent ``source``."""
        name = f"database-{agent}"
        self.name = name if len(name) <= 32 else f"{name[:23]}-{sha256(agent.encode()).hexdigest()[:8]}"
        self._source = source
        self._bus = bus
        self._clock = clock
        self._loss = loss
        self._told: Loss | None = None
        self._told_s = 0.0
        self._is_known = False
        """Whether it is known what the broker has kept of an earlier life."""

    async def run(self) -> None:
        """Watch until cancelled."""
        while True:
            await self.check()
            await self._clock.sleep(CHECK_S)

    async def check(self) -> None:
        """Raise, repeat or clear the alarm if it is time to."""
        loss, now_s = self._loss(), self._clock.monotonic_s()
        is_due = loss is not None and now_s - self._told_s >= REPEAT_S
        if self._is_known and loss == self._told and not is_due:
            return
        try:
            if loss is None:
                await self._bus.clear(ALARM, alarm=self.name)
            else:
                await self._bus.publish(ALARM, self._alarm(loss), alarm=self.name)
        except BusUnavailable:
            return
        self._told, self._told_s, self._is_known = loss, now_s, True

    def _alarm(self, loss: Loss) -> Alarm:
        return Alarm(
            ts=self._clock.now_ms(),
            severity=Severity.CRITICAL,
            source=self._source,
            since_ts=loss.at_ms,
            text=f"{loss.text[:300]} What chargers still hold comes again by itself; the rest is lost here.",
            remedy=(
                "Check the disk. Stop this agent and bring the last backup back (`chargebus restore --help`), or do "
                "without what was recorded: compare the chargers' registers with their sessions of that time. Then "
                f"remove {loss.note}, which ends this alarm."
            )[:400],
        )
