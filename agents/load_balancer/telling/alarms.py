"""What a person should know of, as the balancer sees it now. Pure: an alarm stands as long as its cause is seen."""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256

from agents.load_balancer.circuits.site import SiteCharger
from agents.load_balancer.granting.history import Known
from bus_schema.words import Severity


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is not as it should be."""

    severity: Severity
    text: str
    remedy: str
    charger: str | None = None


Findings = dict[str, Finding]
"""By the name of the alarm."""


def alarm_name(kind: str, about: str) -> str:
    """Return an id of at most 32 characters for this kind of alarm about a charger or meter."""
    name = f"{kind}-{about}"
    if len(name) <= 32:
        return name
    return f"{name[:23]}-{sha256(about.encode()).hexdigest()[:8]}"


def of_charger(charger: SiteCharger, known: Known | None) -> Findings:
    """Compare what a charger says about itself with the configuration."""
    if known is None:
        return {}
    found: Findings = {}
    name = charger.name
    if not known.obeys:
        found[alarm_name("balancer-obeys", name)] = Finding(
            Severity.CRITICAL,
            f"Charger {name} does not wait for the load balancer: it counts with "
            f"{max(charger.rated_a, known.rated_a):g} A at all times, and the others get less.",
            f"chargebus configure {name} required_sources=load_balancer",
            name,
        )
    if known.fallback_a != charger.fallback_a:
        found[alarm_name("balancer-fallback", name)] = Finding(
            Severity.CRITICAL if known.fallback_a > charger.fallback_a else Severity.WARNING,
            f"Charger {name} falls back to {known.fallback_a:g} A, the configuration says {charger.fallback_a:g} A. "
            f"It counts with {max(known.fallback_a, charger.fallback_a):g} A.",
            f"chargebus configure {name} fallback_current_a={charger.fallback_a:g}, or correct site.toml.",
            name,
        )
    if known.rated_a > charger.rated_a:
        found[alarm_name("balancer-rating", name)] = Finding(
            Severity.WARNING,
            f"Charger {name} can offer {known.rated_a:g} A, the configuration says {charger.rated_a:g} A.",
            "Correct rated_a in site.toml.",
            name,
        )
    if known.phases and set(known.phases) != set(charger.phases):
        found[alarm_name("balancer-phases", name)] = Finding(
            Severity.CRITICAL,
            f"Charger {name} says that it is wired to {', '.join(known.phases)}; the configuration says "
            f"{', '.join(charger.phases)}. It counts on all of them.",
            "Look at the wiring and correct phases and rotation in site.toml, or the charger's board profile.",
            name,
        )
    return found


def never_seen(charger: SiteCharger) -> Findings:
    """A charger of the configuration has never said anything."""
    return {
        alarm_name("balancer-unseen", charger.name): Finding(
            Severity.WARNING,
            f"Charger {charger.name} has never said anything. Nobody knows what it would draw: it counts with "
            f"{charger.rated_a:g} A, and the others get less.",
            f"Connect it, or take [load_balancer.chargers.{charger.name}] out of site.toml until it is there.",
            charger.name,
        )
    }


def of_meters(troubles: Mapping[str, str | None], blind: Mapping[str, str]) -> Findings:
    """Say which meters cannot be believed; ``blind`` tells what holds meanwhile."""
    return {
        alarm_name("balancer-meter", meter): Finding(
            Severity.WARNING,
            f"{trouble[0].upper()}{trouble[1:]}. {blind.get(meter, '')}".strip(),
            "Look at the meter, its network cable and its wiring.",
        )
        for meter, trouble in troubles.items()
        if trouble is not None
    }


def overdraw(name: str, drawn_a: float, granted_a: float, stopping: bool) -> Findings:
    """A charger draws more than it was granted."""
    then = "It is being stopped." if stopping else "The others get less until it stops."
    return {
        alarm_name("balancer-overdraw", name): Finding(
            Severity.CRITICAL,
            f"Charger {name} draws {drawn_a:.1f} A, but was granted {granted_a:.1f} A. {then}",
            "Check the car and the charger's meter; a charger that goes on must be switched off by hand.",
            name,
        )
    }


def refusal(name: str, code: str, reason: str) -> Findings:
    """A charger refuses its orders."""
    return {
        alarm_name("balancer-refused", name): Finding(
            Severity.WARNING,
            f"Charger {name} refuses the load balancer's grants ({code}): {reason or 'no reason given'}",
            "It stays at its fallback current. Set its clock, or free one of its leases.",
            name,
        )
    }


def other_clock(name: str, offset_s: float) -> Findings:
    """A charger's clock differs from ours."""
    word = "behind" if offset_s > 0 else "ahead of"
    return {
        alarm_name("balancer-clock", name): Finding(
            Severity.WARNING,
            f"The clock of charger {name} is {abs(offset_s):.0f} s {word} the load balancer's.",
            "Check the clock of this computer and of the ledger's (NTP): a charger takes its time from the ledger, and "
            "judges by it whether a command is in time.",
            name,
        )
    }


def unknown_charger(name: str) -> Findings:
    """A charger is on the bus that nobody balances."""
    return {
        alarm_name("balancer-unknown", name): Finding(
            Severity.WARNING,
            f"Charger {name} is on the bus but not in [load_balancer.chargers]: nobody counts or limits it.",
            f"Add [load_balancer.chargers.{name}] to site.toml with the circuit that feeds it.",
            name,
        )
    }


def other_balancer(words: str) -> Findings:
    """Another balancer is at work."""
    return {
        "balancer-two": Finding(
            Severity.CRITICAL, f"Two load balancers: {words}", "Run one load balancer for a site, and one database."
        )
    }
