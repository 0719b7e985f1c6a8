"""Certificates of one charge point: installed roots, its own, and what a backend may ask about them (whitepaper, 5)."""

from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from ocpp.v16 import call, call_result, datatypes
from sqlalchemy import select
from sqlalchemy.orm import Session as Database

from agents.ocpp_bridge.certificates import (
    BadCertificate,
    belongs_to,
    check_chain,
    check_validity,
    fingerprint,
    hash_of,
    read_chain,
    request_certificate,
)
from agents.ocpp_bridge.models import CertificateRow
from agents.ocpp_bridge.v16.keys import MAX_CERTIFICATES, MAX_CHAIN_BYTES
from agents.runtime.ocpp import Answered, Handler

if TYPE_CHECKING:
    from agents.ocpp_bridge.v16.backend_session import BackendSession
    from agents.ocpp_bridge.v16.charge_point import ChargePoint

CENTRAL_SYSTEM, MANUFACTURER = "CentralSystemRootCertificate", "ManufacturerRootCertificate"
OWN_CERTIFICATE = "ChargePointCertificate"
PENDING = "pending"
"""Instead of a fingerprint: the key whose certificate has been asked for."""


class Certificates:
    """Keeps and answers for one charge point."""

    def __init__(self, charge_point: "ChargePoint") -> None:
        """Answer for ``charge_point``."""
        self._charge_point = charge_point

    def handlers(self, session: "BackendSession") -> dict[str, Handler]:
        """Return the handlers by action."""

        async def signed(request: call.CertificateSigned) -> object:
            return await self.signed(session, request)

        return {
            "CertificateSigned": signed,
            "DeleteCertificate": self.delete,
            "GetInstalledCertificateIds": self.installed_ids,
            "InstallCertificate": self.install,
        }

    async def roots(self, use: str) -> list[x509.Certificate]:
        """Return the installed root certificates of a use."""
        return [read_chain(row.pem)[0] for row in await self._rows(use)]

    async def own(self) -> tuple[str, str] | None:
        """Return chain and key of the charge point's newest certificate, PEM; None without one."""
        rows = [row for row in await self._rows(OWN_CERTIFICATE) if row.fingerprint != PENDING]
        if not rows or rows[-1].key_pem is None:
            return None
        return rows[-1].pem, rows[-1].key_pem

    async def _rows(self, use: str) -> list[CertificateRow]:
        name = self._charge_point.name

        def find(db: Database) -> list[CertificateRow]:
            return list(
                db.scalars(
                    select(CertificateRow)
                    .where(CertificateRow.charger == name, CertificateRow.use == use)
                    .order_by(CertificateRow.installed_ms, CertificateRow.fingerprint)
                )
            )

        return await self._charge_point.store.run(find)

    async def install(self, request: call.InstallCertificate) -> call_result.InstallCertificate:
        """Trust a root certificate from now on."""
        return call_result.InstallCertificate(await self._install(request))

    async def _install(self, request: call.InstallCertificate) -> str:
        use, now_ms = str(request.certificate_type), self._charge_point.clock.now_ms()
        try:
            (certificate,) = read_chain(request.certificate)
            check_validity(certificate, now_ms)
        except ValueError as error:
            self._charge_point.log.warning("certificate_refused", use=use, reason=str(error))
            return "Rejected"
        mark = fingerprint(certificate)
        others = [row for row in await self._rows(use) if row.fingerprint != mark]
        if len(others) >= MAX_CERTIFICATES:
            return "Rejected"
        await self._keep(use, mark, to_pem(certificate), None)
        return "Accepted"

    async def _keep(self, use: str, mark: str, pem: str, key_pem: str | None) -> None:
        charge_point = self._charge_point
        now_ms = charge_point.clock.now_ms()

        def keep(db: Database) -> None:
            row = db.get(CertificateRow, (charge_point.name, use, mark))
            if row is not None:
                db.delete(row)
                db.flush()
            db.add(
                CertificateRow(
                    charger=charge_point.name, use=use, fingerprint=mark, pem=pem, key_pem=key_pem, installed_ms=now_ms
                )
            )

        await charge_point.store.run(keep)

    async def _drop(self, use: str, mark: str) -> None:
        name = self._charge_point.name

        def drop(db: Database) -> None:
            row = db.get(CertificateRow, (name, use, mark))
            if row is not None:
                db.delete(row)

        await self._charge_point.store.run(drop)

    async def installed_ids(self, request: call.GetInstalledCertificateIds) -> call_result.GetInstalledCertificateIds:
        """Name the installed root certificates of a use."""
        roots = await self.roots(str(request.certificate_type))
        if not roots:
            return call_result.GetInstalledCertificateIds("NotFound")
        named = [hash_of(root, roots, "SHA256") for root in roots]
        return call_result.GetInstalledCertificateIds(
            "Accepted",
            [
                datatypes.CertificateHashData(
                    each.algorithm,
                    each.issuer_name_hash,
                    each.issuer_key_hash,
                    each.serial_number,
                )
                for each in named
            ],
        )

    async def delete(self, request: call.DeleteCertificate) -> call_result.DeleteCertificate:
        """Trust a root certificate no longer."""
        data = request.certificate_hash_data
        assert isinstance(data, datatypes.CertificateHashData)
        wanted = (
            data.issuer_name_hash.lower(),
            data.issuer_key_hash.lower(),
            data.serial_number.lower().lstrip("0") or "0",
        )
        for use in (CENTRAL_SYSTEM, MANUFACTURER):
            roots = await self.roots(use)
            for root in roots:
                named = hash_of(root, roots, str(data.hash_algorithm))
                if (named.issuer_name_hash, named.issuer_key_hash, named.serial_number) == wanted:
                    await self._drop(use, fingerprint(root))
                    return call_result.DeleteCertificate("Accepted")
        return call_result.DeleteCertificate("NotFound")

    async def sign(self, session: "BackendSession") -> None:
        """Ask the backend to sign a certificate for a new key."""
        charge_point = self._charge_point
        identity = charge_point.credentials.identity(session.backend)
        # A key on P-256 takes a fraction of a millisecond.
        key_pem, request_pem = request_certificate(identity, charge_point.configuration["CpoName"])
        await self._keep(OWN_CERTIFICATE, PENDING, "", key_pem)
        answer = await session.try_call(call.SignCertificate(request_pem))
        if answer is not None and answer.status != "Accepted":
            charge_point.log.warning("certificate_request_refused", backend=session.backend.name)

    async def signed(self, session: "BackendSession", request: call.CertificateSigned) -> object:
        """Take the certificate that was asked for; with profile 3 it is used at once."""
        problem = await self._take_signed(request.certificate_chain)
        if problem is not None:
            self._charge_point.log.warning("certificate_refused", use=OWN_CERTIFICATE, reason=problem)
            return call_result.CertificateSigned("Rejected")
        answer = call_result.CertificateSigned("Accepted")
        if self._charge_point.credentials.security_profile(session.backend) < 3:
            return answer
        tasks = self._charge_point.tasks
        return Answered(answer, lambda: tasks.start(session.reconnect("a new certificate is there"), "reconnect"))

    async def _take_signed(self, pem: str) -> str | None:
        if len(pem) > MAX_CHAIN_BYTES:
            return f"longer than {MAX_CHAIN_BYTES} characters"
        pending = [row for row in await self._rows(OWN_CERTIFICATE) if row.fingerprint == PENDING]
        if not pending or pending[0].key_pem is None:
            return "no certificate was asked for"
        try:
            chain = read_chain(pem)
            roots = await self.roots(CENTRAL_SYSTEM)
            if roots:
                check_chain(chain, roots, self._charge_point.clock.now_ms())
            else:
                check_validity(chain[0], self._charge_point.clock.now_ms())
        except BadCertificate as error:
            return str(error)
        if not belongs_to(chain[0], pending[0].key_pem):
            return "it is for another key than the one that was asked for"
        whole = "".join(to_pem(certificate) for certificate in chain)
        await self._keep(OWN_CERTIFICATE, fingerprint(chain[0]), whole, pending[0].key_pem)
        await self._drop(OWN_CERTIFICATE, PENDING)
        return None


def to_pem(certificate: x509.Certificate) -> str:
    """Return a certificate as PEM."""
    return certificate.public_bytes(serialization.Encoding.PEM).decode()
