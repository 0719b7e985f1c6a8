"""Outputs and inputs that are on or off, whatever they hang on."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    from .expander import Pcf8574

    class Output(Protocol):
        """Something that can be switched."""

        def set(self, on: bool) -> None:
            """Switch."""

    class Input(Protocol):
        """Something that can be looked at."""

        def on(self) -> bool | None:
            """Whether it is on, None while that cannot be told."""

    class Pin(Protocol):
        """``machine.Pin``."""

        def value(self, level: int | None = None) -> int | None:
            """Set or return the level."""


class PinOutput:
    """A pin of the chip."""

    def __init__(self, pin: "Pin", inverted: bool = False) -> None:
        self._pin = pin
        self._inverted = inverted
        self.set(False)

    def set(self, on: bool) -> None:
        """Switch."""
        self._pin.value(int(on != self._inverted))


class PinInput:
    """A pin of the chip."""

    def __init__(self, pin: "Pin", inverted: bool = False) -> None:
        self._pin = pin
        self._inverted = inverted

    def on(self) -> bool | None:
        """Whether it is on."""
        return bool(self._pin.value()) != self._inverted


class ExpanderPin:
    """A pin of the expander, on when low. Output and input."""

    def __init__(self, expander: "Pcf8574", pin: int) -> None:
        self._expander = expander
        self._pin = pin

    def set(self, on: bool) -> None:
        """Switch."""
        self._expander.set(self._pin, not on)

    def on(self) -> bool | None:
        """Whether it is on, None while the expander does not answer."""
        level = self._expander.level(self._pin)
        return None if level is None else not level
