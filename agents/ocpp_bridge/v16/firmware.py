"""Firmware Management and diagnostics (OCPP 1.6, 5.9 and 5.19; whitepaper, 5.10 and 5.11).

They end in the charger's own ``update_firmware`` and ``get_log``. A job is kept, so that it goes on after a restart.
"""

import hashlib
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ocpp.v16 import call, call_result, datatypes
from pydantic import ValidationError
from sqlalchemy.orm import Session as Database

from agents.ocpp_bridge import memory
from agents.ocpp_bridge.certificates import BadCertificate, check_chain, check_signature, read_chain
from agents.ocpp_bridge.fetching import FetchFailed
from agents.ocpp_bridge.memory import OWN
from agents.ocpp_bridge.v16.certificate_store import MANUFACTURER
from agents.ocpp_bridge.v16.firmware_words import FINAL, UNSIGNED, steps
from agents.runtime.ocpp import Answered, Handler, Refusal, Violation, parse_time
from agents.runtime.ocpp.times import InvalidTime
from bus_schema.charger_messages import State
from bus_schema.command import GetLog, UpdateFirmware
from bus_schema.words import ReplyStage

if TYPE_CHECKING:
    from agents.ocpp_bridge.v16.backend_session import BackendSession
    from agents.ocpp_bridge.v16.charge_point import ChargePoint

_JOB = "firmware_job"

UPLOAD_WITHIN_S = 900.0
"""How long a charger may take to put its log somewhere. s."""

OWN_RETRY_S = 60
"""Distance of retries when the backend leaves it to us. s."""


