"""A new certificate on its way into the broker's entry: tried by a boot of its own, then kept or dropped.

There is no memory for a second TLS context beside the first, so a restart leads into the trial and another one back.
Two entries of NVS stand beside the broker's: the candidate, written once, and a word on its trial, of a few bytes. The
word is removed before a new candidate is written: an old word must never speak for it.

================ =========== ==========================================================================================
candidate        word        what the next boot does
================ =========== ==========================================================================================
none             any         logs in with the old certificate
there            none        writes ``1``, then logs in with the candidate
there            ``1``       writes ``2``, then logs in with the candidate
there            ``2``       removes the candidate, logs in with the old one: the trial has had its boots
there            ``spent``   removes the candidate, logs in with the old one, and tells why
there            ``proven``  writes the candidate into the broker's entry, removes it, logs in with it
there            ``told``    the same, and the command has its answer already
================ =========== ==========================================================================================

Each write leaves one of these rows. A candidate that does not fit the broker's entry (not for its key and name, or not
ending later: the charger was provisioned meanwhile, or the power failed between the two writes of ``proven``) is
removed, whatever its word.
"""

import gc

from .certificate import Certificate
from .nvs import BROKER, CANDIDATE, TRIAL, Nvs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

BOOTS = 2
"""Boots that may try a candidate. More than one, so that a power failure does not cost the renewal."""
MAX_REASON = 100
"""Characters of a reason that are kept."""
CERTIFICATE = "cert_pem"
_COMMAND = "command"
_SPENT, _PROVEN, _TOLD = b"spent ", b"proven", b"told"


class Trial:
    """The candidate that this boot has found, and what has become of it."""

    def __init__(self, nvs: Nvs) -> None:
        self._nvs = nvs
        self._old_pem = ""
        self.is_on = False
        """Whether this boot tries it, and nothing has been decided yet."""
        self.is_kept = False
        """Whether it has proven good."""
        self.is_unmoved = False
        """Whether it is kept beside the broker's entry, until the next boot."""
        self.is_refused = False
        """Whether ``reason`` is about the certificate, and not about the charger."""
        self.reason = ""
        """Why it was dropped, in words."""
        self.command: tuple[str, str] | None = None
        """Id of the command that brought it, and who asked; None once that was answered."""
        self.old: Certificate | None = None
        self.new: Certificate | None = None
        """The certificate of the broker's entry and the candidate, if it fits that."""

    # --- at boot --------------------------------------------------------------------------------------------------

    def begin(self, entry: "dict[str, Any]") -> "dict[str, Any]":
        """Return the broker's entry for this boot: with the candidate in it where there is one to be used.

        Nothing that is wrong with the candidate or its entries keeps the old certificate from being used.
        """
        try:
            found, word = self._nvs.read_object(CANDIDATE), self._nvs.read(TRIAL) or b""
            if found is None:
                return entry
            gc.collect()
            pem, command = str(found[CERTIFICATE]), found[_COMMAND]
            self.command = (command[0], command[1])
            return self._use(entry, pem) if self._read(entry, pem, word) else entry
        except OSError:
            return entry
        except (ValueError, KeyError, IndexError, TypeError):
            self.reason = "the new certificate is damaged"
            self._drop()
            return entry

    def _read(self, entry: "dict[str, Any]", pem: str, word: bytes) -> bool:
        """Find out what becomes of the candidate; return whether it is used."""
        fits = self._fits(entry, pem)
        if word in (_PROVEN, _TOLD):
            self.is_kept = True
            if word == _TOLD:
                self.command = None
            if not fits:
                # It was moved already, or the charger was provisioned since.
                self._drop()
            return fits
        boots = int(word) if word.isdigit() else 0
        if word.startswith(_SPENT):
            self.reason, self.is_refused = str(word[len(_SPENT) :], "utf-8"), True
        elif not fits:
            self.reason = "the charger was provisioned with another certificate meanwhile"
        elif boots >= BOOTS:
            self.reason = "the charger restarted %d times before the broker had let it in" % BOOTS
        else:
            try:
                # Before it is used: a boot that does not survive it counts too.
                self._nvs.write(TRIAL, b"%d" % (boots + 1))
                self.is_on = True
                return True
            except OSError as error:
                self.reason = "the flash refuses (%s)" % error
        self._drop()
        return False

    def _fits(self, entry: "dict[str, Any]", pem: str) -> bool:
        try:
            old = Certificate(entry[CERTIFICATE])
            gc.collect()
            new = Certificate(pem)
            gc.collect()
        except (KeyError, ValueError):
            return False
        if (new.subject, new.public_key) != (old.subject, old.public_key) or new.ends_ts <= old.ends_ts:
            return False
        self.old, self.new = old, new
        return True

    def _use(self, entry: "dict[str, Any]", pem: str) -> "dict[str, Any]":
        self._old_pem = entry[CERTIFICATE]
        entry[CERTIFICATE] = pem
        if self.is_on:
            return entry
        self._old_pem = ""
        try:
            self._nvs.write_object(BROKER, entry)
        except OSError:
            # It stands beside the entry, and the next boot tries again to move it.
            self.is_unmoved = True
            return entry
        self._drop()
        return entry

    def _drop(self) -> None:
        try:
            self._nvs.remove(CANDIDATE)
        except OSError:
            # The next boot finds it as this one has, and comes to the same.
            return

    def go_back(self, reason: str) -> "str | None":
        """Drop the candidate before it is used; return the old certificate, None if nothing is on trial."""
        if not self.is_on:
            return None
        self.is_on, self.is_refused, self.reason = False, True, reason
        self._drop()
        return self._old_pem

    # --- while it runs --------------------------------------------------------------------------------------------

    def stage(self, pem: str, command_id: str, asked_by: str) -> None:
        """Let the next boot try a candidate. Raises OSError: then it does not."""
        self._nvs.remove(TRIAL)
        self._nvs.write_object(CANDIDATE, {CERTIFICATE: pem, _COMMAND: [command_id, asked_by]})

    def keep(self) -> None:
        """Use the candidate from now on, after every boot. Raises OSError: then nothing has changed."""
        self._nvs.write(TRIAL, _PROVEN)
        self.is_on, self.is_kept, self.is_unmoved = False, True, True
        self._old_pem = ""

    def tell(self) -> None:
        """Note that the command was answered. Raises OSError: then the next boot answers once more."""
        self.command = None
        if self.is_unmoved:
            self._nvs.write(TRIAL, _TOLD)

    def give_up(self, reason: str) -> None:
        """Let the next boot use the old certificate again. Raises OSError: then a boot that is counted does."""
        self._nvs.write(TRIAL, _SPENT + reason[:MAX_REASON].encode())
