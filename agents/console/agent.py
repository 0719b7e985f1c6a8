"""The console agent: hears the site, serves the page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agents.console.cards import Snapshot
from agents.console.loop_back import PERIOD_S, LoopBack
from agents.console.settings import ConsoleSettings
from agents.console.site_view import Heard, SiteView
from agents.runtime.agent import Agent, Context, Received, every, on, on_cleared
from bus_schema import Address
from bus_schema.charger_messages import Meta, Online, State, Telemetry
from bus_schema.site_messages import AgentHealth, Alarm, Query, QueryAnswer
from bus_schema.topics import (
    AGENT_ANSWER,
    AGENT_HEALTH,
    AGENT_QUERY,
    ALARM,
    CHARGER_META,
    CHARGER_ONLINE,
    CHARGER_STATE,
    CHARGER_TELEMETRY,
)

if TYPE_CHECKING:
    from agents.console.page import Page


class Console(Agent[ConsoleSettings]):
    """Shows every charger of the site in the browser, live."""

    name = "console"
    settings_type = ConsoleSettings

    def __init__(self, context: Context[ConsoleSettings]) -> None:
        """Start with an empty board."""
        super().__init__(context)
        self.view = SiteView(self.bus.site)
        self._loop_back = LoopBack(self.bus, self.clock, self.name, f"{self.random.getrandbits(40):010x}")
        self._page: Page | None = None

    async def start(self) -> None:
        """Open the page."""
        from agents.console.page import Page

        title = self.settings.title or self.bus.site
        self._page = Page(title, self._snapshot, self.settings.host, self.settings.port, self.settings.hosts)
        self.log.info("page_open", url=await self._page.start())

    async def stop(self) -> None:
        """Close the page."""
        if self._page is not None:
            await self._page.stop()

    def problems(self) -> list[str]:
        """Say so when the page is not served."""
        return [] if self._page is not None and self._page.running else ["The page is not being served."]

    @on(CHARGER_ONLINE)
    async def online(self, received: Received[Online]) -> None:
        """A charger has come or gone."""
        self.view.online(received.charger, received.message, self._heard(received))

    @on_cleared(CHARGER_ONLINE)
    async def removed(self, address: Address) -> None:
        """A charger has been taken off the bus for good."""
        self.view.forget(address.ids["charger"])

    @on(CHARGER_META)
    async def meta(self, received: Received[Meta]) -> None:
        """A charger says what it is."""
        self.view.meta(received.charger, received.message)

    @on(CHARGER_STATE, qos=0)
    async def state(self, received: Received[State]) -> None:
        """A charger says what it does."""
        self.view.state(received.charger, received.message, self._heard(received))

    @on(CHARGER_TELEMETRY)
    async def telemetry(self, received: Received[Telemetry]) -> None:
        """A charger says what it measures; what a broker has kept is too old to show."""
        if not received.retained:
            self.view.telemetry(received.charger, received.message, self._heard(received))

    @on(AGENT_HEALTH)
    async def health(self, received: Received[AgentHealth]) -> None:
        """An agent says how it is."""
        self.view.health(received.address.ids["agent"], received.message)

    @on(ALARM)
    async def alarm(self, received: Received[Alarm]) -> None:
        """An alarm stands."""
        self.view.alarm(received.address.ids["alarm"], received.message)

    @on_cleared(ALARM)
    async def alarm_over(self, address: Address) -> None:
        """An alarm is over."""
        self.view.alarm_over(address.ids["alarm"])

    @on(AGENT_QUERY)
    async def asked(self, received: Received[Query]) -> None:
        """Somebody asks the console: itself, to see whether the broker carries messages, or one who is mistaken."""
        question = received.message
        if self._loop_back.heard(question):
            return
        answer = QueryAnswer(
            ts=self.clock.now_ms(),
            id=question.id,
            ok=False,
            reason="The console keeps no records: ask the ledger.",
        )
        await self.bus.publish(AGENT_ANSWER, answer, agent=self.name, asker=question.source)

    @every(PERIOD_S)
    async def check_bus(self) -> None:
        """See whether the broker still carries messages."""
        await self._loop_back.ask()

    @every(1)
    async def refresh(self) -> None:
        """Tell the open pages what has changed within the last second."""
        if self._page is not None:
            self._page.refresh()

    def _snapshot(self) -> Snapshot:
        self.view.bus(connected=self._loop_back.connected)
        return self.view.snapshot(self.clock.monotonic_s())

    def _heard(self, received: Received[Online] | Received[State] | Received[Telemetry]) -> Heard:
        return Heard(self.clock.monotonic_s(), received.received_ms, received.retained)