class Firmware:
    """The firmware update and the log upload of one charge point."""

    def __init__(self, charge_point: "ChargePoint") -> None:
        """Belong to ``charge_point``; :meth:`load` recalls a job."""
        self._charge_point = charge_point
        self._job: dict[str, Any] | None = None
        self._sending = False
        self._diagnostics = "Idle"
        self._log_status, self._log_request = "Idle", 0

    def load(self, db: Database) -> None:
        """Recall the job that is under way."""
        text = memory.settings(db, self._charge_point.name, OWN).get(_JOB)
        self._job = None if text is None else json.loads(text)

    def handlers(self) -> dict[str, Handler]:
        """Return the handlers by action."""
        return {
            "GetDiagnostics": self.get_diagnostics,
            "GetLog": self.get_log,
            "SignedUpdateFirmware": self.signed_update,
            "UpdateFirmware": self.update,
        }

    # Firmware

    async def update(self, request: call.UpdateFirmware) -> call_result.UpdateFirmware:
        """Fetch and install an image from ``retrieve_date`` on, once no car charges."""
        at_ms = _time(request.retrieve_date, "retrieveDate")
        await self._keep(
            {
                "url": request.location,
                "at_ms": at_ms,
                "install_ms": None,
                "retries": request.retries or 0,
                "interval_s": request.retry_interval or OWN_RETRY_S,
                "request_id": None,
                "command_id": None,
                "told": "",
            }
        )
        return call_result.UpdateFirmware()

    async def signed_update(self, request: call.SignedUpdateFirmware) -> call_result.SignedUpdateFirmware:
        """The same with a signature of the manufacturer, which is checked here before the charger is told."""
        return call_result.SignedUpdateFirmware(await self._signed_update(request))

    async def _signed_update(self, request: call.SignedUpdateFirmware) -> str:
        charge_point, firmware = self._charge_point, request.firmware
        assert isinstance(firmware, datatypes.Firmware)
        at_ms = _time(firmware.retrieve_date_time, "retrieveDateTime")
        install_ms = (
            None if firmware.install_date_time is None else _time(firmware.install_date_time, "installDateTime")
        )
        try:
            chain = read_chain(firmware.signing_certificate)
            check_chain(chain, await charge_point.certificates.roots(MANUFACTURER), charge_point.clock.now_ms())
        except BadCertificate as error:
            charge_point.log.warning("firmware_certificate_refused", reason=str(error))
            await charge_point.security.notice("InvalidFirmwareSigningCertificate", str(error))
            return "InvalidCertificate"
        superseded = self._job is not None
        await self._keep(
            {
                "url": firmware.location,
                "at_ms": at_ms,
                "install_ms": install_ms,
                "retries": request.retries or 0,
                "interval_s": request.retry_interval or OWN_RETRY_S,
                "request_id": request.request_id,
                "certificate": firmware.signing_certificate,
                "signature": firmware.signature or "",
                "command_id": None,
                "told": "",
            }
        )
        return "AcceptedCanceled" if superseded else "Accepted"

    async def _keep(self, job: dict[str, Any] | None) -> None:
        name = self._charge_point.name
        text = None if job is None else json.dumps(job)
        await self._charge_point.store.run(lambda db: memory.set_setting(db, name, OWN, _JOB, text))
        self._job = job

    def tick(self) -> None:
        """Tell the charger of an update when it is due."""
        job, charge_point = self._job, self._charge_point
        if job is None or self._sending or job["command_id"] is not None or not charge_point.present:
            return
        if charge_point.clock.now_ms() >= job["at_ms"]:
            self._sending = True
            charge_point.tasks.start(self._send(job), "firmware")

    async def _send(self, job: dict[str, Any]) -> None:
        try:
            await self._told(job, "Downloading")
            digest = await self._verified(job) if job["request_id"] is not None else None
            if self._job is not job or (job["request_id"] is not None and digest is None):
                return
            await self._command(job, digest)
        finally:
            self._sending = False

    async def _verified(self, job: dict[str, Any]) -> str | None:
        """Fetch the image and check its signature; return its SHA-256, None if it is not to be used."""
        charge_point = self._charge_point
        try:
            image = await charge_point.fetcher.fetch(job["url"])
        except FetchFailed as error:
            charge_point.log.warning("firmware_not_fetched", reason=str(error))
            await self._failed(job, "DownloadFailed")
            return None
        await self._told(job, "Downloaded")
        try:
            check_signature(read_chain(job["certificate"])[0], job["signature"], image)
        except BadCertificate as error:
            charge_point.log.warning("firmware_signature_refused", reason=str(error))
            await charge_point.security.notice("InvalidFirmwareSignature", str(error))
            await self._failed(job, "InvalidSignature")
            return None
        await self._told(job, "SignatureVerified")
        return hashlib.sha256(image).hexdigest()

    async def _command(self, job: dict[str, Any], digest: str | None) -> None:
        charge_point = self._charge_point
        try:
            command = charge_point.make(UpdateFirmware, url=job["url"], sha256=digest, not_before_ts=job["install_ms"])
        except ValidationError:
            charge_point.log.warning("firmware_location_refused", reason="no URL that a charger can fetch from")
            await self._failed(job, "DownloadFailed", final=True)
            return
        # Before it is sent: the charger's first word about it may come before its answer.
        await self._keep({**job, "command_id": command.id})
        reply = await charge_point.send(command, first=True)
        if reply is None or reply.stage not in (ReplyStage.ACCEPTED, ReplyStage.DONE):
            charge_point.log.warning("firmware_refused", reason="no answer" if reply is None else reply.reason)
            if self._job is not None and self._job["command_id"] == command.id:
                await self._failed(self._job, "DownloadFailed")

    async def on_state(self, state: State) -> None:
        """See how far the charger is."""
        job, update = self._job, state.firmware_update
        if job is None or update is None or update.command_id != job["command_id"]:
            return
        signed = job["request_id"] is not None
        word = update.status.value if signed else UNSIGNED[update.status]
        if word == job["told"] or (signed and word in ("Downloading", "Downloaded")):
            return  # With a signature both were told when it was checked here.
        if word in FINAL and word != "Installed":
            await self._failed(job, word)
        else:
            await self._told(job, word)

    async def _told(self, job: dict[str, Any], word: str) -> None:
        signed = job["request_id"] is not None
        words = steps(job["told"], word, signed=signed)
        if not words:
            return
        job["told"] = word
        await self._keep(None if word in FINAL else job)
        for each in words:
            await self._notify(job["request_id"], each)

    async def _failed(self, job: dict[str, Any], word: str, *, final: bool = False) -> None:
        retries = job["retries"] if word == "DownloadFailed" and not final else 0
        await self._told(job, word)
        if retries > 0:
            again_ms = self._charge_point.clock.now_ms() + job["interval_s"] * 1000
            await self._keep({**job, "retries": retries - 1, "at_ms": again_ms, "command_id": None, "told": ""})

    async def _notify(self, request_id: int | None, word: str) -> None:
        for session in self._sessions():
            if request_id is None:
                await session.try_call(call.FirmwareStatusNotification(word))
            else:
                await session.try_call(call.SignedFirmwareStatusNotification(word, request_id))

    def _sessions(self) -> Sequence["BackendSession"]:
        """Whoever asked hears of it: the primary, which alone may ask."""
        primary = self._charge_point.primary
        return () if primary is None else (primary,)

    async def tell_firmware(self, session: "BackendSession") -> None:
        """Say how far the update is, because the backend has asked; Idle without one."""
        job = self._job
        if job is not None and job["request_id"] is not None:
            word = job["told"] or "Idle"
            await session.try_call(call.SignedFirmwareStatusNotification(word, job["request_id"]))
        else:
            word = "Idle" if job is None else job["told"] or "Idle"
            await session.try_call(call.FirmwareStatusNotification(word))

    # Logs

    async def get_diagnostics(self, request: call.GetDiagnostics) -> object:
        """Let the charger put its log to ``location``; without one there is no file name (5.9)."""
        charge_point = self._charge_point
        name, command = self._upload(request.location, request.start_time, request.stop_time)
        if command is None or not charge_point.present:
            return call_result.GetDiagnostics()

        async def work() -> None:
            await self._put(
                command, request.retries or 0, request.retry_interval or OWN_RETRY_S, self._tell_diagnostics
            )

        return Answered(call_result.GetDiagnostics(name), lambda: charge_point.tasks.start(work(), "diagnostics"))

    async def get_log(self, request: call.GetLog) -> object:
        """The same by the whitepaper's message: the security log is part of the charger's one log."""
        charge_point, log = self._charge_point, request.log
        assert isinstance(log, datatypes.LogParameters)
        name, command = self._upload(log.remote_location, log.oldest_timestamp, log.latest_timestamp)
        if command is None or not charge_point.present:
            return call_result.GetLog("Rejected")
        superseded = self._log_status == "Uploading"
        self._log_request = request.request_id

        async def work() -> None:
            await self._put(command, request.retries or 0, request.retry_interval or OWN_RETRY_S, self._tell_log)

        answer = call_result.GetLog("AcceptedCanceled" if superseded else "Accepted", name)
        return Answered(answer, lambda: charge_point.tasks.start(work(), "log"))

    def _upload(self, location: str, start: str | None, stop: str | None) -> tuple[str, GetLog | None]:
        charge_point = self._charge_point
        name = f"{charge_point.name}-{charge_point.clock.now_ms() // 1000}.log"
        try:
            command = charge_point.make(
                GetLog,
                url=f"{location.rstrip('/')}/{name}",
                from_ts=None if start is None else _time(start, "startTime"),
                to_ts=None if stop is None else _time(stop, "stopTime"),
            )
        except ValidationError:
            return name, None
        return name, command

    async def _put(self, command: GetLog, retries: int, interval_s: int, tell: Any) -> None:
        charge_point = self._charge_point
        for attempt in range(retries + 1):
            if attempt:
                await charge_point.clock.sleep(interval_s)
                command = charge_point.make(GetLog, url=command.url, from_ts=command.from_ts, to_ts=command.to_ts)
            await tell("Uploading")
            reply = await charge_point.send(command, completion_s=UPLOAD_WITHIN_S)
            if reply is not None and reply.stage is ReplyStage.DONE:
                await tell("Uploaded")
                return
            charge_point.log.warning("log_not_put", reason="no answer" if reply is None else reply.reason)
        await tell("UploadFailed" if tell == self._tell_diagnostics else "UploadFailure")

    async def _tell_diagnostics(self, word: str) -> None:
        self._diagnostics = word if word == "Uploading" else "Idle"
        for session in self._sessions():
            await session.try_call(call.DiagnosticsStatusNotification(word))

    async def _tell_log(self, word: str) -> None:
        self._log_status = word if word == "Uploading" else "Idle"
        for session in self._sessions():
            await session.try_call(call.LogStatusNotification(word, self._log_request))

    async def tell_diagnostics(self, session: "BackendSession") -> None:
        """Say how far an upload is, because the backend has asked."""
        await session.try_call(call.DiagnosticsStatusNotification(self._diagnostics))

    async def tell_log(self, session: "BackendSession") -> None:
        """Say how far an upload is, because the backend has asked."""
        await session.try_call(call.LogStatusNotification(self._log_status, self._log_request))


def _time(text: str, field: str) -> int:
    try:
        return parse_time(text)
    except InvalidTime:
        raise Refusal(Violation.PROPERTY, f"{field} is not a date-time") from None
