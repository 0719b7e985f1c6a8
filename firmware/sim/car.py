"""A virtual car: what it shows on the pilot, what it draws, and its own count of the energy."""

from dataclasses import dataclass, field

from firmware.cp_pwm.specification.instants import NEVER

CONNECTED_MV, READY_MV, VENTILATION_MV = 9_000, 6_000, 3_000
"""Positive plateau that the car makes in states B, C and D. mV."""

TAPER_STEP_MS = 1_000
"""While the current tapers it is constant for so long. ms."""

NO_PILOT = -1
"""Instead of a duty: the charger has taken the pilot away. permille."""

END_A = 1.0
"""Current at which a tapering car is full. A."""


def read_duty_a(permille: int) -> float:
    """Return the current that a car reads from a duty (IEC 61851-1, table A.8); 0 where it must not draw. A."""
    if 80 <= permille < 100:
        return 6.0
    if 100 <= permille <= 850:
        return round(permille * 0.06, 2)
    if 850 < permille <= 960:
        return (permille - 640) * 0.25
    return 80.0 if 960 < permille <= 970 else 0.0


@dataclass(slots=True)
class VirtualCar:
    """A car that may be plugged into a :class:`firmware.sim.VirtualHardware`. Times are the world's, in ms."""

    name: str = "car"
    battery_wh: float = 60_000.0
    """Capacity. Wh."""
    soc: float = 0.3
    """State of charge, 0 to 1."""
    phases: int = 3
    """Phases of its on-board charger, 1 to 3."""
    max_current_a: float = 16.0
    """Most that it draws per phase. A."""
    min_current_a: float = 6.0
    """Below this offer it does not charge (a Zoe needs 8 A and more). A."""
    taper_soc: float = 0.9
    """State of charge from which its current falls linearly to nothing; 1 for a current that ends at once."""
    wake_up_ms: int = 1_500
    """Time from the offer until it asks for energy. ms."""
    reaction_ms: int = 500
    """Time to follow a change of the offer; the standard allows 5 s, and 3 s to stop. ms."""
    never_charges: bool = False
    """It stays in B whatever it is offered (a timer in the car)."""
    ventilation: bool = False
    """It asks for ventilation: state D."""
    simplified: bool = False
    """It has no B: C from the moment it is plugged in."""
    diode: bool = True
    """False for a car, or a wet plug, without the diode."""
    shorted: bool = False
    """The pilot is shorted to earth in it."""
    ignores_pilot: bool = False
    """It stays in C and draws on when the offer ends."""
    pauses_ms: tuple[tuple[int, int], ...] = ()
    """Pauses of its own: time after it first drew current, and length. ms."""
    sleeps_after_ms: int = NEVER
    """Without an offer for so long it falls asleep, and sees none any more. ms."""
    wakes_after_ms: int = 3_500
    """It wakes up when the pilot comes back after having been away for so long; some need nearly 30 s (WB). ms."""
    energy_wh: float = 0.0
    """Energy that it has taken since it was made: its own count. Wh."""
    current_a: float = field(default=0.0, init=False)
    """What it draws per phase now. A."""
    ready: bool = field(default=False, init=False)
    """Its switch S2 is closed: it asks for energy."""
    _follows_a: float = field(default=0.0, init=False)
    _offered_a: float = field(default=0.0, init=False)
    _follow_ms: int = field(default=NEVER, init=False)
    _switch_ms: int = field(default=NEVER, init=False)
    _first_current_ms: int = field(default=NEVER, init=False)
    _asleep: bool = field(default=False, init=False)
    _sleep_ms: int = field(default=NEVER, init=False)
    _away_ms: int = field(default=NEVER, init=False)

    @property
    def wanted_wh(self) -> float:
        """Energy until it is full. Wh."""
        return max(0.0, (1.0 - self.soc) * self.battery_wh)

    @classmethod
    def needing(cls, energy_wh: float, max_current_a: float = 16.0, phases: int = 3, name: str = "car") -> "VirtualCar":
        """Return a car that takes exactly ``energy_wh`` at full current, without a tapering end."""
        return cls(name, battery_wh=energy_wh, soc=0.0, phases=phases, max_current_a=max_current_a, taper_soc=1.0)

    def level_mv(self) -> int:
        """Return the positive plateau that it makes. mV."""
        if self.shorted:
            return 0
        if self.ready or self.simplified:
            return VENTILATION_MV if self.ventilation else READY_MV
        return CONNECTED_MV

    def plug_in(self) -> None:
        """Begin anew: nothing is offered, nothing drawn."""
        self.current_a = self._follows_a = self._offered_a = 0.0
        self.ready = False
        self._follow_ms = self._switch_ms = self._first_current_ms = NEVER
        self._asleep, self._sleep_ms, self._away_ms = False, NEVER, NEVER

    def take(self, energy_wh: float) -> None:
        """Take energy into the battery."""
        self.energy_wh += energy_wh
        self.soc += energy_wh / self.battery_wh

    def tick(self, now_ms: int, duty_permille: int, live: bool) -> None:
        """Look at the pilot and at whether there is voltage; decide to ask, to draw, to stop."""
        offered_a = self._seen_a(now_ms, duty_permille)
        if offered_a != self._offered_a:
            self._offered_a, self._follow_ms = offered_a, now_ms + self.reaction_ms
        if now_ms >= self._follow_ms:
            self._follows_a, self._follow_ms = offered_a, NEVER
        self._decide(now_ms)
        draws = live and (self.ready or self.simplified) and not self.ventilation and self._wants(now_ms)
        self.current_a = min(self._limit_a(), self._allowed_a()) if draws else 0.0
        if self.current_a and self._first_current_ms == NEVER:
            self._first_current_ms = now_ms

    def _seen_a(self, now_ms: int, duty_permille: int) -> float:
        """Return what it reads from the pilot: nothing while it sleeps."""
        offered_a = read_duty_a(duty_permille)
        if self.sleeps_after_ms >= NEVER:
            return offered_a
        if duty_permille == NO_PILOT:
            self._away_ms = min(self._away_ms, now_ms)
        elif self._away_ms != NEVER:
            self._asleep = self._asleep and now_ms - self._away_ms < self.wakes_after_ms
            self._away_ms = NEVER
        if now_ms >= self._sleep_ms:
            self._asleep = True
        if self._asleep or offered_a:
            self._sleep_ms = NEVER
        elif self._sleep_ms == NEVER:
            self._sleep_ms = now_ms + self.sleeps_after_ms
        return 0.0 if self._asleep else offered_a

    def _decide(self, now_ms: int) -> None:
        """Close or open S2, at once where it is the car's own wish to stop, else when its time has come."""
        wants = self._wants(now_ms)
        ask = wants and ((self.ignores_pilot and self.ready) or self._offered_a >= self.min_current_a)
        if ask == self.ready:
            self._switch_ms = NEVER
        elif not wants:
            self.ready, self._switch_ms = False, NEVER
        elif self._switch_ms == NEVER:
            self._switch_ms = now_ms + (self.wake_up_ms if ask else self.reaction_ms)
        if now_ms >= self._switch_ms:
            self.ready, self._switch_ms = ask, NEVER

    def _wants(self, now_ms: int) -> bool:
        return not self.never_charges and self.soc < 1.0 - 1e-9 and self._pause_end_ms(now_ms) == NEVER

    def _allowed_a(self) -> float:
        if self.ignores_pilot:
            return self.max_current_a
        return self._follows_a if self._follows_a >= self.min_current_a else 0.0

    def _limit_a(self) -> float:
        if self.soc < self.taper_soc:
            return self.max_current_a
        left = (1.0 - self.soc) / (1.0 - self.taper_soc) if self.taper_soc < 1.0 else 0.0
        return max(END_A, round(self.max_current_a * left, 3))

    def _pause_end_ms(self, now_ms: int) -> int:
        """Return the end of the pause that is going on, or NEVER."""
        if self._first_current_ms != NEVER:
            for after_ms, length_ms in self.pauses_ms:
                begin_ms = self._first_current_ms + after_ms
                if begin_ms <= now_ms < begin_ms + length_ms:
                    return begin_ms + length_ms
        return NEVER

    def next_ms(self, now_ms: int) -> int:
        """Instant at which it follows the offer, switches S2, or begins or ends a pause."""
        due_ms = min(self._follow_ms, self._switch_ms, self._sleep_ms)
        if self.pauses_ms and self._first_current_ms != NEVER:
            for after_ms, length_ms in self.pauses_ms:
                for edge_ms in (self._first_current_ms + after_ms, self._first_current_ms + after_ms + length_ms):
                    if now_ms < edge_ms < due_ms:
                        due_ms = edge_ms
        return due_ms

    def step_ms(self, power_w: float) -> int:
        """Return for how long the current stays what it is while it draws ``power_w``. ms."""
        if power_w <= 0.0:
            return NEVER
        tapering = self.soc >= self.taper_soc
        until = 1.0 if tapering else self.taper_soc
        left_ms = int((until - self.soc) * self.battery_wh * 3_600_000.0 / power_w) + 1
        return min(TAPER_STEP_MS, left_ms) if tapering else left_ms
