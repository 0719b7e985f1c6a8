"""What the bus has told about chargers that is in no view: descriptions, refusals, clocks, strangers. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from agents.load_balancer.circuits.site import SiteCharger
from agents.load_balancer.deciding.decider import Decider
from agents.load_balancer.deciding.overdraw import Overdraw
from agents.load_balancer.granting.history import Known
from agents.load_balancer.telling import alarms
from agents.load_balancer.telling.alarms import Findings

CLOCK_S = 5.0
"""A charger's clock may differ by this much before somebody is told. The first second may be a slow network."""

CONFIGURES_S = 30.0
"""A charger that is told its settings has so long to take them before somebody hears of it."""

REFUSED_S = 10.0
"""A charger that has refused an order is given the next one no sooner."""

UNSEEN_S = 60.0
"""A charger that has never said anything is told of after so long."""

FOREIGN_S = 60.0
"""For so long somebody else's order is told of."""


@dataclass(slots=True)
class Heard:
    """What was heard since this process was started."""

    started_s: float
    known: dict[str, Known] = field(default_factory=dict)
    """What chargers have said about themselves, in this life or an earlier one."""
    refusals: dict[str, tuple[str, str]] = field(default_factory=dict)
    """Code and reason of the last answer, where that was a refusal."""
    clocks: dict[str, float] = field(default_factory=dict)
    """How far a charger's clock is behind, as far as one can tell. s."""
    unknown: set[str] = field(default_factory=set)
    """Chargers on the bus that nobody balances."""
    configured_s: dict[str, float] = field(default_factory=dict)
    """When a charger was told its settings."""
    foreign_s: float = -1e18
    """When somebody else last gave an order under this name."""
    _refused_s: dict[str, float] = field(default_factory=dict)

    def refused(self, charger: str, code: str, reason: str, now_s: float) -> None:
        """Note that a charger has refused an order."""
        self.refusals[charger] = (code, reason)
        self._refused_s[charger] = now_s

    def rests(self, charger: str, now_s: float) -> bool:
        """Tell whether a charger has refused an order so recently that it is not pestered with another."""
        return now_s - self._refused_s.get(charger, -1e18) < REFUSED_S

    def late_s(self, charger: str) -> float:
        """Return how much longer a charger takes an order for fresh: its clock is behind by so much."""
        return max(0.0, self.clocks.get(charger, 0.0))

    def find(
        self,
        decider: Decider,
        configured: Mapping[str, SiteCharger],
        overdraws: Mapping[str, Overdraw],
        claim_words: str | None,
        configures: bool,
        now_s: float,
    ) -> Findings:
        """Return what is not as it should be. ``configures``: chargers are told their settings, given some time."""
        found: Findings = {}
        if claim_words is not None:
            found |= alarms.other_balancer(claim_words)
        elif now_s - self.foreign_s < FOREIGN_S:
            found |= alarms.other_balancer("somebody else gives orders under this name")
        for name, charger in configured.items():
            if not configures or now_s - self.configured_s.get(name, self.started_s) >= CONFIGURES_S:
                found |= alarms.of_charger(charger, self.known.get(name))
            if name not in self.known and now_s - self.started_s >= UNSEEN_S:
                found |= alarms.never_seen(charger)
        found |= _of_meters(decider, now_s)
        for name, seen in overdraws.items():
            if seen.told:
                exposure = decider.safety.exposures[name]
                highest_a = max(exposure.highest_a(), exposure.fallback_a)
                found |= alarms.overdraw(name, exposure.drawn_a, highest_a, seen.stopped_s > 0)
        for name, (code, reason) in self.refusals.items():
            found |= alarms.refusal(name, code, reason)
        for name, offset_s in self.clocks.items():
            if abs(offset_s) > CLOCK_S:
                found |= alarms.other_clock(name, offset_s)
        for name in self.unknown if configured else ():
            found |= alarms.unknown_charger(name)
        return found


def _of_meters(decider: Decider, now_s: float) -> Findings:
    troubles = {name: meter.trouble(now_s) for name, meter in decider.meters.items()}
    blind = {}
    for name, circuit in decider.site.meters.items():
        share = "their fallback currents" if circuit.blind_limit_a is None else f"{circuit.blind_limit_a:g} A"
        blind[name] = f"Until it is back, the chargers of circuit {circuit.name} share {share} per phase."
    return alarms.of_meters(troubles, blind)
