"""The CAN bus of the native module ``cp_pwm``: what the drivers are handed as ``can``."""

import cp_pwm  # type: ignore[import-not-found]

_DATA = 8


class NativeCan:
    """Takes frames from the native receive ring and queues frames to be sent. There is one in a chip."""

    def __init__(self, bitrate: int, tx_gpio: int, rx_gpio: int) -> None:
        """Start the bus. Raises :class:`ValueError` when there is no such bit rate, or the pins do not serve."""
        cp_pwm.can_start(bitrate, tx_gpio, rx_gpio)
        self._frame = bytearray(_DATA + 1)

    def receive(self, data: bytearray) -> "tuple[int, int] | None":
        """Fill ``data`` (8 bytes) and return identifier and length of the oldest frame, or None if there is none."""
        identifier = cp_pwm.can_receive(self._frame)
        if identifier is None:
            return None
        data[:] = self._frame[:_DATA]
        return identifier, self._frame[_DATA]

    def send(self, identifier: int, data: bytes) -> bool:
        """Queue a frame of at most 8 bytes, extended if its identifier needs it; False if it cannot be queued."""
        return bool(cp_pwm.can_send(identifier, data))

    @property
    def lost(self) -> int:
        """Received frames for which there was no room since the bus was started."""
        return int(cp_pwm.can_overruns())
