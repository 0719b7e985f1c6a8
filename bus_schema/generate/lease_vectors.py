"""Sequences of what may happen to leases, with the outcome by :mod:`bus_schema.lease_rule`: ``lease_vectors.json``.

A sequence is ``{"keeps_leases": …, "steps": […]}``; it begins with no lease, the settings of :data:`SETTINGS` and
nothing paused. ``keeps_leases`` says whether a restart keeps the leases (csms) or loses them, and ends a pause with
them (a charger); null where nothing restarts. A step is what happens, at what time, and how it is then:

- ``at_ms``, ``do`` and what belongs to it: ``set_limit`` (source, current_a, valid_for_s, reason), ``release_limit``
  (source), ``configure`` (settings), ``pause`` (source, reason), ``resume``, ``restart``, ``look``;
- ``then``: ``done``, whether it is executed; ``current_a``, ``limited_by``, ``limit_reason``, ``offered_a``, what binds
  then; ``held``, whose leases there are; ``next_ms``, when the next one runs out, or null.
"""

import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from bus_schema.lease_rule import MAX_LEASES, Leases, next_expiry, of_hardware, of_pause, smallest

Step = dict[str, Any]

RATED_A = 32.0
"""Rating of the hardware in every sequence. A."""

SETTINGS: dict[str, Any] = {"max_current_a": 32.0, "fallback_current_a": 6.0, "required_sources": []}
"""Settings at the beginning of each sequence."""

SOURCES = ("load_balancer", "console", "technician", "ocpp", *(f"s{number}" for number in range(6)))
CURRENTS_A = (0.0, 4.0, 5.99, 6.0, 8.0, 9.25, 10.0, 16.0, 31.99, 32.0, 80.0)
REASONS = ("", "9 A: phase L2 of circuit garage is full", "x" * 400)


@dataclass(frozen=True)
class Lease:
    """A lease of a sequence."""

    source: str
    current_a: float
    ends_ms: int
    reason: str


class Play:
    """Plays steps by the rule."""

    def __init__(self, keeps_leases: bool) -> None:
        """Begin."""
        self._keeps_leases = keeps_leases
        self._max_a = float(SETTINGS["max_current_a"])
        self._leases: Leases[Lease] = Leases(SETTINGS["fallback_current_a"], tuple(SETTINGS["required_sources"]))
        self._pause: tuple[str, str] | None = None

    def outcome(self, step: Step) -> Step:
        """Let a step happen and return how it is then."""
        is_done, now_ms = self._do(step), step["at_ms"]
        limits = [] if self._pause is None else [of_pause(*self._pause)]
        limit = smallest([*limits, *self._leases.limits(now_ms), of_hardware(RATED_A, self._max_a)])
        return {
            "done": is_done,
            "current_a": limit.current_a,
            "limited_by": limit.limited_by,
            "limit_reason": limit.reason,
            "offered_a": limit.offer_a,
            "held": sorted(lease.source for lease in self._leases.held),
            "next_ms": next_expiry(self._leases.held, now_ms),
        }

    def _do(self, step: Step) -> bool:
        changed: Leases[Lease] | None = self._leases
        match step["do"]:
            case "set_limit":
                ends_ms = step["at_ms"] + 1000 * step["valid_for_s"]
                changed = self._leases.granted(Lease(step["source"], step["current_a"], ends_ms, step["reason"]))
            case "release_limit":
                changed = self._leases.released(step["source"])
            case "configure":
                wanted = step["settings"]
                required = wanted.get("required_sources", self._leases.required)
                fallback_a = wanted.get("fallback_current_a", self._leases.fallback_a)
                changed = self._leases.configured(required, fallback_a)
                if changed is not None:
                    self._max_a = wanted.get("max_current_a", self._max_a)
            case "pause":
                self._pause = (step["source"], step["reason"])
            case "resume":
                self._pause = None
            case "restart" if not self._keeps_leases:
                self._pause = None
                changed = self._leases.restarted()
        if changed is None:
            return False
        self._leases = changed
        return True


def played(steps: Sequence[Step], keeps_leases: bool) -> list[Step]:
    """Return the steps, each with how it is after it."""
    play = Play(keeps_leases)
    return [{**step, "then": play.outcome(step)} for step in steps]


def document() -> str:
    """Return the text of ``lease_vectors.json``."""
    lines = []
    for steps in _sequences():
        restarts = any(step["do"] == "restart" for step in steps)
        for keeps_leases in (False, True) if restarts else (False,):
            rows = ",\n".join("  " + json.dumps(step) for step in played(steps, keeps_leases))
            # Where nothing restarts, the sequence is everybody's.
            keeps = json.dumps(keeps_leases if restarts else None)
            lines.append(f'{{"keeps_leases": {keeps}, "steps": [\n{rows}\n]}}')
    return "[\n" + ",\n".join(lines) + "\n]\n"


