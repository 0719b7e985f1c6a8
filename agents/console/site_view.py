"""The pure core of the console: messages of a site are folded in, what the page shows comes out.

Nothing here reads a clock or does I/O: the caller says what time it is. Ages are measured in monotonic seconds, so
that a jump of the wall clock neither hides a silent charger nor greys a live one.
"""

import re
from dataclasses import dataclass

from agents.console.cards import (
    AgentCard,
    AlarmCard,
    ChargerCard,
    Connection,
    Drawn,
    Snapshot,
    Summary,
)
from agents.console.charger_view import ChargerView
from bus_schema.charger_messages import Meta, Online, State, Telemetry
from bus_schema.site_messages import AgentHealth, Alarm
from bus_schema.words import Severity

_SEVERITY_ORDER = {Severity.CRITICAL: 0, Severity.WARNING: 1, Severity.INFO: 2}


@dataclass(frozen=True, slots=True)
class Heard:
    """When a message came."""

    monotonic_s: float
    """By a clock that never goes back."""
    utc_ms: int
    """By the wall clock, UTC in milliseconds."""
    retained: bool = False
    """True if the broker had kept it: it is as old as its own ``ts`` says."""


class SiteView:
    """What is known of a site."""

    def __init__(self, site: str) -> None:
        """Start with an empty site of this id."""
        self.site = site
        self._chargers: dict[str, ChargerView] = {}
        self._order: list[ChargerView] = []
        self._agents: dict[str, AgentHealth] = {}
        self._alarms: dict[str, Alarm] = {}
        self._bus_connected = False

    def bus(self, *, connected: bool) -> None:
        """Note whether the console is connected to the broker."""
        self._bus_connected = connected

    def online(self, charger: str, message: Online, heard: Heard) -> None:
        """Fold in whether a charger is connected."""
        self._charger(charger).hear_online(message, *_since(message.ts, heard))

    def meta(self, charger: str, message: Meta) -> None:
        """Fold in what kind of charger it is."""
        self._charger(charger).hear_meta(message)

    def state(self, charger: str, message: State, heard: Heard) -> None:
        """Fold in everything about a charger."""
        view = self._charger(charger)
        if heard.retained and message.ts is None:
            # The broker kept it for nobody knows how long: known, but not known to be true now.
            view.hear_state(message, float("-inf"), None, live=False)
        else:
            view.hear_state(message, *_since(message.ts, heard), live=not heard.retained)

    def telemetry(self, charger: str, message: Telemetry, heard: Heard) -> None:
        """Fold in measured values."""
        self._charger(charger).hear_telemetry(message, heard.monotonic_s, heard.utc_ms)

    def forget(self, charger: str) -> None:
        """Drop a charger: somebody has removed its retained messages, because it is no longer there."""
        view = self._chargers.pop(charger, None)
        if view is not None:
            self._order.remove(view)

    def health(self, agent: str, message: AgentHealth) -> None:
        """Fold in the health of an agent."""
        self._agents[agent] = message

    def alarm(self, name: str, message: Alarm) -> None:
        """Fold in an alarm that stands."""
        self._alarms[name] = message

    def alarm_over(self, name: str) -> None:
        """Forget an alarm: it is over."""
        self._alarms.pop(name, None)

    def snapshot(self, now_s: float) -> Snapshot:
        """Return everything the page shows at this moment (monotonic seconds)."""
        cards = tuple(view.card(now_s) for view in self._order)
        return Snapshot(self._summary(cards), cards, self._agent_cards(), self._alarm_cards())

    def _charger(self, charger: str) -> ChargerView:
        view = self._chargers.get(charger)
        if view is None:
            view = self._chargers[charger] = ChargerView(charger)
            self._order = sorted(self._chargers.values(), key=lambda each: natural_order(each.charger))
        return view

    def _summary(self, cards: tuple[ChargerCard, ...]) -> Summary:
        powers = [card.power_w for card in cards if card.power_w is not None]
        return Summary(
            site=self.site,
            chargers=len(cards),
            power_w=round(sum(powers), 1) if powers else None,
            power_unknown=sum(card.power_w is None and _may_draw(card) for card in cards),
            bus_connected=self._bus_connected,
        )

    def _agent_cards(self) -> tuple[AgentCard, ...]:
        return tuple(
            AgentCard(
                agent=name,
                online=health.online,
                started_ts=health.started_ts,
                version=health.version,
                problems=tuple(health.problems),
                rejected=health.rejected,
                dropped=health.dropped,
            )
            for name, health in sorted(self._agents.items())
        )

    def _alarm_cards(self) -> tuple[AlarmCard, ...]:
        ordered = sorted(self._alarms.items(), key=lambda item: (_SEVERITY_ORDER[item[1].severity], item[1].since_ts))
        return tuple(
            AlarmCard(name, str(alarm.severity), alarm.charger, alarm.since_ts, alarm.text, alarm.remedy)
            for name, alarm in ordered
        )


def natural_order(charger: str) -> tuple[tuple[int, int, str], ...]:
    """Return a sort key that puts ``c2`` before ``c10``."""
    return tuple((0, int(part), "") if part.isdigit() else (1, 0, part) for part in re.findall(r"\d+|\D+", charger))


def _may_draw(card: ChargerCard) -> bool:
    if card.connection is Connection.ONLINE:
        return card.drawn is Drawn.UNKNOWN
    return card.session is not None


def _since(ts: int | None, heard: Heard) -> tuple[float, int]:
    """Return when the message was true: monotonic seconds and UTC milliseconds.

    A live message was true when it came: the sender's clock is not asked, because it may be wrong.
    """
    if not heard.retained or ts is None:
        return heard.monotonic_s, heard.utc_ms
    age_ms = max(0, heard.utc_ms - ts)
    return heard.monotonic_s - age_ms / 1000, heard.utc_ms - age_ms
