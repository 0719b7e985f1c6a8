"""The two application slots on an ESP32's flash; the ``Slots`` of the seam, on ``esp32.Partition``.

The boot loader must be built with roll-back (``CONFIG_BOOTLOADER_APP_ROLLBACK_ENABLE``) and the flash partitioned with
two slots (``partitions-4MiB-ota.csv``): a slot that was booted on trial and not confirmed is left at the next restart.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_BLOCK_COUNT, _BLOCK_BYTES = 4, 5
"""Numbers of ``ioctl``."""


class PartitionSlots:
    """``partition`` is the class ``esp32.Partition``."""

    def __init__(self, partition: "Any") -> None:
        """Raises OSError where the flash has no second slot."""
        self._class = partition
        self._running = partition(partition.RUNNING)
        self._spare = self._running.get_next_update()
        self.block_bytes: int = self._spare.ioctl(_BLOCK_BYTES, 0)
        self.size: int = self._spare.ioctl(_BLOCK_COUNT, 0) * self.block_bytes

    def running(self) -> str:
        """Name of the slot that was booted."""
        label: str = self._running.info()[4]
        return label

    def spare(self) -> str:
        """Name of the other one."""
        label: str = self._spare.info()[4]
        return label

    def write(self, block: int, data: bytearray) -> None:
        """Erase and write one whole block of the spare slot. Raises OSError."""
        self._spare.writeblocks(block, data)

    def read(self, block: int, data: bytearray) -> None:
        """Fill ``data`` with one whole block of the spare slot. Raises OSError."""
        self._spare.readblocks(block, data)

    def boot_spare(self) -> None:
        """Let the next restart try the spare slot. Raises OSError, for an image that is none too."""
        self._spare.set_boot()

    def confirm(self) -> None:
        """Go on booting what runs now."""
        self._class.mark_app_valid_cancel_rollback()
