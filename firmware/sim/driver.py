"""The drivers who come to one charger: they arrive, plug in, hold a card to the reader, come back and leave."""

from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any

from firmware.cp_pwm.specification.instants import NEVER
from firmware.sim.car import VirtualCar
from firmware.sim.hardware import VirtualHardware
from firmware.sim.visits import Visit

AWAY, PLUGGED, PARKED, LEAVING = "away", "plugged", "parked", "leaving"
"""Steps of a visit."""

LOOK_EVERY_MS = 1_000
"""How often a driver looks at car and charger. ms."""

TAP_AGAIN_MS = 15_000
"""A charger that has not said anything about the card for so long gets it once more. ms."""

TAP_AFTER_OUTAGE_MS = 5_000
"""After a power loss a driver waits so long for the charger to go on by itself before holding the card out. ms."""

MOST_TAPS = 4

LINGERS_MS = 5_000
"""Time between a full car and its leaving. ms."""


class Driver:
    """Everybody who ever comes to one charger, one after the other.

    ``visit`` draws visit number n. ``happened`` is called with ``plugged`` or ``unplugged``, the visit's number and the
    visit, when that has been done.
    """

    def __init__(
        self,
        hardware: VirtualHardware,
        visit: Callable[[int], Visit],
        happened: Callable[[str, int, Visit], None],
        now_ms: int,
    ) -> None:
        """Begin with the first visit."""
        self._hardware = hardware
        self._draw = visit
        self._happened = happened
        self.number = 0
        """Number of the visit that goes on, or comes next."""
        self.step = AWAY
        self.visit = visit(0)
        self._due_ms = now_ms + self.visit.gap_ms
        self._leave_ms = NEVER
        self._tapped_ms = 0
        self._taps = 0

    def next_ms(self) -> int:
        """Instant at which :meth:`run` is due."""
        return self._due_ms

    def run(self, now_ms: int) -> None:
        """Do what is due; the hardware must be at ``now_ms``."""
        while self._due_ms <= now_ms:
            {AWAY: self._arrive, PLUGGED: self._tap, PARKED: self._look, LEAVING: self._leave}[self.step](now_ms)

    def _arrive(self, now_ms: int) -> None:
        self._hardware.plug(self.visit.car, self.visit.cable_a)
        self._leave_ms = now_ms + self.visit.stay_ms
        self._taps = 0
        self._go(PLUGGED, now_ms + self.visit.tap_after_ms)
        self._happened("plugged", self.number, self.visit)

    def _tap(self, now_ms: int) -> None:
        self._present(now_ms)
        self._taps += 1
        self._go(PARKED, now_ms + LOOK_EVERY_MS)

    def _present(self, now_ms: int) -> None:
        self._tapped_ms = now_ms
        self._hardware.indicated.clear()
        if self.visit.card:
            self._hardware.present_card(self.visit.card)

    def _look(self, now_ms: int) -> None:
        car = self._hardware.car
        full = car is not None and not car.wanted_wh and self.visit.waits_until_full
        self._go(PARKED, now_ms + LOOK_EVERY_MS)
        if full:
            self._leave_ms = min(self._leave_ms, now_ms + LINGERS_MS)
        if now_ms >= self._leave_ms:
            if self.visit.stops_by_card and self._hardware.contactor.closed:
                self._present(now_ms)
            self._go(LEAVING, now_ms + 2 * LOOK_EVERY_MS)
        elif self._nothing_said() and now_ms - self._tapped_ms >= TAP_AGAIN_MS and self._taps < MOST_TAPS:
            self._tap(now_ms)

    def _nothing_said(self) -> bool:
        """Whether the charger has shown no answer since the card, and the contactor is open."""
        answered = any(word != "waiting" for word, _ in self._hardware.indicated)
        return not self._hardware.contactor.closed and not answered

    def _leave(self, now_ms: int) -> None:
        self._hardware.unplug()
        number, visit = self.number, self.visit
        self.number += 1
        self.visit = self._draw(self.number)
        self._go(AWAY, now_ms + self.visit.gap_ms)
        self._happened("unplugged", number, visit)

    def _go(self, step: str, due_ms: int) -> None:
        self.step, self._due_ms = step, due_ms

    def state(self, now_ms: int) -> dict[str, Any]:
        """Return what must survive a power loss, with instants as distances from now."""
        return {
            "number": self.number,
            "step": self.step,
            "due_in_ms": self._due_ms - now_ms,
            "leave_in_ms": self._leave_ms - now_ms if self._leave_ms < NEVER else None,
            "car": car_state(self._hardware.car) if self._hardware.car is not None else None,
        }

    def restore(self, state: dict[str, Any], now_ms: int) -> None:
        """Go on from :meth:`state` after a power loss: a driver whose car stands there holds the card out again."""
        self.number = state["number"]
        self.visit = self._draw(self.number)
        self._go(state["step"], now_ms + state["due_in_ms"])
        if state["car"] is None:
            return
        self.visit = replace(self.visit, car=car_from(state["car"]))
        self._hardware.plug(self.visit.car, self.visit.cable_a)
        self._leave_ms = NEVER if state["leave_in_ms"] is None else now_ms + state["leave_in_ms"]
        self._taps = 0
        self._tapped_ms = now_ms - TAP_AGAIN_MS + TAP_AFTER_OUTAGE_MS


def car_state(car: VirtualCar) -> dict[str, Any]:
    """Return a car as JSON values: what it is and what is in its battery."""
    return {field.name: getattr(car, field.name) for field in fields(car) if field.init}


def car_from(state: dict[str, Any]) -> VirtualCar:
    """Return the car that :func:`car_state` described."""
    return VirtualCar(**{**state, "pauses_ms": tuple((after, length) for after, length in state["pauses_ms"])})
