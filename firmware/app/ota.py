"""Firmware updates: from the command to the confirmed new image, over restarts and power losses.

Two slots hold an image each. What runs is never written. The order on flash makes every power loss harmless: the
image is written into the spare slot and read back, then a record tells what is about to happen, then the boot loader
is told to try the spare slot once. The new image confirms itself after its self-test and with the broker connected;
if it does not, because it hangs, crashes, loses power or stays alone, the boot loader returns to the old one.

======================== ==============================================================================================
the power fails while    what runs afterwards, and what the command's sender is told
======================== ==============================================================================================
fetching, reading back   the old image; ``failed``: restarted during the download
waiting for its moment   the old image, which goes on waiting
switching                the old image or the new one on trial
on trial                 the old image; ``failed``: rolled back
======================== ==============================================================================================
"""

import binascii

from .contract import (
    MAX_UPDATE_REASON,
    UPDATE_DOWNLOAD_PAUSED,
    UPDATE_DOWNLOADED,
    UPDATE_DOWNLOADING,
    UPDATE_INSTALL_REBOOTING,
    UPDATE_INSTALL_SCHEDULED,
    UPDATE_INSTALLATION_FAILED,
    UPDATE_INSTALLED,
    UPDATE_INSTALLING,
    UPDATE_SIGNATURE_VERIFIED,
)
from .image import BadImage, Image
from .records import keep, kept
from .staging import Download, Verification
from .text import clip
from .url import TransferFailed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from .seam import Fetch, Slots, Storage

    Command = dict[str, Any]
    Result = tuple[bool, str]

FILE = "update"
CONFIRM_WITHIN_MS = 300_000
"""A new image that has not reached the broker five minutes after its boot is rolled back."""
GOODBYE_MS = 300
"""Time for the last state to leave before a restart."""

_FETCHING, _STAGED, _TRYING, _GIVEN_UP = "fetching", "staged", "trying", "given up"
"""What the record on flash says. An older or newer image reads it too: the words must stay."""


class Update:
    """One update as the state message shows it."""

    def __init__(self, command_id: str, status: str, version: "str | None" = None, reason: str = "") -> None:
        self.command_id = command_id
        self.status = status
        self.version = version
        self.percent = 0
        self.reason = clip(reason, MAX_UPDATE_REASON)

    def show(self, status: str, reason: str = "") -> None:
        """Become another status."""
        self.status = status
        self.reason = clip(reason, MAX_UPDATE_REASON)