def _sequences() -> Iterator[list[Step]]:
    yield from _told()
    for seed in range(40):
        yield _random(random.Random(f"lease vectors {seed}"))


def _timed(steps: Sequence[Step], each_ms: int = 1000) -> list[Step]:
    return [{"at_ms": number * each_ms, **step} for number, step in enumerate(steps)]


def _limit(source: str, current_a: float, valid_for_s: int = 60, reason: str = "") -> Step:
    fields = {"source": source, "current_a": current_a, "valid_for_s": valid_for_s, "reason": reason}
    return {"do": "set_limit", **fields}


def _configure(**settings: Any) -> Step:
    return {"do": "configure", "settings": settings}


def _told() -> Iterator[list[Step]]:
    """Yield the cases that have a name."""
    release, restart, look = {"do": "release_limit"}, {"do": "restart"}, {"do": "look"}
    required = _configure(required_sources=["load_balancer"], fallback_current_a=8.0)
    # A lease runs out at its very moment, and counts as the smaller of itself and the fallback.
    yield [{**_limit("console", 16.0, 1), "at_ms": 0}, *({**look, "at_ms": at_ms} for at_ms in (999, 1000, 1001))]
    yield [{**_limit("console", 4.0, 1), "at_ms": 0}, *({**look, "at_ms": at_ms} for at_ms in (999, 1000, 1001))]
    # A required source counts as the fallback without a lease.
    yield _timed([required, _limit("load_balancer", 20.0), release | {"source": "load_balancer"}, look])
    # Equal limits: a pause, then by name, then the hardware.
    pause = {"do": "pause", "source": "console", "reason": "peak"}
    yield _timed([_limit("technician", 32.0), _limit("console", 32.0), _limit("ocpp", 0.0), pause, {"do": "resume"}])
    yield _timed([_configure(fallback_current_a=10.0, required_sources=["ocpp"]), _limit("technician", 10.0), look])
    yield _timed([_configure(fallback_current_a=10.0, required_sources=["technician"]), _limit("ocpp", 10.0), look])
    # No place left, but always one for a required source; a requirement for which there is none is refused.
    others = [_limit(f"s{number}", 20.0) for number in range(MAX_LEASES)]
    yield _timed([required, *others, _limit("load_balancer", 12.0), release | {"source": "s0"}, others[-1]])
    yield _timed([*others, required, _limit("s0", 16.0), release | {"source": "s0"}, required, others[0]])
    # A restart: who held a lease is awaited, until it renews or releases, or is no longer required.
    yield _timed([_limit("console", 20.0), restart, _limit("console", 12.0), restart, release | {"source": "console"}])
    yield _timed([required, _limit("load_balancer", 20.0), restart, _configure(required_sources=[]), restart, look])
    yield _timed([required, _limit("load_balancer", 20.0), _configure(required_sources=[]), restart, look])
    yield _timed([_limit("load_balancer", 20.0), restart, required, _configure(required_sources=[]), restart, look])
    yield _timed([_limit("load_balancer", 20.0), required, restart, release | {"source": "load_balancer"}, look])
    yield _timed(
        [*others, restart, _limit("console", 32.0), _limit("s3", 16.0), required, release | {"source": "s1"}, required]
    )
    # Too little for a car, in words that are not too long.
    yield _timed(
        [_limit("console", 4.0, reason="x" * 400), _configure(max_current_a=10.0), release | {"source": "console"}]
    )


def _random(draw: random.Random) -> list[Step]:
    steps: list[Step] = []
    at_ms = 0
    for _ in range(draw.randint(5, 12)):
        at_ms += draw.choice([0, 1000, 1000, 5000, 10_000, 59_999])
        steps.append({"at_ms": at_ms, **_step(draw)})
    return steps


def _step(draw: random.Random) -> Step:
    source = draw.choice(SOURCES[:4] if draw.random() < 0.7 else SOURCES)
    what = draw.choices(
        ["set_limit", "release_limit", "configure", "pause", "resume", "restart", "look"], [10, 3, 3, 1, 1, 2, 3]
    )[0]
    match what:
        case "set_limit":
            return _limit(source, draw.choice(CURRENTS_A), draw.choice([1, 5, 10, 60]), draw.choice(REASONS[:2]))
        case "release_limit":
            return {"do": what, "source": source}
        case "pause":
            return {"do": what, "source": source, "reason": draw.choice(REASONS[:2])}
        case "configure":
            wanted = {
                "required_sources": draw.sample(SOURCES[:5], draw.randint(0, 3)),
                "fallback_current_a": draw.choice([0.0, 5.0, 6.0, 8.0, 10.0]),
                "max_current_a": draw.choice([10.0, 16.0, 32.0]),
            }
            return _configure(**{name: wanted[name] for name in draw.sample(sorted(wanted), draw.randint(1, 3))})
    return {"do": what}
