"""Ethernet: switches the interface on with an address of its own or by DHCP, and tells in words how it is."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Protocol

    from .profile import EthernetPins

    class Interface(Protocol):
        """``network.LAN``."""

        def active(self, on: bool) -> "Any":
            """Switch on."""

        def ifconfig(self, config: "tuple[str, str, str, str] | None" = None) -> "Any":
            """Set or return address, netmask, gateway and DNS server."""

        def isconnected(self) -> bool:
            """Whether the cable carries a signal."""


NO_ADDRESS = "0.0.0.0"


def open_interface(pins: "EthernetPins") -> "Interface":
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


class Ethernet:
    """The interface. Without a cable it is as good as with one: it comes up by itself when there is one."""

    def __init__(self, interface: "Interface", static: "tuple[str, str, str, str] | None") -> None:
        self._interface = interface
        self._static = static
        self.changes = 0
        """Times that the link came or went."""
        self._was_up = False

    def start(self) -> None:
        """Switch it on. Raises OSError when the Ethernet chip does not answer."""
        self._interface.active(True)
        if self._static is not None:
            self._interface.ifconfig(self._static)

    def up(self) -> bool:
        """Whether there is a cable and an address."""
        up = self._interface.isconnected() and self._interface.ifconfig()[0] != NO_ADDRESS
        if up != self._was_up:
            self._was_up = up
            self.changes += 1
        return up

    def describe(self) -> str:
        """Return how it is, for people."""
        if not self._interface.isconnected():
            return "no cable, or nobody at its other end"
        address, netmask = self._interface.ifconfig()[:2]
        if address == NO_ADDRESS:
            return "waits for an address by DHCP"
        return "%s netmask %s, %s" % (address, netmask, "DHCP" if self._static is None else "static")
