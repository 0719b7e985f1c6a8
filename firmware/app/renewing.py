"""Renewal of the charger's certificate as a command: tried while nobody uses the charger, kept once it is proven.

The only write that matters lets the new certificate take the place of the old one, and comes after the broker has let
the charger in with it. The record beside it serves the answer only: the next boot looks in it for a command to answer.

======================== ==============================================================================================
the power fails while    what the charger connects with afterwards, and what the command's sender is told
======================== ==============================================================================================
waiting, trying          the old certificate; ``failed``: restarted before it was proven
keeping                  the old or the new certificate, both of which are valid; ``failed`` or ``done``
answering                the new certificate; ``done``
======================== ==============================================================================================
"""

from .contract import (
    CODE_BAD_CERTIFICATE,
    CODE_HARDWARE,
    CODE_NOT_ALLOWED,
    CODE_NOT_SUPPORTED,
    CODE_OCCUPIED,
    CODE_OK,
    EVENT_SECURITY,
    SOURCE_PEOPLE,
    STAGE_DONE,
    STAGE_FAILED,
    STAGE_REJECTED,
)
from .records import keep, kept
from .senders import asked_by

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .charger import Charger
    from .jobs import Answer
    from .seam import Login

OP = "renew_certificate"
FILE = "renewal"
GOODBYE_MS = 300
"""Time for the first answer to leave before the connection ends."""
SECURITY_KIND = "ReconfigurationOfSecurityParameters"
"""OCPP's word for it (1.6 security whitepaper, 2.0.1 appendix 1)."""
LET_IN_WITHIN_MS = 120_000
"""How long the broker may take to let the charger in, where it neither does nor refuses."""


def begin_renewal(charger: "Charger", command: "dict[str, Any]", now: int) -> "Answer":
    """Take a ``renew_certificate`` command. Raises :class:`OSError`, and nothing has changed, if the flash refuses."""
    login: Login | None = getattr(charger.hardware, "login", None)
    if login is None:
        return (STAGE_REJECTED, CODE_NOT_SUPPORTED, "this hardware keeps no certificate that could be renewed")
    if command["source"] != SOURCE_PEOPLE:
        return (STAGE_REJECTED, CODE_NOT_ALLOWED, "only people renew certificates: source is " + SOURCE_PEOPLE)
    if any([waiting[1] == OP for waiting in charger.jobs.waiting]):
        return (STAGE_REJECTED, CODE_OCCUPIED, "another certificate is being tried; try again in a few minutes")
    certificate = command["certificate_pem"]
    try:
        login.check(certificate)
    except ValueError as error:
        return (STAGE_REJECTED, CODE_BAD_CERTIFICATE, str(error))
    keep(charger.storage, FILE, (command["id"], certificate))
    return charger.jobs.begin(command, _Renewal(charger, login, command, now).look)


def resume_renewal(charger: "Charger", now: int) -> "Answer | None":
    """After a boot: answer a command that a restart has cut, and return the answer; None if there was none."""
    login: Login | None = getattr(charger.hardware, "login", None)
    try:
        found = kept(charger.storage, FILE, None)
        if found is None:
            return None
        in_use = login is not None and login.uses(found[1])
    except OSError:
        # The certificate is whichever is kept; only the answer is lost.
        return None
    _forget(charger)
    if in_use:
        answer = (STAGE_DONE, CODE_OK, "the new certificate is in use")
    else:
        answer = (STAGE_FAILED, CODE_HARDWARE, "the charger restarted before it was proven; send it again")
    charger.commands.answer((found[0], OP), answer, now)
    return answer


def _forget(charger: "Charger") -> None:
    try:
        charger.storage.remove(FILE)
    except OSError:
        # The next boot answers again, in the same way.
        return


class _Renewal:
    """One certificate on its way."""

    def __init__(self, charger: "Charger", login: "Login", command: "dict[str, Any]", now: int) -> None:
        self._charger = charger
        self._login = login
        self._certificate = command["certificate_pem"]
        self._asked_by = asked_by(command)
        self._since = now
        self._on_trial = False
        self._failed: Answer | None = None
        self._went_back = 0

    def look(self, now: int) -> "Answer | None":
        """Do what is due; return the answer once there is one."""
        if self._failed is not None:
            answer = self._return(now)
        else:
            answer = self._confirm(now) if self._on_trial else self._begin(now)
        if answer is not None:
            _forget(self._charger)
        return answer

    def _return(self, now: int) -> "Answer | None":
        """Answer once the old certificate is in use again; a boot brings it back where memory for it is missing."""
        charger = self._charger
        if charger.link.connected:
            return self._failed
        if now - self._went_back >= LET_IN_WITHIN_MS and not charger.in_use:
            charger.restart("hard")
        return None

    def _begin(self, now: int) -> "Answer | None":
        # With a broker that is away nothing could be proven, and writing flash must not disturb a car that charges.
        if now - self._since < GOODBYE_MS or self._charger.in_use or not self._charger.link.connected:
            return None
        self._login.try_out(self._certificate)
        self._on_trial = True
        self._since = now
        return None

    def _confirm(self, now: int) -> "Answer | None":
        charger, login = self._charger, self._login
        if not login.is_let_in:
            refusal = login.refusal
            if refusal is None:
                if now - self._since < LET_IN_WITHIN_MS:
                    return None
                refusal = "nothing in %d s" % (LET_IN_WITHIN_MS // 1000)
            login.go_back()
            self._went_back = now
            reason = "the broker does not let the charger in with it (%s); the old one is in use again" % refusal
            self._failed = (STAGE_FAILED, CODE_BAD_CERTIFICATE, reason)
            return None
        self._since = now
        if charger.in_use:
            return None
        try:
            login.keep()
        except OSError as error:
            login.go_back()
            self._went_back = now
            self._failed = (STAGE_FAILED, CODE_HARDWARE, "the flash refuses (%s); the old one is in use again" % error)
            return None
        detail = "certificate renewed by " + self._asked_by
        charger.events.record(EVENT_SECURITY, now, {"kind": SECURITY_KIND, "detail": detail})
        charger.trigger("meta")
        return (STAGE_DONE, CODE_OK, "the new certificate is in use")
