"""Who is silent and who has no will: rules about chargers and agents.

How one can see a missing will: nobody is told what will a client has registered, and cutting a charger off to see it
would disturb it. But a broker publishes the will at the latest 1.5 keep-alives after a client has gone. So whoever is
retained as online and has been silent for longer than both its will and its own rhythm allow either has no will or
hangs, and whoever talks but has never said that it is online cannot have one.
"""

from collections.abc import Iterator

from agents.cli.connection.heard import Heard
from agents.cli.doctor.snapshot import Finding, Snapshot
from bus_schema.charger_messages import Online
from bus_schema.command import AGENTS
from bus_schema.site_messages import AgentHealth
from bus_schema.topics import AGENT_HEALTH, CHARGER_META, CHARGER_ONLINE, CHARGER_STATE
from bus_schema.words import Severity

CHARGER_SILENT_S = 30.0
"""A charger publishes its state at least every 10 s; three missed ones are silence."""

AGENT_SILENT_S = 75.0
"""An agent publishes its health at least every 30 s; two missed ones and some are silence."""


def chargers(snapshot: Snapshot) -> Iterator[Finding]:
    """Silent chargers, missing wills, contradictions between ``online`` and what a charger does."""
    online = {heard.charger: heard for heard in snapshot.latest(CHARGER_ONLINE)}
    states = {heard.charger: heard for heard in snapshot.latest(CHARGER_STATE)}
    metas = {heard.charger: heard for heard in snapshot.latest(CHARGER_META)}
    known = {charger for charger in (*online, *states, *metas) if charger is not None}
    if not known:
        yield Finding(
            Severity.WARNING,
            "chargers",
            snapshot.site,
            "no charger has ever published anything at this site",
            "Check the site's id and the chargers' provisioning.",
        )
    for charger in sorted(known):
        if charger not in online:
            yield Finding(
                Severity.CRITICAL,
                "will",
                charger,
                "it publishes but has never said that it is online, so it cannot have a will",
                "Its disappearance would go unnoticed: register the will on its topic online.",
            )
            continue
        said = online[charger].message
        is_online = isinstance(said, Online) and said.online
        silent = _silence(snapshot, online[charger], states.get(charger), CHARGER_SILENT_S, _talks(snapshot, charger))
        if is_online and silent:
            yield Finding(
                Severity.CRITICAL,
                "silent",
                charger,
                f"it is retained as online but has published no state {silent}: it hangs, or has gone without a will",
                "Look at the charger; the balancer counts it with its fallback current meanwhile.",
            )
        if not is_online and _state_while_offline(snapshot, charger, online[charger]):
            yield Finding(
                Severity.WARNING,
                "will",
                charger,
                "it is retained as offline but publishes: a late will has overwritten its online message",
                "It must publish online again whenever it has connected.",
            )
        if is_online and charger not in metas:
            yield Finding(
                Severity.WARNING,
                "meta",
                charger,
                "it is online but has never published meta: nobody knows its phases and ratings",
                f"Ask for it: chargebus trigger {charger} meta",
            )


def agents(snapshot: Snapshot) -> Iterator[Finding]:
    """Silent agents, agents without a will, agents that report problems."""
    healths = {heard.address.ids["agent"]: heard for heard in snapshot.latest(AGENT_HEALTH) if heard.address}
    for agent, heard in sorted(healths.items()):
        health = heard.message
        if not isinstance(health, AgentHealth):
            continue
        if not health.online:
            yield Finding(
                Severity.WARNING,
                "silent",
                f"agent {agent}",
                f"it is not running{_since(snapshot, heard)}",
                f"Start it, or clear its health if it is no longer wanted: mosquitto_pub -r -n -t {heard.topic}",
            )
            continue
        if silent := _silence(snapshot, heard, heard, AGENT_SILENT_S, talks=heard in snapshot.live):
            yield Finding(
                Severity.CRITICAL,
                "silent",
                f"agent {agent}",
                f"it is retained as online but has reported no health {silent}: it hangs, or has gone without a will",
                "Look at its log and restart it.",
            )
        for problem in health.problems:
            yield Finding(Severity.WARNING, "problem", f"agent {agent}", problem, "See the agent's log.")
        if health.dropped:
            yield Finding(
                Severity.WARNING,
                "dropped",
                f"agent {agent}",
                f"it has dropped {health.dropped} telemetry messages since its start because it was too slow",
                "Give it more CPU, or see what its handlers wait for.",
            )
    for agent in sorted(_writers(snapshot) - set(healths)):
        yield Finding(
            Severity.CRITICAL,
            "will",
            f"agent {agent}",
            "it publishes but has never reported its health, so it cannot have a will",
            "Its disappearance would go unnoticed: run it with chargebus agent.",
        )


def _writers(snapshot: Snapshot) -> set[str]:
    """Return the agents that were heard: by topics under an agent's name, and by those that only one agent writes."""
    found = set()
    for address in (heard.address for heard in snapshot.live):
        if address is None:
            continue
        row = address.topic
        if row.own_level == "agent":
            found.add(address.ids["agent"])
        elif row.own_level == "sender" and address.ids["sender"] in AGENTS:
            found.add(address.ids["sender"])
        elif len(row.writers) == 1 and not row.own_level and row.writers[0] in AGENTS:
            found.add(str(row.writers[0]))
    return found


def _talks(snapshot: Snapshot, charger: str) -> bool:
    return any(h.charger == charger and h.address and h.address.topic is CHARGER_STATE for h in snapshot.live)


def _silence(snapshot: Snapshot, first: Heard, last: Heard | None, limit_s: float, talks: bool) -> str:
    """Say for how long somebody has been silent, or nothing if it has not been for longer than ``limit_s``.

    The age of the last message is told by its own clock, which may be wrong; silence needs both that and that
    nothing came while it was listened, or that it was listened for longer than the limit.
    """
    if talks:
        return ""
    if snapshot.listened_s > limit_s:
        return f"for {snapshot.listened_s:.0f} s"
    message = (last or first).message
    if message is None or message.ts is None:
        return ""
    age_s = (snapshot.now_ms - message.ts) / 1000
    return f"for {age_s:.0f} s" if age_s > limit_s else ""


def _state_while_offline(snapshot: Snapshot, charger: str, said: Heard) -> bool:
    later = snapshot.live[snapshot.live.index(said) + 1 :] if said in snapshot.live else snapshot.live
    return any(h.charger == charger and h.address and h.address.topic is CHARGER_STATE for h in later)


def _since(snapshot: Snapshot, heard: Heard) -> str:
    if heard.message is None or heard.message.ts is None:
        return ""
    return f" (last connected {max(0, snapshot.now_ms - heard.message.ts) // 1000} s ago)"


RULES = (chargers, agents)
"""Every rule about who lives."""
