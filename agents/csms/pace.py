"""How fast one station may speak, begin transactions and try cards. It is slowed down, and loses nothing."""

from collections.abc import Mapping
from typing import Any

from agents.runtime.agent import Clock
from agents.runtime.ocpp import Handler
from agents.runtime.quota import Budget, Quota, Quotas

CALLS = Budget(burst=10_000, per_s=20)
"""A station that was offline for a day brings its meter values of that day at once."""

STARTS = Budget(burst=200, per_s=1 / 30)
"""Transactions: no connector has more than one in half a minute for long."""

CARDS = Budget(burst=10, per_s=1 / 6)
"""Cards that are refused. Drivers try two or three; a program tries all."""

LONGEST_WAIT_S = 20.0
"""Longest delay of an answer: stations wait for about 30 s. s."""

CARD_WAIT_S = 5.0
"""Delay of the answer to a card beyond the budget. s."""


class Pace:
    """Slows stations down."""

    def __init__(self, quotas: Quotas, clock: Clock) -> None:
        """Count in ``quotas``."""
        self._clock = clock
        late = "They are answered late."
        self._calls = quotas.add("station_calls", CALLS, "calls in time", late)
        self._starts = quotas.add("station_starts", STARTS, "starts of transactions in time", late)
        refused = "Further cards of that station are refused without asking, but for those that are expected."
        self._cards = quotas.add("refused_cards", CARDS, "cards", refused)

    def paced(self, identity: str, handlers: Mapping[str, Handler]) -> dict[str, Handler]:
        """Return the handlers of a station, each answering late what exceeds the station's budget."""

        def slowed(handler: Handler, quotas: tuple[Quota, ...]) -> Handler:
            async def handle(request: Any) -> Any:
                for quota in quotas:
                    await self._in_turn(quota, identity)
                return await handler(request)

            return handle

        return {
            action: slowed(handler, (self._calls, self._starts) if action == "StartTransaction" else (self._calls,))
            for action, handler in handlers.items()
        }

    async def _in_turn(self, quota: Quota, identity: str) -> None:
        now_s = self._clock.monotonic_s()
        if not quota.take(identity, now_s):
            await self._clock.sleep(min(LONGEST_WAIT_S, quota.wait_s(identity, now_s) + 0.001))
            quota.take(identity, self._clock.monotonic_s())

    async def may_try_card(self, identity: str) -> bool:
        """Tell whether a card of a station may be asked about; if not, having taken its time."""
        if self._cards.wait_s(identity, self._clock.monotonic_s()) <= 0:
            return True
        self._cards.refuse(identity, self._clock.monotonic_s())
        await self._clock.sleep(CARD_WAIT_S)
        return False

    def card_refused(self, identity: str) -> None:
        """Note that a card of a station was refused."""
        self._cards.take(identity, self._clock.monotonic_s())
