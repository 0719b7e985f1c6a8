"""A charger on a desk: the specification with inputs that a test turns, to the millisecond.

Where there is a C compiler the C core runs beside it and must say the same at every tick: so every rule is tested on
both. Ticks come when an input changes and when something is due, which is as good as every millisecond:
test_event_driven.py.
"""

from typing import ClassVar

from firmware.cp_pwm.specification import Board, Inputs, Outputs, PilotInterlock
from tests.firmware.cp_pwm.native import Native, Twin
from tests.firmware.cp_pwm.traces import next_tick_ms


class Bench:
    """Mirror contact, heartbeat and a cool temperature follow by themselves unless told otherwise."""

    native: ClassVar[Native | None] = None

    def __init__(self, **board: object) -> None:
        settings = {"has_residual_test": False} | board
        self.measures = True
        self.inputs = Inputs(proximity_ohm=220, temperature_mc=25_000)
        self.spec = PilotInterlock(Board(**settings), 0)  # type: ignore[arg-type]
        self.twin = Twin(self.native, self.spec.board, 0) if self.native is not None else None
        self.now_ms = 0
        self.beats = True
        self.mirror_follows = True

    @property
    def out(self) -> Outputs:
        return self.spec.outputs

    def run(self, ms: int, **inputs: object) -> Outputs:
        """Set inputs and let so much time go by."""
        self._set(inputs)
        end_ms = self.now_ms + ms
        while self.now_ms < end_ms:
            self._tick(end_ms)
        return self.out

    def until(self, name: str, value: object, limit_ms: int, **inputs: object) -> int:
        """Set inputs and return after how many ms the output ``name`` is ``value``."""
        self._set(inputs)
        start_ms = self.now_ms
        while (at_ms := self.now_ms) <= start_ms + limit_ms:
            self._tick(start_ms + limit_ms + 1)
            if getattr(self.out, name) == value:
                self._go_to(at_ms + 1)
                return at_ms - start_ms
        raise AssertionError(f"{name} is {getattr(self.out, name)!r}, not {value!r}, after {limit_ms} ms")

    def _set(self, inputs: dict[str, object]) -> None:
        for name, value in inputs.items():
            setattr(self.inputs, name, value)

    def _tick(self, end_ms: int) -> None:
        """Tick now, and go on to the next instant at which something can happen."""
        if self.beats:
            self.inputs.heartbeat_ms = self.now_ms
        if self.measures:
            self.inputs.temperature_ms = self.now_ms
        if self.mirror_follows:
            self.inputs.mirror_closed = self.spec.outputs.contactor
        self.spec.tick(self.now_ms, self.inputs)
        if self.twin is not None:
            assert self.twin.tick(self.now_ms, self.inputs) == self.out, f"C differs at {self.now_ms} ms"
        self._go_to(next_tick_ms(self.now_ms, min(end_ms, self.spec.next_deadline_ms())))

    def _go_to(self, now_ms: int) -> None:
        """Let time go by in which nothing happens but signs of life and temperatures."""
        self.now_ms = now_ms
        if self.beats:
            self.inputs.heartbeat_ms = now_ms - 1
        if self.measures:
            self.inputs.temperature_ms = now_ms - 1

    def connect(self) -> None:
        """Plug a car in that has not asked yet."""
        self.run(1_000, high_mv=9_000, low_mv=-12_000, offer_ma=16_000, permit=True)
        assert self.out.cp_state == "B"

    def charge(self) -> "Bench":
        """Bring it to a closed contactor."""
        self.connect()
        self.run(1_500, high_mv=6_000)
        assert self.out.contactor
        return self
