"""What a charger has said lately, and what it wants: the balancer's picture of one charger.

Pure: messages and times come in, values come out. Times are steady seconds of this process.
"""

from collections import deque
from dataclasses import dataclass, field

from agents.load_balancer.allocation.model import Demand, Mode
from agents.load_balancer.circuits.site import SiteCharger
from agents.load_balancer.learning.expecting import Expectation
from agents.load_balancer.learning.words import in_words
from agents.load_balancer.seeing.metering import Drawn
from bus_schema.balancing import Wish
from bus_schema.charger_messages import Meta, State, Telemetry
from bus_schema.words import ChargerStatus

SOURCE = "load_balancer"
"""Source of the leases (design, "Leases")."""

SILENT_S = 25.0
"""A charger says its state every 10 s: after so long it is silent."""

TELEMETRY_OLD_S = 6.0
"""Measured currents older than this are unknown."""

WINDOW_S = 3.0
"""Chargers and meters are read at moments that differ by at most this."""

_NO_ENERGY = frozenset({ChargerStatus.FINISHING, ChargerStatus.FAULTED, ChargerStatus.UNAVAILABLE})


@dataclass(slots=True)
class ChargerView:
    """One charger as the bus shows it."""

    charger: SiteCharger
    online: bool = False
    heard_s: float | None = None
    """When it last said anything."""
    meta: Meta | None = None
    state: State | None = None
    state_s: float = 0.0
    wish: Wish | None = None
    session: str = ""
    session_from_s: float = 0.0
    expected: Expectation | None = None
    """What past sessions say of the one that goes on."""
    expected_of: tuple[str, str] = ("", "")
    """Session and card that ``expected`` was found for."""
    _telemetry_s: float = -1e18
    _measured: tuple[float, ...] = ()
    _recent: deque[tuple[float, tuple[float, ...]]] = field(default_factory=deque)

    # --- what it says ---

    def take_state(self, state: State, now_s: float) -> None:
        """Take a state."""
        self.state, self.state_s, self.heard_s = state, now_s, now_s
        session = "" if state.session is None else state.session.session_id
        if session != self.session:
            self.session, self.session_from_s = session, now_s
            self.expected, self.expected_of = None, ("", "")

    def take_telemetry(self, telemetry: Telemetry, now_s: float) -> None:
        """Take measured values; unknown ones are left out, never taken for 0."""
        self.heard_s = now_s
        measured = (telemetry.current_l1_a, telemetry.current_l2_a, telemetry.current_l3_a)[: len(self.charger.phases)]
        if any(value is None for value in measured):
            return
        self._telemetry_s = now_s
        self._measured = tuple(value for value in measured if value is not None)
        self._recent.append((now_s, self._measured))
        while now_s - self._recent[0][0] > WINDOW_S:
            self._recent.popleft()

    # --- what follows ---

    @property
    def possible_a(self) -> float:
        """What cable, hardware and temperature allow, as far as the charger has said. A."""
        said_a = None if self.state is None else self.state.possible_current_a
        return self.charger.rated_a if said_a is None else min(said_a, self.charger.rated_a)

    def is_silent(self, now_s: float) -> bool:
        """Tell whether it is offline, or has said nothing for long."""
        return not self.online or self.heard_s is None or now_s - self.heard_s > SILENT_S

    def drawn_a(self, now_s: float) -> float | None:
        """Return the highest measured current, None if that is not known."""
        return max(self._measured) if self._measured and now_s - self._telemetry_s <= TELEMETRY_OLD_S else None

    def drawn_w(self, now_s: float) -> float:
        """Return what it draws on all its phases by its measured currents, 0 if they are not known. W."""
        if not self._measured or now_s - self._telemetry_s > TELEMETRY_OLD_S:
            return 0.0
        return sum(self._measured) * self.charger.voltage_v

    def drawn_on(self, phase: str, granted_a: float, now_s: float) -> Drawn:
        """Return what it draws on a phase of the site; ``granted_a`` is what it may draw at most."""
        if phase not in self.charger.phases:
            return Drawn()
        place = self.charger.phases.index(phase)
        newest = self._measured[place] if now_s - self._telemetry_s <= TELEMETRY_OLD_S else None
        if newest is None:
            closed = self.state is not None and self.state.contactor_closed
            return Drawn(0.0, granted_a if closed else 0.0, 0.0)
        recent = [values[place] for at_s, values in self._recent if now_s - at_s <= WINDOW_S] or [newest]
        # A car may follow a new offer before its charger has said so.
        offered = 0.0 if self.state is None or not self.state.contactor_closed else self.state.offered_current_a
        return Drawn(min(recent), max(*recent, offered), newest)

    def others_a(self, fallback_a: float) -> float:
        """Return what other sources' leases leave. A."""
        if self.state is None:
            return self.charger.rated_a
        limits = [
            min(lease.current_a, fallback_a) if lease.expired else lease.current_a
            for lease in self.state.leases
            if lease.source != SOURCE
        ]
        return min([self.charger.rated_a, *limits])

    def wants_energy(self) -> bool:
        """Tell whether a session is going on that could charge."""
        state = self.state
        return state is not None and state.session is not None and not state.paused and state.status not in _NO_ENERGY

    def _wish_of(self, session_id: str) -> Wish | None:
        return self.wish if self.wish is not None and self.wish.session_id == session_id else None

    def stay_in_words(self, utc_ms: int, timezone: str) -> str:
        """Return until when it is expected to stay; empty where a driver has told that, or nothing is expected."""
        wish = self._wish_of(self.session)
        if self.expected is None or (wish is not None and wish.departure_ts is not None):
            return ""
        return in_words(self.expected, utc_ms, timezone)

    def demand(self, fallback_a: float, reserved_a: float, now_s: float, utc_ms: int) -> Demand | None:
        """Return what it wants, None if nobody charges or could; ``reserved_a`` counts for it in any case."""
        state, charger = self.state, self.charger
        if state is None or state.session is None or not self.wants_energy():
            return None
        most_a = min(self.others_a(fallback_a), self.possible_a)
        started = state.session.started_ts
        session_s = now_s - self.session_from_s
        if started is not None and utc_ms > started:
            session_s = max(session_s, (utc_ms - started) / 1000)
        wish = self._wish_of(state.session.session_id)
        departure_s = None
        if wish is not None and wish.departure_ts is not None:
            departure_s = (wish.departure_ts - utc_ms) / 1000
        return Demand(
            charger=charger.name,
            phases=charger.phases,
            voltage_v=charger.voltage_v,
            min_a=charger.minimum_a,
            max_a=most_a,
            session=state.session.session_id,
            session_s=session_s,
            offered_a=state.offered_current_a,
            drawn_a=self.drawn_a(now_s),
            energy_wanted_wh=None if wish is None or wish.energy_wh is None else float(wish.energy_wh),
            energy_delivered_wh=float(state.session.energy_wh),
            departure_s=departure_s,
            stays_s=() if self.expected is None or departure_s is not None else self.expected.stays_s,
            energies_wh=() if self.expected is None else self.expected.energies_wh,
            priority=charger.priority if wish is None else wish.priority,
            weight=charger.weight,
            mode=Mode(charger.mode),
            reserved_a=reserved_a,
        )
