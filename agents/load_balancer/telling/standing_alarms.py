"""Which of the findings the bus knows as alarms: raised once, cleared once, repeated now and then. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from agents.load_balancer.telling.alarms import Finding, Findings
from agents.load_balancer.telling.teller import NO_DIGITS
from bus_schema.site_messages import Alarm

REPEAT_S = 600.0
"""A standing alarm is told again so often: a broker may have forgotten it."""


@dataclass(slots=True)
class StandingAlarms:
    """The alarms of one agent."""

    findings: Findings = field(default_factory=dict)
    """What is found now."""
    kept: set[str] = field(default_factory=set)
    """Alarms of this agent that the broker has kept from an earlier life."""
    _since_ms: dict[str, int] = field(default_factory=dict)
    _told: dict[str, tuple[Finding, float]] = field(default_factory=dict)

    def to_clear(self, found: Findings) -> list[str]:
        """Return the names of alarms that are over; say :meth:`cleared` for each."""
        return sorted((set(self._told) | self.kept) - set(found))

    def cleared(self, name: str) -> None:
        """Note that an alarm has been cleared."""
        self._told.pop(name, None)
        self._since_ms.pop(name, None)
        self.kept.discard(name)

    def to_raise(self, found: Findings, source: str, now_s: float, now_ms: int) -> Iterator[tuple[str, Alarm]]:
        """Yield the alarms that the bus must hear, by name; each counts as told when the next is asked for."""
        for name, finding in found.items():
            before = self._told.get(name)
            if before is not None and _same(before[0], finding) and now_s - before[1] < REPEAT_S:
                continue
            yield (
                name,
                Alarm(
                    ts=now_ms,
                    severity=finding.severity,
                    source=source,
                    since_ts=self._since_ms.setdefault(name, now_ms),
                    text=finding.text[:400],
                    remedy=finding.remedy[:400],
                    charger=finding.charger,
                ),
            )
            self._told[name] = (finding, now_s)


def _same(one: Finding, other: Finding) -> bool:
    """Tell whether two findings differ in their numbers only."""
    return one.severity is other.severity and one.text.translate(NO_DIGITS) == other.text.translate(NO_DIGITS)