class Ota:
    """Everything about firmware updates of one charger. It reads no clock and waits for nothing: :meth:`step` does.

    ``fetch(url)`` begins to fetch a file and may raise :class:`TransferFailed`; ``keys`` are the moduli that images may
    be signed with; ``board`` and ``version`` are those of what is running.
    """

    def __init__(
        self,
        slots: "Slots",
        fetch: "Callable[[str], Fetch]",
        storage: "Storage",
        board: str,
        version: str,
        keys: "tuple[int, ...]",
    ) -> None:
        self._slots = slots
        self._fetch = fetch
        self._storage = storage
        self._board = board
        self._keys = keys
        self.version = version
        """What is running."""
        self.update: Update | None = None
        """The update that is under way or has ended in this boot."""
        self.on_trial = False
        """Whether the image that runs must confirm itself yet."""
        self.is_switched = False
        """Whether the next restart tries the spare slot: it must not be written any more."""
        self.restart_wanted = False
        """Set when the charger must restart now to go on."""
        self._command: Command = {}
        self._phase: Callable[[int, bool, int | None], Result | None] | None = None
        self._download: Download | None = None
        self._verification: Verification | None = None
        self._image: Image | None = None
        self._header = b""
        self._since = 0

    # --- after a boot ---------------------------------------------------------------------------------------------

    def boot(self, now: int) -> "tuple[str, Result] | None":
        """See what became of an update that a restart has cut; return id and result of its command if it has ended.

        Raises :class:`OSError` if the flash cannot be read.
        """
        self._since = now
        found = kept(self._storage, FILE, None)
        if found is None:
            return None
        self._command = found["command"]
        command_id = self._command["id"]
        version = found["version"]
        if found["step"] == _TRYING and self._slots.running() == found["slot"]:
            self.on_trial = True
            self.update = Update(command_id, UPDATE_INSTALL_REBOOTING, version, "on trial")
            self._phase = self._confirm
            return None
        if found["step"] == _GIVEN_UP and self._slots.running() == found["slot"]:
            # It had confirmed itself, but the power failed before that was written down.
            return (command_id, (True, self._installed(Update(command_id, UPDATE_INSTALLED, version))))
        reason = "version %s did not confirm itself and was rolled back" % version
        if found["step"] == _STAGED:
            try:
                self._header = binascii.a2b_base64(found["header"])
                self._begin_verification(Image(self._header))
                self.update = Update(command_id, UPDATE_DOWNLOADED, version)
                return None
            except BadImage as bad:
                reason = bad.reason
        elif found["step"] == _FETCHING:
            reason = "the charger restarted during the download"
        self.update = Update(command_id, UPDATE_INSTALLATION_FAILED, version, reason)
        self._forget()
        return (command_id, (False, reason))

    def waiting_command(self) -> "Command | None":
        """Return the command that goes on after this boot, or None."""
        return self._command if self._phase is not None else None

    # --- the command ----------------------------------------------------------------------------------------------

    def begin(self, command: "Command", now: int) -> None:
        """Take a command. One that has not ended yet is given up for it.

        Raises :class:`TransferFailed` for an address that cannot be fetched, :class:`OSError` if the flash refuses.
        """
        fetch = self._fetch(command["url"])
        try:
            self._record(_FETCHING, command, None)
        except OSError:
            fetch.close()
            raise
        self._drop()
        self._command = command
        self.update = Update(command["id"], UPDATE_DOWNLOADING)
        self._download = Download(self._slots, fetch, self._accept, now)
        self._phase = self._beginning

    def is_about(self, command_id: str) -> bool:
        """Whether this command's update is under way."""
        return self._phase is not None and self._command["id"] == command_id

    def step(self, now: int, busy: bool, utc: "int | None", connected: bool) -> "Result | None":
        """Do what is to be done next; return the result once there is one.

        ``busy``: somebody uses the charger, or the outlet is energised. ``utc``: the date, None while it is unknown.
        ``connected``: the broker is, and the self-test has passed.
        """
        if self._phase is None or self.update is None:
            return None
        try:
            result = self._confirm(now, busy, connected) if self.on_trial else self._phase(now, busy, utc)
        except BadImage as bad:
            self.update.show(bad.status, bad.reason)
            result = (False, bad.reason)
        except OSError as error:
            reason = "the flash refuses (%s)" % error
            self.update.show(UPDATE_INSTALLATION_FAILED, reason)
            result = (False, reason)
        if result is not None:
            self._end()
        return result

    # --- its phases -----------------------------------------------------------------------------------------------

    def _accept(self, image: Image) -> None:
        image.check_signature(self._keys, self._command["signature"])
        image.check_fits(self._board, self.version, self._command["version"], self._slots.size)

    def _beginning(self, now: int, busy: bool, utc: "int | None") -> "Result | None":
        # Nothing yet: everybody shall see that it has begun, also where it ends at once.
        self._phase = self._fetching
        return None

    def _fetching(self, now: int, busy: bool, utc: "int | None") -> "Result | None":
        update, download = self._shown(), self._download
        if busy:
            # Writing flash stops both cores for a moment: not while a car is being charged.
            if download is not None:
                download.close()
                self._download = None
                update.percent = 0
                update.show(UPDATE_DOWNLOAD_PAUSED, "the charger is in use; it begins anew afterwards")
            return None
        if download is None:
            update.show(UPDATE_DOWNLOADING)
            download = self._download = self._again(now)
        done = download.step(now)
        image = download.image
        if image is not None:
            update.version = image.version
            update.percent = download.taken * 10 // image.length * 10
            if image.version == self.version and not image.may_downgrade:
                reason = "version %s is running already; nothing was installed" % image.version
                update.show(UPDATE_INSTALLED, reason)
                return (True, reason)
        if done and image is not None:
            download.close()
            self._download = None
            self._header = download.header
            update.show(UPDATE_DOWNLOADED)
            self._begin_verification(image)
        return None

    def _again(self, now: int) -> Download:
        try:
            return Download(self._slots, self._fetch(self._command["url"]), self._accept, now)
        except TransferFailed as failed:
            raise BadImage(UPDATE_INSTALLATION_FAILED, str(failed)) from None

    def _begin_verification(self, image: Image) -> None:
        self._image = image
        self._verification = Verification(self._slots, self._header, image, self._command["sha256"])
        self._phase = self._verifying

    def _verifying(self, now: int, busy: bool, utc: "int | None") -> "Result | None":
        if self._verification is not None and self._verification.step() and self._image is not None:
            self._verification = None
            # It may have lain there over a restart: is it still one that this charger takes?
            self._accept(self._image)
            update = self._shown()
            update.percent = 100
            update.show(UPDATE_SIGNATURE_VERIFIED)
            self._record(_STAGED, self._command, self._image)
            self._phase = self._scheduled
        return None

    def _scheduled(self, now: int, busy: bool, utc: "int | None") -> "Result | None":
        not_before, update = self._command["not_before_ts"], self._shown()
        if not_before is not None and (utc is None or utc < not_before):
            update.show(UPDATE_INSTALL_SCHEDULED, "waits for the time that was given (not_before_ts)")
        elif busy:
            update.show(UPDATE_INSTALL_SCHEDULED, "waits until the charger is not in use")
        else:
            update.show(UPDATE_INSTALLING)
            self._phase = self._switching
        return None

    def _switching(self, now: int, busy: bool, utc: "int | None") -> "Result | None":
        if busy:
            self._phase = self._scheduled
            return None
        self._record(_TRYING, self._command, self._image)
        self._slots.boot_spare()
        self.is_switched = True
        self._shown().show(UPDATE_INSTALL_REBOOTING)
        self._since = now
        self._phase = self._leaving
        return None

    def _leaving(self, now: int, busy: bool, utc: "int | None") -> "Result | None":
        self.restart_wanted = now - self._since >= GOODBYE_MS and not busy
        return None

    def _confirm(self, now: int, busy: bool, connected: "bool | int | None") -> "Result | None":
        if connected and self._has_confirmed():
            self.on_trial = False
            return (True, self._installed(self._shown()))
        if now - self._since >= CONFIRM_WITHIN_MS and not busy:
            # Unconfirmed: the boot loader goes back to the old image, which tells why.
            self._shown().show(UPDATE_INSTALL_REBOOTING, "rolled back: the broker was not reached in time")
            self.restart_wanted = True
            self._give_up()
        return None

    def _has_confirmed(self) -> bool:
        try:
            self._slots.confirm()
        except OSError:
            # Tried again until the time is over.
            return False
        return True

    def _give_up(self) -> None:
        try:
            self._record(_GIVEN_UP, self._command, None)
        except OSError:
            # The record that stands tells the same, unless the image had been confirmed in an earlier boot.
            return

    def _installed(self, update: Update) -> str:
        reason = "version %s runs" % self.version
        update.show(UPDATE_INSTALLED, reason)
        self.update = update
        self._forget()
        return reason

    # --- what they share ------------------------------------------------------------------------------------------

    def _shown(self) -> Update:
        if self.update is None:
            raise RuntimeError("no update is under way")
        return self.update

    def _record(self, step: str, command: "Command", image: "Image | None") -> None:
        header = "" if image is None else str(binascii.b2a_base64(self._header), "ascii").strip()
        version = None if image is None else image.version
        slot = self._slots.spare()
        if step == _GIVEN_UP:
            slot, version = self._slots.running(), self.version
        value = {"step": step, "command": command, "header": header, "version": version, "slot": slot}
        keep(self._storage, FILE, value)

    def _drop(self) -> None:
        if self._download is not None:
            self._download.close()
        self._download = self._verification = self._image = None

    def _end(self) -> None:
        self._drop()
        self._phase = None
        self.restart_wanted = False
        self._forget()

    def _forget(self) -> None:
        try:
            self._storage.remove(FILE)
        except OSError:
            # What stays is looked at again after the next boot: confirming twice does no harm, a failure is told twice.
            return
