"""Firmware updates as commands: begun, looked at with every tick, answered, also after a restart."""

from .contract import (
    CODE_BAD_IMAGE,
    CODE_HARDWARE,
    CODE_NOT_SUPPORTED,
    CODE_OCCUPIED,
    CODE_OK,
    CODE_TRANSFER,
    EVENT_SECURITY,
    FAULT_SELF_TEST,
    STAGE_DONE,
    STAGE_FAILED,
    STAGE_REJECTED,
    UPDATE_DOWNLOAD_FAILED,
    UPDATE_INSTALL_VERIFICATION_FAILED,
    UPDATE_INSTALLED,
    UPDATE_INVALID_SIGNATURE,
)
from .renewing import OP as RENEWAL
from .url import TransferFailed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .charger import Charger
    from .jobs import Answer, Job
    from .ota import Ota, Result

OP = "update_firmware"
_CODES = {
    UPDATE_DOWNLOAD_FAILED: CODE_TRANSFER,
    UPDATE_INVALID_SIGNATURE: CODE_BAD_IMAGE,
    UPDATE_INSTALL_VERIFICATION_FAILED: CODE_BAD_IMAGE,
}


def begin_update(charger: "Charger", command: "dict[str, Any]", now: int) -> "Answer":
    """Take an ``update_firmware`` command. Raises :class:`OSError`, and nothing has changed, if the flash refuses."""
    ota: Ota | None = getattr(charger.hardware, "ota", None)
    if ota is None:
        return (STAGE_REJECTED, CODE_NOT_SUPPORTED, "this hardware cannot replace its firmware over the bus")
    if ota.on_trial or ota.is_switched:
        return (STAGE_REJECTED, CODE_OCCUPIED, "an update is on trial; try again in a few minutes")
    if charger.jobs.is_under_way(RENEWAL):
        # Its restarts would be taken for the update's, and the other way round.
        return (STAGE_REJECTED, CODE_OCCUPIED, "a new certificate is being tried; try again in a few minutes")
    try:
        ota.begin(command, now)
    except TransferFailed as failed:
        return (STAGE_REJECTED, CODE_NOT_SUPPORTED, str(failed))
    return charger.jobs.begin(command, _updating(charger, ota, command["id"]))


def resume_update(charger: "Charger", now: int) -> "Answer | None":
    """After a boot: go on with an update, or answer one that has ended. Raises :class:`OSError` like its record.

    Returns the answer that has been given, None if there was none to give.
    """
    ota: Ota | None = getattr(charger.hardware, "ota", None)
    if ota is None:
        return None
    ended = ota.boot(now)
    command = ota.waiting_command()
    if command is not None:
        charger.jobs.waiting.append((command["id"], OP, _updating(charger, ota, command["id"])))
    if ended is None:
        return None
    answer = _answer(charger, ota, ended[1], now)
    charger.commands.answer((ended[0], OP), answer, now)
    return answer


def _updating(charger: "Charger", ota: "Ota", command_id: str) -> "Job":
    def job(now: int) -> "Answer | None":
        if not ota.is_about(command_id):
            return (STAGE_FAILED, CODE_OCCUPIED, "given up for a newer update_firmware command")
        healthy = charger.link.connected and not charger.faults.stands(FAULT_SELF_TEST)
        result = ota.step(now, charger.in_use, charger.clock.utc_ms(), healthy)
        if ota.restart_wanted:
            # Hard: only the boot loader changes from one slot to the other.
            charger.restart("hard")
        return None if result is None else _answer(charger, ota, result, now)

    return job


def _answer(charger: "Charger", ota: "Ota", result: "Result", now: int) -> "Answer":
    status = "" if ota.update is None else ota.update.status
    if status == UPDATE_INVALID_SIGNATURE:
        charger.events.record(EVENT_SECURITY, now, {"kind": "InvalidFirmwareSignature", "detail": result[1]})
    elif status == UPDATE_INSTALLED:
        charger.events.record(EVENT_SECURITY, now, {"kind": "FirmwareUpdated", "detail": result[1]})
    if result[0]:
        return (STAGE_DONE, CODE_OK, result[1])
    return (STAGE_FAILED, _CODES.get(status, CODE_HARDWARE), result[1])
