"""What goes wrong in a world, drawn from its seed: how bad the links are, and when which thing breaks."""

from dataclasses import dataclass, replace
from random import Random
from typing import TYPE_CHECKING

from tests.world.broker import Keep
from tests.world.link import LinkFaults
from tests.world.storage import REFUSE

if TYPE_CHECKING:
    from tests.world.world import World

KINDS = (
    "delay",
    "duplicate",
    "drop",
    "hostile",
    "partition",
    "broker",
    "kill",
    "busy",
    "power",
    "hang",
    "clock",
    "flash",
)
"""Everything that can go wrong.

``delay`` slow links · ``duplicate`` QoS 1 twice · ``drop`` QoS 0 lost · ``hostile`` order within a connection broken
(one world in eight) · ``partition`` cut cables and dropped connections · ``broker`` restarts, kills, lost memory ·
``kill`` kill -9 of agents anywhere · ``busy`` locked databases · ``power`` outages, also in the middle of a write ·
``hang`` hung interpreters · ``clock`` boots without network time, clocks that jump · ``flash`` writes that fail
"""


@dataclass(frozen=True)
class Severity:
    """How often what happens in this world. Distances are means in ms; 0 for never."""

    link: LinkFaults
    partition_ms: int = 0
    drop_connection_ms: int = 0
    broker_ms: int = 0
    kill_ms: int = 0
    kill_at_gate: float = 0.0
    busy: float = 0.0
    power_ms: int = 0
    tear: float = 0.0
    hang_ms: int = 0
    no_network_time: float = 0.0
    clock_jump_ms: int = 0
    flash_ms: int = 0
    flaky: float = 0.0


CALM = Severity(LinkFaults())


def draw(random: Random, kinds: frozenset[str]) -> Severity:
    """Return the severity of one world. Each kind is mild, bad, or absent, so that each is also met alone."""

    def scale(kind: str) -> float:
        chance = random.random()
        if kind not in kinds or chance < 0.3:
            return 0.0
        return 1.0 if chance < 0.7 else 3.0

    def mean_ms(kind: str, usual_ms: int) -> int:
        factor = scale(kind)
        return int(usual_ms / factor) if factor else 0

    link = LinkFaults(delay_ms=random.choice([1, 5, 40]))
    if scale("delay"):
        link = replace(link, slow=random.choice([0.02, 0.2]), slow_ms=random.choice([300, 2_500]))
    if (factor := scale("duplicate")) > 0:
        link = replace(link, duplicate=0.04 * factor, slow_ms=max(link.slow_ms, 300))
    if (factor := scale("drop")) > 0:
        link = replace(link, drop=0.1 * factor)
    if "hostile" in kinds and random.random() < 0.125:
        link = replace(link, hostile=True, delay_ms=200)
    return Severity(
        link,
        partition_ms=mean_ms("partition", 300_000),
        drop_connection_ms=mean_ms("partition", 200_000),
        broker_ms=mean_ms("broker", 400_000),
        kill_ms=mean_ms("kill", 200_000),
        kill_at_gate=0.01 * scale("kill"),
        busy=0.02 * scale("busy"),
        power_ms=mean_ms("power", 300_000),
        tear=0.01 * scale("power"),
        hang_ms=mean_ms("hang", 900_000),
        no_network_time=0.3 * scale("clock"),
        clock_jump_ms=mean_ms("clock", 900_000),
        flash_ms=mean_ms("flash", 900_000),
        flaky=0.04 * scale("flash"),
    )


class Trouble:
    """Makes trouble until told to stop."""

    def __init__(self, world: "World", random: Random, severity: Severity) -> None:
        self._world, self._random, self._severity = world, random, severity
        self.over = False
        boxes = list(world.boxes.values())
        for box in boxes:
            self._every(severity.power_ms, lambda b=box: b.power_off(random.randrange(200, 60_000)))
            self._every(severity.hang_ms, lambda b=box: b.hang(random.randrange(2_000, 30_000)))
            self._every(severity.clock_jump_ms, lambda b=box: self._jump(b))
            self._every(severity.flash_ms, lambda b=box: self._fill_flash(b))
            box.tear = self._tear if severity.tear or severity.flaky else None
        for client in world.clients():
            self._every(severity.partition_ms, lambda c=client: self._cut(c))
            self._every(severity.drop_connection_ms, client.drop)
        for agent in world.agents.values():
            self._every(severity.kill_ms, agent.kill)
            self._every(severity.kill_ms * 2, agent.restart)
        self._every(severity.broker_ms, self._restart_broker)
        self._every(severity.broker_ms // 3, world.broker.autosave)

    def stop(self) -> None:
        """Mend everything."""
        self.over = True
        world = self._world
        for box in world.boxes.values():
            box.tear = None
            box.storage.full = False
            box.set_clock(0)
        for client in world.clients():
            client.faults = replace(client.faults, drop=0.0, duplicate=0.0, slow=0.0, hostile=False)
            client.heal()

    def gate(self, point: str) -> str:
        """Decide what happens to an agent here."""
        if self.over:
            return "go"
        if point == "commit" and self._random.random() < self._severity.busy:
            return "busy"
        return "die" if self._random.random() < self._severity.kill_at_gate else "go"

    def network_time(self) -> bool:
        """Whether a charger that boots now gets the time from the network."""
        return self.over or self._random.random() >= self._severity.no_network_time

    def _every(self, mean_ms: int, act: object) -> None:
        if not mean_ms:
            return
        delay_ms = int(self._random.expovariate(1 / mean_ms)) + 1

        def happen() -> None:
            if not self.over:
                act()  # type: ignore[operator]
                self._every(mean_ms, act)

        self._world.loop.at(self._world.loop.now_ms + delay_ms, happen)

    def _cut(self, client: object) -> None:
        client.partition()  # type: ignore[attr-defined]
        length_ms = self._random.choice([500, 4_000, 20_000, 90_000])
        self._world.loop.at(self._world.loop.now_ms + length_ms, client.heal)  # type: ignore[attr-defined]

    def _restart_broker(self) -> None:
        world = self._world
        if not world.broker.up:
            return
        world.broker.stop(self._random.choice([Keep.ALL, Keep.SNAPSHOT, Keep.NOTHING]))
        world.loop.at(world.loop.now_ms + self._random.randrange(100, 20_000), world.broker.start)

    def _jump(self, box: object) -> None:
        box.set_clock(self._random.choice([-3_600_000, -60_000, -5_000, 5_000, 60_000, 3_600_000]))  # type: ignore[attr-defined]
        length_ms = self._random.randrange(1_000, 60_000)
        self._world.loop.at(self._world.loop.now_ms + length_ms, lambda: box.set_clock(0))  # type: ignore[attr-defined]

    def _fill_flash(self, box: object) -> None:
        storage = box.storage  # type: ignore[attr-defined]
        storage.full = True

        def free() -> None:
            storage.full = False

        self._world.loop.at(self._world.loop.now_ms + self._random.randrange(1_000, 40_000), free)

    def _tear(self, _name: str, size: int) -> int | None:
        if self._severity.flaky and self._random.random() < self._severity.flaky:
            return REFUSE
        if self._random.random() >= self._severity.tear:
            return None
        return self._random.choice([0, size, self._random.randrange(size + 1)])
