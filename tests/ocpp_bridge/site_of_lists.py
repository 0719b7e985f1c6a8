"""Bridge, access and the firmware's own app with a backend: what each says on the bus reaches the others."""

from pathlib import Path
from typing import Any

from ocpp.v16 import call, datatypes

from agents.access.agent import Access
from bus_schema import parse_topic
from bus_schema.site_messages import BackendListNotice
from bus_schema.topics import AGENT_BACKEND_LIST, AGENT_QUERY, CHARGER_BACKEND_LIST
from tests.access.lists import bring_up_to_date
from tests.firmware.app.fakes import Bench
from tests.ledger.harness import Hosted
from tests.ocpp_bridge.stage import Charger, Stage, StageClock, settle
from tests.ocpp_bridge.steve import Steve

ADA, BOB, EVE = "04C4A26E5B1680", "04C4A26E5B1681", "04C4A26E5B1682"


def entry(tag: str, status: str | None = "Accepted", **fields: Any) -> datatypes.AuthorizationData:
    info = None if status is None else datatypes.IdTagInfo(status, **fields)
    return datatypes.AuthorizationData(tag, info)


class SiteOfLists:
    """A site with one charger. Both agents can be ended and started again on their databases."""

    def __init__(self, folder: Path) -> None:
        self.clock = StageClock()
        self.steves = {"steve": Steve(self.clock)}
        self.bench = Bench()
        self.retained: dict[str, BackendListNotice] = {}
        self.questions = 0
        self._folder = folder
        self._chargers: dict[str, Charger] = {}
        self._stage: Stage | None = None
        self._access: Hosted | None = None

    @property
    def stage(self) -> Stage:
        assert self._stage is not None
        return self._stage

    @property
    def access(self) -> Hosted:
        assert self._access is not None
        return self._access

    async def start_bridge(self, **settings: Any) -> None:
        stage = self._stage = Stage(f"sqlite:///{self._folder}/bridge.sqlite3", self.clock, self.steves, **settings)
        await stage.__aenter__()
        for charger, notice in self.retained.items():
            stage.put(CHARGER_BACKEND_LIST, notice, retained=True, charger=charger)
        await stage.charger()
        await self.settle()

    async def end_bridge(self) -> None:
        await self.stage.kill()
        self._stage = None

    async def start_access(self, **settings: Any) -> None:
        settings = {"policies": ["backend"], **settings}
        self._access = Hosted(Access, f"sqlite:///{self._folder}/access.sqlite3", self.clock, **settings)
        await self.access.__aenter__()
        for charger, notice in self.retained.items():
            self.access.put(CHARGER_BACKEND_LIST, notice, retained=True, charger=charger)
        await self.settle()

    async def end_access(self) -> None:
        await self.access.kill()
        self._access = None

    async def end(self) -> None:
        if self._stage is not None:
            await self.end_bridge()
        if self._access is not None:
            await self.end_access()

    async def listed(self, version: int, kind: str, *entries: datatypes.AuthorizationData) -> str:
        """Let the backend send a list, and everybody hear of it."""
        answer = await self.stage.steve.call(call.SendLocalList(version, kind, list(entries)))
        await self.settle()
        return answer.status

    async def settle(self) -> None:
        """Carry what was said to those who listen, until nobody says anything new."""
        await self.clock.advance(2)
        for _ in range(200):
            await settle()
            if not (self._carry_from_bridge() | self._carry_from_access()):
                break
        else:
            raise AssertionError("bridge and access never stop talking")
        if self._access is not None:
            await bring_up_to_date(self.access, self.bench)

    def _carry_from_bridge(self) -> bool:
        if self._stage is None:
            return False
        sent, self._stage.sent = self._stage.sent, []
        for topic, payload, _ in sent:
            address = parse_topic(topic)
            if address.topic is CHARGER_BACKEND_LIST:
                self.retained[address.ids["charger"]] = CHARGER_BACKEND_LIST.decode(payload)
            elif address.topic is not AGENT_BACKEND_LIST:
                continue
            for ear in (self._stage, self._access):
                if ear is not None:
                    ear.put(address.topic, address.topic.decode(payload), **address.ids)
        return bool(sent)

    def _carry_from_access(self) -> bool:
        questions = [] if self._access is None else self._access.bus.take(AGENT_QUERY)
        self.questions += len(questions)
        for ids, question in questions:
            if self._stage is not None:
                self._stage.put(AGENT_QUERY, question, **ids)
        return bool(questions)

    # What the charger has

    @property
    def cards(self) -> int:
        return self.bench.charger.local_list.cards

    def charges(self, uid: str) -> bool:
        """Cut the bus; plug in, hold the card to the reader, let the car ask; clean up. Tell whether it charged."""
        bench = self.bench
        bench.disconnect()
        bench.cp("B")
        bench.card(uid)
        bench.cp("C")
        charged = bench.pilot.closed
        bench.cp("A")
        bench.run(3)
        bench.connect()
        return charged
