"""Looking on the bus whether a site that has just been started works."""

import asyncio
from collections.abc import Callable, Iterable

from agents.cli.connection.link import connected
from agents.cli.connection.target import Target
from agents.cli.exits import CliError
from agents.cli.looking.picture import ChargerPicture, SitePicture
from agents.cli.up.plan import Plan
from bus_schema import Role, topics

BALANCER = str(Role.LOAD_BALANCER)
RETRY_S = 0.2
"""Distance of attempts to reach a broker that is just starting."""


def agents_missing(picture: SitePicture, agents: Iterable[str]) -> list[str]:
    """Name those of ``agents`` that are not online yet."""
    return [f"agent {name}" for name in agents if name not in picture.agents or not picture.agents[name].online]


def what_is_missing(picture: SitePicture, plan: Plan) -> list[str]:
    """Say what the site still lacks: agents online, chargers online, cars charging. Empty when it is ready."""
    chargers, cars = plan.choice.chargers, plan.cars_wanted
    online = sum(charger.is_online for charger in picture.chargers.values())
    charging = sum(charger.is_charging and _has_its_share(charger, plan) for charger in picture.chargers.values())
    missing = agents_missing(picture, plan.choice.agents)
    if online < chargers:
        missing.append(f"{chargers - online} of {chargers} chargers online")
    if charging < cars:
        missing.append(f"{cars - charging} of {cars} cars charging")
    return missing


def _has_its_share(charger: ChargerPicture, plan: Plan) -> bool:
    """Whether the load balancer, if there is one, has given the charger a lease: before that it shares with nobody."""
    leases = charger.state.leases if charger.state is not None else []
    return BALANCER not in plan.choice.agents or any(lease.source == BALANCER for lease in leases)


async def follow(target: Target, picture: SitePicture, done: Callable[[], bool]) -> None:
    """Keep ``picture`` up to date until it is ``done``. Survives a broker that goes and comes."""
    while not done():
        try:
            async with connected(target) as link:
                await link.listen(topics.CHARGER_ONLINE, topics.CHARGER_STATE, topics.AGENT_HEALTH, qos=0)
                async for heard in link.heard():
                    picture.take(heard)
                    if done():
                        return
        except CliError:
            await asyncio.sleep(RETRY_S)
