"""Tells the bus which cards backends have listed for chargers: that there are such, and, when asked, which.

The bridge sends no charger its list: access does, which knows the site's own cards too. So a list of a backend and one
of the site never fight over the one that a charger has.
"""

from collections.abc import Mapping

from agents.ocpp_bridge.v16.authorizing import IdTags
from agents.ocpp_bridge.v16.charge_point import ChargePoint
from agents.ocpp_bridge.v16.offline_list import OfflineList, offline_list
from agents.runtime.agent import Bus, BusUnavailable, Clock
from bus_schema.site_messages import BackendListAnswer, BackendListNotice, BackendListQuery, Query
from bus_schema.topics import AGENT_BACKEND_LIST, CHARGER_BACKEND_LIST

NONE = offline_list(0, {})
"""What a charger has that is no charge point of any backend."""


class BackendLists:
    """Announces each charger's list when it has changed, and gives it page by page to whoever asks."""

    def __init__(self, charge_points: Mapping[str, ChargePoint], bus: Bus, clock: Clock, agent: str) -> None:
        """Speak as ``agent`` for ``charge_points``."""
        self._charge_points = charge_points
        self._bus = bus
        self._clock = clock
        self._agent = agent
        self._announced: dict[str, tuple[int, str]] = {}
        """Version and digest that the broker has, by charger."""

    async def announce(self) -> None:
        """Announce what has changed."""
        for charger, charge_point in list(self._charge_points.items()):
            listed = charge_point.id_tags.offline_list()
            if listed is not None and self._announced.get(charger) != (listed.version, listed.digest):
                try:
                    await self._announce(charger, listed)
                except BusUnavailable:
                    return  # The next time.

    async def _announce(self, charger: str, listed: OfflineList) -> None:
        notice = BackendListNotice(
            ts=self._clock.now_ms(), version=listed.version, count=listed.count, digest=listed.digest
        )
        await self._bus.publish(CHARGER_BACKEND_LIST, notice, charger=charger)
        self._announced[charger] = (listed.version, listed.digest)

    async def heard(self, charger: str, notice: BackendListNotice, *, served: bool) -> None:
        """Put right what is left of a time when ``charger`` was a charge point of a backend."""
        if not served and notice.count:
            await self._announce(charger, NONE)

    def announce_again(self) -> None:
        """Announce everything anew: the broker may have lost what it retained."""
        self._announced.clear()

    async def answer(self, question: Query, charge_point: ChargePoint | None) -> None:
        """Answer a question to the bridge; ``charge_point`` is the one that it is about."""
        answer = _answer(question, None if charge_point is None else charge_point.id_tags, self._clock.now_ms())
        await self._bus.publish(AGENT_BACKEND_LIST, answer, agent=self._agent, asker=question.source)


def _answer(question: Query, tags: IdTags | None, now_ms: int) -> BackendListAnswer:
    if not isinstance(question, BackendListQuery):
        reason = "the bridge answers which cards a backend has listed: for sessions ask the ledger"
        return BackendListAnswer(ts=now_ms, id=question.id, ok=False, reason=reason)
    listed = None if tags is None else tags.offline_list()
    if tags is None or listed is None or listed.digest != question.digest:
        reason = f"the list of {question.charger} is another one by now: see its announcement"
        return BackendListAnswer(ts=now_ms, id=question.id, ok=False, reason=reason)
    cards, cursor = tags.offline_page(question.cursor)
    return BackendListAnswer(ts=now_ms, id=question.id, ok=True, cards=cards, cursor=cursor)
