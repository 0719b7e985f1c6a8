"""The hardware of a virtual charger: specification, circuit, contactor, meter, reader, and the car at its socket."""

from collections import deque
from collections.abc import Callable
from math import exp
from typing import TYPE_CHECKING

from firmware.cp_pwm.specification import Inputs, Outputs, PilotInterlock
from firmware.cp_pwm.specification.faults import fault_names
from firmware.cp_pwm.specification.instants import LONG_AGO, NEVER
from firmware.sim.car import NO_PILOT, VirtualCar
from firmware.sim.circuit import VirtualContactor, plateaus_mv, proximity_ohm
from firmware.sim.meter import VirtualMeter
from firmware.sim.pilot import Snapshot, VirtualPilot
from firmware.sim.ratings import Ratings

if TYPE_CHECKING:
    from firmware.app.log import RingLog
    from firmware.app.ota import Ota

AMBIENT_C = 22.0
WARMS_C_PER_A = 0.5
WARMS_MS = 600_000.0
"""The enclosure's temperature at rest, its rise at a steady current and its time constant."""


def _pilot_at_car(outputs: Outputs) -> int:
    """Return the duty that reaches the car: none while the switch in the pilot's wire is open."""
    return NO_PILOT if outputs.disconnected else outputs.duty_permille


class VirtualReader:
    """The card reader: a card that was held to it is told once."""

    __slots__ = ("_uids", "silent")

    def __init__(self) -> None:
        """Begin without a card."""
        self._uids: deque[str] = deque(maxlen=4)
        self.silent = False
        """Set it and the reader does not answer."""

    def present(self, uid: str) -> None:
        """Hold a card to it."""
        self._uids.append(uid.upper())

    def power_off(self) -> None:
        """Lose the supply: what was held to it and not asked for yet is forgotten."""
        self._uids.clear()

    def poll(self) -> str | None:
        """Return the card's UID as upper-case hexadecimal digits, once. Raises :class:`OSError` while silent."""
        if self.silent:
            raise OSError(110, "the reader does not answer")
        return self._uids.popleft() if self._uids else None


