"""What the bridge says about its backends: what was exchanged, what waits, which alarms stand, what is wrong."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping

from agents.ocpp_bridge import alarms, outbox
from agents.ocpp_bridge.link import Link
from agents.ocpp_bridge.shared import Shared
from agents.ocpp_bridge.v16.backend_session import BackendSession
from agents.ocpp_bridge.v16.charge_point import ChargePoint
from agents.runtime.agent import Gauge
from bus_schema.site_messages import Alarm, OcppTraffic
from bus_schema.topics import AGENT_OCPP, ALARM

MOST_PROBLEMS = 5
"""Backends whose problems are told in the agent's health."""

REPEAT_ALARM_S = 600.0
"""How often a standing alarm is published again: the broker may have lost its data. s."""


class Reporting:
    """Speaks about the links of all charge points."""

    def __init__(self, charge_points: Mapping[str, ChargePoint], shared: Shared, agent: str) -> None:
        """Speak as ``agent``."""
        self._charge_points = charge_points
        self._shared = shared
        self._agent = agent
        self._alarms: dict[str, Alarm] = {}
        """Those that stand, as they were published."""
        self._told_s: dict[str, float] = {}
        """When each was published last."""
        self._reported: dict[str, OcppTraffic] = {}
        """What was published last of each backend."""

    def problems(self) -> list[str]:
        """Say which backends cannot be reached, and why."""
        found: dict[str, list[str]] = defaultdict(list)
        for charge_point, session, link in self._links():
            if link.problem is not None:
                found[session.backend.name].append(f"{charge_point.name}: {link.problem}")
        return [
            f"backend {name}: {problems[0]}" + (f" (and {len(problems) - 1} more)" if len(problems) > 1 else "")
            for name, problems in found.items()
        ][:MOST_PROBLEMS]

    async def report(self) -> None:
        """Publish what was exchanged with each backend, and what waits for it."""
        shared = self._shared
        now_ms = shared.clock.now_ms()
        backlogs = await shared.store.run(outbox.backlogs)
        for backend in shared.settings.backends:
            links = [link for _, link in self._links_to(backend.name)]
            waiting = backlogs.get(backend.name)
            message = shared.traffic[backend.name].report(
                now_ms,
                charge_points=len(links),
                connected=sum(link.connected for link in links),
                outbox_messages=0 if waiting is None else waiting.messages,
                outbox_oldest_s=0 if waiting is None else max(0, now_ms - waiting.oldest_ms) // 1000,
            )
            self._reported[backend.name] = message
            await shared.bus.publish(AGENT_OCPP, message, agent=self._agent, backend=backend.name)

    def gauges(self) -> Iterable[Gauge]:
        """Tell of each backend's outbox, as it was last reported."""
        for backend, message in list(self._reported.items()):
            labels = {"backend": backend}
            yield Gauge("ocpp_connected", "Charge points with a connection.", labels, message.connected)
            yield Gauge(
                "ocpp_outbox_messages", "Messages that wait for the backend.", labels, message.outbox_messages or 0
            )
            yield Gauge(
                "ocpp_outbox_oldest_seconds", "How long the oldest has waited.", labels, message.outbox_oldest_s or 0
            )

    async def raise_and_clear_alarms(self) -> None:
        """Publish the alarms that stand now; clear those that do not any more."""
        bus, store, clock = self._shared.bus, self._shared.store, self._shared.clock
        now_ms, now_s = clock.now_ms(), clock.monotonic_s()
        since = {name: alarm.since_ts for name, alarm in self._alarms.items()}
        depths = await store.run(outbox.depth)
        standing = await store.run(lambda db: alarms.discarded(db, now_ms))
        standing |= alarms.waiting(depths, now_ms, since)
        for backend in self._shared.settings.backends:
            standing |= self._away(backend.name, now_ms)
            standing |= alarms.clock(backend.name, self._clock_ahead_ms(backend.name), now_ms, since)
        for name, alarm in standing.items():
            before = self._alarms.get(name)
            is_new = before is None or before.model_copy(update={"ts": alarm.ts}) != alarm
            if is_new or now_s - self._told_s[name] >= REPEAT_ALARM_S:
                await bus.publish(ALARM, alarm, alarm=name)
                self._told_s[name] = now_s
            self._alarms[name] = alarm
        for name in [name for name in self._alarms if name not in standing]:
            await bus.clear(ALARM, alarm=name)
            del self._alarms[name]
            self._told_s.pop(name, None)

    def _away(self, backend: str, now_ms: int) -> dict[str, Alarm]:
        links = self._links_to(backend)
        absent = [
            alarms.Away(charger, link.down_since_ms, link.problem or "it is being connected")
            for charger, link in links
            if link.down_since_ms is not None
        ]
        return alarms.away(backend, len(links), absent, now_ms)

    def _clock_ahead_ms(self, backend: str) -> int | None:
        """Return what most charge points have heard of the backend's clock: the middle of their answers."""
        heard = sorted(
            session.clock_ahead_ms
            for _, session, _ in self._links()
            if session.backend.name == backend and session.clock_ahead_ms is not None
        )
        return heard[len(heard) // 2] if heard else None

    def _links_to(self, backend: str) -> list[tuple[str, Link]]:
        return [
            (charge_point.name, link)
            for charge_point, session, link in self._links()
            if session.backend.name == backend
        ]

    def _links(self) -> Iterator[tuple[ChargePoint, BackendSession, Link]]:
        for charge_point in self._charge_points.values():
            for session, link in zip(charge_point.sessions, charge_point.links, strict=True):
                yield charge_point, session, link
