"""What a person sees: a colour for each state of the charger, steady or blinking; and for a while what has happened."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol

    from .pins import Output

    Colour = tuple[int, int, int]

    class Lamp(Protocol):
        """A light of three colours."""

        def show(self, colour: Colour) -> None:
            """Shine, each part from 0 to 255."""


OFF, GREEN, BLUE, AMBER, RED, WHITE = (0, 0, 0), (0, 80, 0), (0, 0, 120), (110, 55, 0), (140, 0, 0), (90, 90, 90)

STATES = {
    "Available": (GREEN, 0),
    "Preparing": (GREEN, 1000),
    "Charging": (BLUE, 0),
    "SuspendedEV": (BLUE, 2000),
    "SuspendedEVSE": (BLUE, 4000),
    "Finishing": (GREEN, 2000),
    "Reserved": (AMBER, 0),
    "Unavailable": (OFF, 0),
    "Faulted": (RED, 0),
}
"""Colour and blinking period in ms (0: steady) of each status of the contract."""

WORDS = {
    "authorized": (GREEN, 250, 2000),
    "refused": (RED, 250, 2000),
    "waiting": (AMBER, 500, 3000),
    "fault": (RED, 500, 5000),
    "identify": (WHITE, 500, 10_000),
}
"""Colour, blinking period and duration in ms of what is indicated."""


class Light:
    """The charger's light."""

    def __init__(self, lamp: "Lamp", now_ms: int) -> None:
        self._lamp = lamp
        self._state = (WHITE, 0)
        self._word = (OFF, 0)
        self._word_from_ms = self._word_until_ms = now_ms
        self._shown: Colour | None = None

    def state(self, status: str, offline: bool = False) -> None:
        """Show a status. ``offline``: the charger has no broker, which it shows by amber while nobody is there."""
        self._state = STATES.get(status, (RED, 500))
        if offline and status == "Available":
            self._state = (AMBER, 3000)

    def indicate(self, word: str, now_ms: int, duration_ms: int | None = None) -> None:
        """Show for a while what has happened. Words that are not known show nothing."""
        row = WORDS.get(word)
        if row is not None:
            self._word = (row[0], row[1])
            self._word_from_ms = now_ms
            self._word_until_ms = now_ms + (row[2] if duration_ms is None else duration_ms)

    def poll(self, now_ms: int) -> None:
        """Bring the lamp up to date."""
        colour, period_ms = self._word if now_ms < self._word_until_ms else self._state
        since_ms = self._word_from_ms if now_ms < self._word_until_ms else 0
        if period_ms and (now_ms - since_ms) % period_ms >= period_ms // 2:
            colour = OFF
        if colour != self._shown:
            self._lamp.show(colour)
            self._shown = colour


class ThreeLamps:
    """A red, a green and a blue one, on or off."""

    def __init__(self, red: "Output", green: "Output", blue: "Output") -> None:
        self._outputs = (red, green, blue)

    def show(self, colour: "Colour") -> None:
        """Switch on those that are a good part of the colour."""
        brightest = max(colour)
        for index, output in enumerate(self._outputs):
            output.set(colour[index] > 0 and 3 * colour[index] >= brightest)


class PixelStrip:
    """WS2812 pixels, all alike. ``send`` gets the bytes, green first."""

    def __init__(self, send: "Callable[[bytes], None]", pixels: int) -> None:
        self._send = send
        self._pixels = pixels

    def show(self, colour: "Colour") -> None:
        """Shine."""
        self._send(bytes((colour[1], colour[0], colour[2])) * self._pixels)