class VirtualHardware:
    """What the app sees as ``hardware``, and what a test does to it.

    :meth:`advance` moves it through time; between discrete changes nothing is computed. Attributes whose names begin
    with a fault (``residual_leak``, ``inputs.emergency_stop``, ``inputs.ground_lost``, ``contactor.welded``,
    ``meter.silent``, ``reader.silent``, ``sensor_broken``, ``lock_jammed``…) may be set at any time, followed by
    :meth:`touch`.
    """

    def __init__(self, ratings: Ratings, now_ms: int, meter: VirtualMeter | None = None) -> None:
        """Be switched on at ``now_ms`` with nothing plugged in."""
        self.ratings = ratings
        self.meter = meter or VirtualMeter(ratings.phases)
        self.reader = VirtualReader()
        self.pilot = VirtualPilot(self)
        self.contactor = VirtualContactor()
        self.has_lock = "lock" in ratings.capabilities
        self.lock_jammed = False
        self.residual_leak = False
        """A residual current flows while the contacts are closed."""
        self.residual_device_broken = False
        """The residual-current device does not trip, not even under test."""
        self.sensor_broken = False
        """The temperature sensor does not answer."""
        self.ambient_c = AMBIENT_C
        self.indicated: deque[tuple[str, str]] = deque(maxlen=32)
        """What the charger has last shown to people: word and detail."""
        self.on_restart: Callable[[str], None] | None = None
        """Called when the app asks for a restart, with its kind."""
        self.on_indicate: Callable[[str, str], None] | None = None
        """Called when the charger shows something to people."""
        self.on_energy: Callable[[], None] | None = None
        """Called by :meth:`advance` after energy has flowed, before the app can read the register."""
        self.car: VirtualCar | None = None
        self.powered = True
        self._cable_a: int | None = None
        self._told_wh = self.meter.true_wh
        self._now_ms = now_ms
        self._board = ratings.board()
        self._changes = 0
        self._warm_c, self._warm_ms = 0.0, now_ms
        self._next_ms = self._board_ms = self._car_ms = self._own_ms = NEVER
        self._boot(now_ms)

    def _boot(self, now_ms: int) -> None:
        self.inputs = Inputs(proximity_ohm=proximity_ohm(self._cable_a), mirror_closed=self.contactor.closed)
        self._spec = PilotInterlock(self._board, now_ms)
        self._snapshot: Snapshot | None = None
        self._process(now_ms)

    # --- power ---

    def power_off(self, now_ms: int) -> None:
        """Lose the supply: the contactor falls open, the pilot dies; register and car stay."""
        self.advance(now_ms)
        self.powered = False
        self.contactor.power_off()
        self.reader.power_off()
        self.indicated.clear()
        self._apply_load(now_ms, 0)
        self._next_ms = self._board_ms = self._car_ms = self._own_ms = NEVER

    def power_on(self, now_ms: int) -> None:
        """Get the supply back, or restart: the control pilot begins anew."""
        if self.powered:
            self.power_off(now_ms)
        self._now_ms = now_ms
        self.powered = True
        self._boot(now_ms)

    # --- time ---

    def next_change_ms(self) -> int:
        """Instant of the next change that comes by itself; :data:`NEVER` if there is none."""
        if not self.powered:
            return NEVER
        inputs = self.inputs
        app_ms = self._spec.deadline_of_app_ms(inputs.heartbeat_ms, inputs.temperature_mc, inputs.temperature_ms)
        return app_ms if app_ms < self._next_ms else self._next_ms

    def next_notable_ms(self) -> int:
        """Like :meth:`next_change_ms` without the small steps of a tapering current.

        They are made up for, each at its own instant, by the next :meth:`advance`; nothing needs to wake for them.
        """
        if not self.powered:
            return NEVER
        inputs = self.inputs
        app_ms = self._spec.deadline_of_app_ms(inputs.heartbeat_ms, inputs.temperature_mc, inputs.temperature_ms)
        return min(app_ms, self._board_ms, self._own_ms)

    def advance(self, now_ms: int) -> None:
        """Bring everything to ``now_ms``, which never goes back."""
        while (due_ms := self.next_change_ms()) <= now_ms:
            self._count(due_ms)
            if self.car is not None and due_ms == self._car_ms < self._board_ms:
                self._step_car(due_ms, self.car)
            else:
                self._process(due_ms)
        self._count(now_ms)
        if self.on_energy is not None and self.meter.true_wh != self._told_wh:
            self._told_wh = self.meter.true_wh
            self.on_energy()

    def touch(self) -> None:
        """Take note that something was changed from outside, now."""
        if self.powered:
            self._process(self._now_ms)

    def _count(self, now_ms: int) -> None:
        """Let the energy flow until ``now_ms``."""
        if self.meter.power_w and self.car is not None:
            energy_wh = self.meter.power_w * (now_ms - self._now_ms) / 3_600_000.0
            self.meter.count(energy_wh)
            self.car.take(energy_wh)
        self._now_ms = now_ms

    def _process(self, now_ms: int) -> None:
        """Tick the specification and let the circuit answer, until nothing changes any more at this instant."""
        inputs, spec = self.inputs, self._spec
        while True:
            before = spec.outputs
            outputs = spec.tick(now_ms, inputs)
            if outputs != before and outputs._replace(duty_permille=before.duty_permille) != before:
                self._changes += 1
            if not self._circuit_changed(now_ms, outputs) and outputs == before:
                break
        self._snapshot = None
        self._plan_car(now_ms)
        self._board_ms = min(spec.deadline_but_app_ms(), self.contactor.next_ms())
        self._next_ms = min(self._board_ms, self._car_ms)

    def _step_car(self, now_ms: int, car: VirtualCar) -> None:
        """Let the car do what it does of its own accord; only its switch concerns the specification."""
        level_mv = car.level_mv()
        self._apply_load(now_ms, _pilot_at_car(self._spec.outputs))
        if car.level_mv() != level_mv:
            self._process(now_ms)
            return
        self._plan_car(now_ms)
        self._next_ms = min(self._board_ms, self._car_ms)

    def _plan_car(self, now_ms: int) -> None:
        car = self.car
        self._own_ms = car.next_ms(now_ms) if car is not None else NEVER
        self._car_ms = min(self._own_ms, now_ms + car.step_ms(self.meter.power_w)) if car is not None else NEVER

    def _circuit_changed(self, now_ms: int, outputs: Outputs) -> bool:
        """Move contactor, car and measured values; return whether an input of the specification has changed."""
        inputs, car = self.inputs, self.car
        self.contactor.tick(now_ms, outputs.contactor)
        self._apply_load(now_ms, _pilot_at_car(outputs))
        high_mv, low_mv = plateaus_mv(outputs.duty_permille, None if outputs.disconnected else car)
        trip = not self.residual_device_broken and (
            outputs.residual_test or (self.residual_leak and self.contactor.closed)
        )
        closed = self.contactor.closed
        if closed != inputs.mirror_closed:
            self._changes += 1
        elif high_mv == inputs.high_mv and low_mv == inputs.low_mv and trip == inputs.residual_trip:
            return False
        inputs.high_mv, inputs.low_mv, inputs.residual_trip, inputs.mirror_closed = high_mv, low_mv, trip, closed
        return True

    def _apply_load(self, now_ms: int, duty_permille: int) -> None:
        car = self.car
        before_a = self.meter_current_a
        if car is None:
            current_a = 0.0
        else:
            car.tick(now_ms, duty_permille, self.contactor.closed)
            current_a = car.current_a
        if current_a != before_a:
            self._warm_c, self._warm_ms = self._warmth_c(now_ms), now_ms
            self.meter_current_a = current_a
            self.meter.load(current_a, car.phases if car is not None else 0)

    meter_current_a = 0.0
    """What flows per phase. A."""
    ota: "Ota | None" = None
    """Its firmware updates, if it can do them; new at every boot."""
    log: "RingLog | None" = None
    """Its log, if it keeps one; new at every boot."""

    # --- what happens at the charger ---

    def plug(self, car: VirtualCar, cable_a: int = 32) -> None:
        """Plug a car in now, with a cable of 13, 20, 32 or 63 A (0: shorted proximity contact)."""
        if self.car is not None:
            raise ValueError(f"{self.car.name} is plugged in already")
        car.plug_in()
        self.car = car
        self._cable_a = cable_a
        self.inputs.proximity_ohm = proximity_ohm(cable_a)
        self.touch()

    def unplug(self) -> VirtualCar:
        """Pull the plug now and return the car."""
        car = self.car
        if car is None:
            raise ValueError("no car is plugged in")
        self.car, self._cable_a = None, None
        car.plug_in()
        self.inputs.proximity_ohm = proximity_ohm(None)
        self._apply_load(self._now_ms, 0)
        self.touch()
        return car

    def present_card(self, uid: str) -> None:
        """Hold a card to the reader."""
        self.reader.present(uid)

    # --- the app's side ---

    def request(
        self,
        offer_ma: int | None = None,
        permit: bool | None = None,
        available: bool | None = None,
        disconnect: bool | None = None,
        clear: bool = False,
    ) -> None:
        """Take in a wish of the app; one that changes nothing costs nothing."""
        inputs = self.inputs
        inputs.heartbeat_ms = self._now_ms
        changed = clear
        if offer_ma is not None and offer_ma != inputs.offer_ma:
            inputs.offer_ma = offer_ma
            changed = True
        if permit is not None and permit != inputs.permit:
            inputs.permit = permit
            changed = True
        if available is not None and available != inputs.available:
            inputs.available = available
            changed = True
        if disconnect is not None and disconnect != inputs.disconnect:
            inputs.disconnect = disconnect
            changed = True
        if clear:
            inputs.clear_count += 1
        if changed:
            self.touch()

    def heartbeat(self) -> None:
        """Take in a sign of life; one that ends a silence may close the contactor."""
        self.inputs.heartbeat_ms = self._now_ms
        if not self._spec.heartbeat.alive:
            self.touch()

    def take_temperature(self, temperature_mc: int) -> None:
        """Take in a temperature; one that makes no difference costs nothing."""
        self.inputs.temperature_mc, self.inputs.temperature_ms = temperature_mc, self._now_ms
        if self._spec.derating.changes_at(temperature_mc):
            self.touch()

    def hang(self) -> None:
        """Behave as if the app had never given a sign of life: for tests of a hung interpreter."""
        self.inputs.heartbeat_ms = LONG_AGO
        self.touch()

    def snapshot(self) -> Snapshot:
        """Return the control pilot and contactor as the app sees them."""
        if self._snapshot is None:
            outputs, inputs = self._spec.outputs, self.inputs
            self._snapshot = Snapshot(
                outputs.cp_state,
                outputs.contactor or (self._board.has_mirror and inputs.mirror_closed),
                outputs.cable_ma // 1_000,
                outputs.offered_ma / 1_000,
                outputs.derated_ma / 1_000,
                outputs.duty_permille / 10,
                inputs.high_mv / 1_000,
                inputs.low_mv / 1_000 if outputs.offered_ma else None,
                fault_names(outputs.faults),
                fault_names(outputs.locked),
                self._changes,
            )
        return self._snapshot

    def temperature_c(self) -> float | None:
        """Return the temperature in the enclosure, None while the sensor is broken. °C."""
        if self.sensor_broken or not self.ratings.has_temperature:
            return None
        return round(self.ambient_c + self._warmth_c(self._now_ms), 1)

    def _warmth_c(self, now_ms: int) -> float:
        target_c = self.meter_current_a * WARMS_C_PER_A
        return target_c + (self._warm_c - target_c) * exp((self._warm_ms - now_ms) / WARMS_MS)

    def unlock(self) -> bool:
        """Open the lock; False if it jams."""
        return not self.lock_jammed

    def indicate(self, word: str, detail: str = "") -> None:
        """Show something to people."""
        self.indicated.append((word, detail))
        if self.on_indicate is not None:
            self.on_indicate(word, detail)

    def restart(self, kind: str) -> None:
        """Ask the host for a restart: the app's object is dropped and a new one boots."""
        if self.on_restart is not None:
            self.on_restart(kind)
