"""The charger's way to its network, by name: ``lan`` is the Ethernet chip, ``wlan`` the radio.

Either is tried again for as long as it takes, and comes back by itself; meanwhile the charger charges without it.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Protocol

    from .profile import EthernetPins

    class Interface(Protocol):
        """``network.LAN`` or ``network.WLAN``."""

        def active(self, on: bool) -> "Any":
            """Switch on."""

        def ifconfig(self, config: "tuple[str, str, str, str] | None" = None) -> "Any":
            """Set or return address, netmask, gateway and DNS server."""

        def isconnected(self) -> bool:
            """Whether the cable carries a signal, or the radio has joined."""

    class Radio(Interface, Protocol):
        """``network.WLAN``."""

        def connect(self, ssid: str, key: str) -> None:
            """Begin to join. Raises OSError, also while it is joining already."""

        def disconnect(self) -> None:
            """Leave. Raises OSError when it has not joined."""


LAN, WLAN = "lan", "wlan"
NO_ADDRESS = "0.0.0.0"
RETRY_MS = 30_000
"""Distance of attempts; to join a busy access point and get an address may take 20 s (ours)."""


class NetworkLink:
    """The Ethernet chip. Without a cable it is as good as with one: it comes up by itself when there is one."""

    name = LAN
    no_signal = "no cable, or nobody at its other end"

    def __init__(self, open_interface: "Callable[[], Any]", static: "tuple[str, str, str, str] | None") -> None:
        """``open_interface`` raises OSError when the chip does not answer. ``static``: as ``ifconfig`` has it."""
        self._open = open_interface
        self._static = static
        self._interface: Any = None
        self._retry_ms: int | None = None
        self.problem: str | None = None
        """Why the last attempt has failed, in words."""
        self.changes = 0
        """Times that the link came or went."""
        self._was_up = False

    def poll(self, now_ms: int) -> None:
        """Look how it is, and try again when it is time. To be called about once a second."""
        if not self.up() and (self._retry_ms is None or now_ms >= self._retry_ms):
            self._retry_ms = now_ms + RETRY_MS
            try:
                self._begin()
                self.problem = None
            except OSError as error:
                self.problem = str(error)

    def _begin(self) -> None:
        if self._interface is None:
            interface = self._open()
            interface.active(True)
            if self._static is not None:
                interface.ifconfig(self._static)
            self._interface = interface

    def up(self) -> bool:
        """Whether there is a link and an address."""
        interface = self._interface
        up = interface is not None and interface.isconnected() and interface.ifconfig()[0] != NO_ADDRESS
        if up != self._was_up:
            self._was_up = up
            self.changes += 1
        return up

    def describe(self) -> str:
        """Return how it is, for people."""
        if self._interface is None:
            return "does not start: %s" % self.problem
        if not self._interface.isconnected():
            return self.no_signal
        address, netmask = self._interface.ifconfig()[:2]
        if address == NO_ADDRESS:
            return "waits for an address by DHCP"
        return "%s netmask %s, %s" % (address, netmask, "DHCP" if self._static is None else "static")


class WlanLink(NetworkLink):
    """The radio: joins an access point, and again whenever it has lost it."""

    name = WLAN

    def __init__(
        self, open_interface: "Callable[[], Any]", static: "tuple[str, str, str, str] | None", ssid: str, key: str
    ) -> None:
        """``ssid`` and ``key``: of the network to join."""
        super().__init__(open_interface, static)
        self._ssid = ssid
        self._key = key
        self.no_signal = "has not joined '%s'" % ssid

    def _begin(self) -> None:
        super()._begin()
        self._leave()
        self._interface.connect(self._ssid, self._key)

    def _leave(self) -> None:
        """End an attempt that is still going on: it would refuse the next one."""
        try:
            self._interface.disconnect()
        except OSError:
            # There was none.
            return


def open_lan(pins: "EthernetPins") -> "Interface":
    """Return the board's ``network.LAN``. Raises OSError when the Ethernet chip does not answer."""
    import machine  # type: ignore[import-not-found, unused-ignore]
    import network  # type: ignore[import-not-found, unused-ignore]

    options = {
        "mdc": machine.Pin(pins.mdc),
        "mdio": machine.Pin(pins.mdio),
        "power": None if pins.power is None else machine.Pin(pins.power),
        "phy_type": getattr(network, pins.phy),
        "phy_addr": pins.address,
        "ref_clk": machine.Pin(pins.ref_clk),
        "ref_clk_mode": machine.Pin.OUT if pins.ref_clk_out else machine.Pin.IN,
    }
    interface: Interface = network.LAN(**options)
    return interface


def open_wlan() -> "Radio":
    """Return the chip's ``network.WLAN`` as a station. Raises OSError when the radio does not start."""
    import network  # type: ignore[import-not-found, unused-ignore]

    radio: Radio = network.WLAN(network.STA_IF)
    return radio
