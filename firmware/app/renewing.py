"""Renewal of the charger's certificate as a command: a restart into a trial, and back if the broker does not let it in.

Nobody who charges is disturbed: the charger restarts only when it is not in use. What is on flash after each write, and
what the next boot makes of it, is the table of :mod:`firmware.boards.trial`; this one tells what the sender hears.

======================== ==============================================================================================
what happens             what the charger logs in with afterwards, and the command's answer
======================== ==============================================================================================
``accepted``             the old certificate; the restart waits until the charger is connected and not in use
let in, on trial         the new one; ``done``. If the power fails before that is written down, it is tried once more
refused, or not let in   the old one, after a restart; ``failed``, with the reason that the broker gave
power fails while tried  it is tried once more; after that the old one, ``failed``
a car comes while tried  it is served as without a bus; what is due, a write or a restart, waits until it has left
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
from .jobs import GOODBYE_MS
from .senders import asked_by

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .charger import Charger
    from .jobs import Answer, Job
    from .seam import Login, Trial

OP = "renew_certificate"
SECURITY_KIND = "ReconfigurationOfSecurityParameters"
"""OCPP's word for it (1.6 security whitepaper, 2.0.1 appendix 1)."""
LET_IN_WITHIN_MS = 120_000
"""How long after its boot the broker may take to let the charger in, where it neither does nor refuses."""


def begin_renewal(charger: "Charger", command: "dict[str, Any]", now: int) -> "Answer":
    """Take a ``renew_certificate`` command. Raises :class:`OSError`, and nothing has changed, if the flash refuses."""
    login: Login | None = getattr(charger.hardware, "login", None)
    if login is None:
        return (STAGE_REJECTED, CODE_NOT_SUPPORTED, "this charger logs in without a certificate that could be renewed")
    if command["source"] != SOURCE_PEOPLE:
        return (STAGE_REJECTED, CODE_NOT_ALLOWED, "only people renew certificates: source is " + SOURCE_PEOPLE)
    if charger.jobs.is_under_way(OP):
        return (STAGE_REJECTED, CODE_OCCUPIED, "another certificate is being tried; try again in a few minutes")
    if charger.ota is not None and charger.ota.waiting_command() is not None:
        return (STAGE_REJECTED, CODE_OCCUPIED, "a firmware update is under way; send it again when that has ended")
    if login.trial.is_unmoved:
        return (
            STAGE_REJECTED,
            CODE_OCCUPIED,
            "renewed since the last restart; reset the charger, then try again",
        )
    try:
        login.check(command["certificate_pem"])
    except ValueError as error:
        return (STAGE_REJECTED, CODE_BAD_CERTIFICATE, str(error))
    login.trial.stage(command["certificate_pem"], command["id"], asked_by(command))
    return charger.jobs.begin(command, _leaving(charger, now))


def _leaving(charger: "Charger", begun: int) -> "Job":
    """Restart into the trial, once the first answer has left; the boot goes on from there."""

    def job(now: int) -> "Answer | None":
        # With a broker that is away nothing could be proven.
        if now - begun >= GOODBYE_MS and charger.link.connected and not charger.in_use:
            charger.restart("hard")
        return None

    return job


def resume_renewal(charger: "Charger", now: int) -> "str | None":
    """After a boot: go on with a trial, or answer the command of one that has ended.

    Return what that says about this boot, in words; None if there is nothing to say.
    """
    login: Login | None = getattr(charger.hardware, "login", None)
    if login is None or login.trial.command is None:
        return None
    trial, command = login.trial, (login.trial.command[0], OP)
    if trial.is_on:
        charger.jobs.waiting.append(command + (_Trying(charger, login, now).look,))
        return "restarted by a renewal; a new certificate is on trial"
    if trial.is_kept:
        answer = _done(charger, login, now)
    elif trial.is_refused:
        reason = "the broker does not let the charger in with it (%s); the old one is in use again" % trial.reason
        answer = (STAGE_FAILED, CODE_BAD_CERTIFICATE, reason)
    else:
        answer = (STAGE_FAILED, CODE_HARDWARE, trial.reason + "; the old one is in use")
    charger.commands.answer(command, answer, now)
    return "renewal of the certificate: " + answer[2]


def _done(charger: "Charger", login: "Login", now: int) -> "Answer":
    """Tell everybody that the new certificate is in use; return the answer to the command."""
    command = login.trial.command
    if command is not None:
        detail = "certificate renewed by " + command[1]
        charger.events.record(EVENT_SECURITY, now, {"kind": SECURITY_KIND, "detail": detail})
    charger.trigger("meta")
    _note_answer(login.trial)
    return (STAGE_DONE, CODE_OK, "the new certificate is in use")


def _note_answer(trial: "Trial") -> None:
    try:
        trial.tell()
    except OSError:
        # The next boot answers once more.
        return


class _Trying:
    """A boot that tries a new certificate."""

    def __init__(self, charger: "Charger", login: "Login", since: int) -> None:
        self._charger = charger
        self._login = login
        self._since = since
        self._is_let_in = False

    def look(self, now: int) -> "Answer | None":
        """Do what is due; return the answer once it is ``done``. Otherwise the next boot gives it."""
        charger = self._charger
        self._is_let_in = self._is_let_in or charger.link.connected
        if charger.in_use:
            # Neither a restart nor a write to flash, which stops both cores for a moment.
            return None
        if self._is_let_in:
            return self._keep(now)
        refusal = self._login.refusal
        if refusal is None and now - self._since >= LET_IN_WITHIN_MS:
            refusal = "not within %d s" % (LET_IN_WITHIN_MS // 1000)
        if refusal is not None:
            self._note_refusal(refusal)
            charger.restart("hard")
        return None

    def _keep(self, now: int) -> "Answer | None":
        try:
            self._login.trial.keep()
        except OSError:
            # The next boot tries again to write it down; the one after that has the old certificate.
            self._charger.restart("hard")
            return None
        return _done(self._charger, self._login, now)

    def _note_refusal(self, reason: str) -> None:
        try:
            self._login.trial.give_up(reason)
        except OSError:
            # The boots are counted: the one after the next has the old certificate in any case.
            return
