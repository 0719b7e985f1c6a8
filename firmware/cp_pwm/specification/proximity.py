"""What the plug's resistor says about the cable."""

from dataclasses import dataclass

from firmware.cp_pwm.specification.instants import NEVER

NO_CABLE_MA = 0
"""No plug is no cable, not the smallest cable. mA."""

SHORT_MA = -1
"""Stands for a proximity contact shorted to earth: a fault, not the largest cable. mA."""

BANDS = ((75, SHORT_MA), (150, 63_000), (330, 32_000), (1_000, 20_000), (2_201, 13_000))
"""Resistance below which, and what it then is: 100, 220, 680 ohm and 1.5 kohm are 63, 32, 20 and 13 A."""

GONE_MS = 50
"""A plug that goes, or a short, is believed so fast (ours: within the 100 ms of leaving C). ms."""

RATING_MS = 250
"""A rating is believed after this (ours: as pilot states; contacts bounce while a plug goes in). ms."""


def cable_ma(proximity_ohm: int) -> int:
    """Return the rating that a resistance means, :data:`NO_CABLE_MA` or :data:`SHORT_MA`. mA."""
    for below_ohm, rating_ma in BANDS:
        if proximity_ohm < below_ohm:
            return rating_ma
    return NO_CABLE_MA


@dataclass(slots=True)
class Proximity:
    """The cable in the socket; with a fixed cable its rating, always."""

    tethered_ma: int
    """Rating of the fixed cable, 0 for a socket. mA."""
    rating_ma: int = NO_CABLE_MA
    """What is believed. A cable does not grow: it rises only while the contactor is open (ours). mA."""
    _seen_ma: int = NO_CABLE_MA
    _seen_since_ms: int = 0
    _may_rise: bool = True

    def __post_init__(self) -> None:
        """Begin with the fixed cable where there is one."""
        if self.tethered_ma:
            self.rating_ma = self._seen_ma = self.tethered_ma

    @property
    def short(self) -> bool:
        """Whether the contact is shorted."""
        return self.rating_ma == SHORT_MA

    @property
    def usable_ma(self) -> int:
        """The rating, 0 where there is no usable cable. mA."""
        return self.rating_ma if self.rating_ma > NO_CABLE_MA else NO_CABLE_MA

    def tick(self, now_ms: int, proximity_ohm: int, contactor: bool) -> None:
        """Take in the resistance; ``contactor`` is whether the coil has been on up to now."""
        if self.tethered_ma:
            return
        seen = cable_ma(proximity_ohm)
        if seen != self._seen_ma:
            self._seen_ma, self._seen_since_ms = seen, now_ms
        self._may_rise = not contactor
        if self._pending() and now_ms - self._seen_since_ms >= self._needed_ms():
            self.rating_ma = seen

    def _pending(self) -> bool:
        if self._seen_ma > NO_CABLE_MA and self._seen_ma > self.rating_ma:
            return self._may_rise
        return self._seen_ma != self.rating_ma

    def _needed_ms(self) -> int:
        return GONE_MS if self._seen_ma <= NO_CABLE_MA else RATING_MS

    def deadline_ms(self) -> int:
        """Instant at which what is seen will be believed."""
        return self._seen_since_ms + self._needed_ms() if self._pending() else NEVER
