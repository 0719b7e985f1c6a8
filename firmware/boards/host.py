"""What the start on a device needs of its host; :mod:`firmware.boards.esp32_host` is the real one."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Protocol

    from ..app.seam import Clock, Pilot, Storage
    from .hardware import BoardHardware
    from .identity import Identity
    from .network_link import Interface, Radio
    from .nvs import Nvs, RawNvs
    from .parts import Parts
    from .profile import EthernetPins, Profile

    class Host(Protocol):
        """Clock, flash, chip and the serial port."""

        @property
        def clock(self) -> Clock:
            """The two clocks."""

        def raw_nvs(self) -> RawNvs:
            """Open non-volatile storage. Raises OSError."""

        def files(self) -> Storage:
            """Return the file system's folder for the application."""

        def parts(self, profile: Profile, nvs: Nvs) -> Parts:
            """Return the board's buses and pins."""

        def pilot(self, identity: Identity) -> Pilot:
            """Return the control pilot, told what the charger is. Raises OSError or ValueError."""

        def lan(self, pins: EthernetPins) -> Interface:
            """Return the Ethernet interface. Raises OSError."""

        def wlan(self) -> Radio:
            """Return the radio. Raises OSError."""

        def tls(self, ca_pem: str, cert_pem: str | None, key_pem: str | None) -> Any:
            """Return what connections to the broker are wrapped with: whom to trust, and the charger's own certificate
            and key. Raises ValueError or OSError.
            """

        def equip(self, hardware: BoardHardware, identity: Identity, storage: Storage) -> None:
            """Give the hardware what else it may have: ``ota`` and ``log``."""

        def random(self, count: int) -> bytes:
            """Return so many random bytes."""

        def keys(self) -> str:
            """Return what was typed at the serial console, without waiting."""

        def write(self, line: str) -> None:
            """Print at the serial console."""

        def crashed(self, error: BaseException) -> None:
            """Tell of an error that nobody expected."""

        def pause(self, seconds: float) -> None:
            """Do nothing."""

        def reset(self, kind: str) -> None:
            """Restart, ``soft`` the interpreter or ``hard`` the chip."""
