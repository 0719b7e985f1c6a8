"""The security extension: certificates (whitepaper, chapter 5)."""

import hashlib
import json

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509.ocsp import OCSPRequestBuilder
from ocpp.v16 import call

from agents.ocpp_bridge.certificates import BadCertificate, check_chain, hash_of, read_chain
from agents.ocpp_bridge.v16.keys import MAX_CERTIFICATES, MAX_CHAIN_BYTES
from tests.ledger.harness import NOW_MS
from tests.ocpp_bridge.authority import Authority, pem
from tests.ocpp_bridge.stage import Stage

ROOT = "CentralSystemRootCertificate"


async def test_installing_listing_and_deleting():
    async with Stage() as stage:
        await stage.charger()
        authority = Authority(stage.clock.now_ms())
        ids = call.GetInstalledCertificateIds(ROOT)
        assert (await stage.steve.call(ids)).status == "NotFound"
        assert (await stage.steve.call(call.InstallCertificate(ROOT, authority.root_pem))).status == "Accepted"
        assert (await stage.steve.call(call.InstallCertificate(ROOT, authority.root_pem))).status == "Accepted"
        answer = await stage.steve.call(ids)
        (named,) = answer.certificate_hash_data
        assert int(named.serial_number, 16) == authority.root.serial_number
        assert (
            await stage.steve.call(call.GetInstalledCertificateIds("ManufacturerRootCertificate"))
        ).status == "NotFound"
        assert (await stage.steve.call(call.DeleteCertificate(named))).status == "Accepted"
        assert (await stage.steve.call(call.DeleteCertificate(named))).status == "NotFound"


@pytest.mark.parametrize("days", [-1])
async def test_what_is_no_valid_certificate_is_not_installed(days):
    async with Stage() as stage:
        await stage.charger()
        _, expired = Authority(stage.clock.now_ms()).issue("old", days=days)
        for text in ("garbage", expired, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----"):
            assert (await stage.steve.call(call.InstallCertificate(ROOT, text))).status == "Rejected"


async def test_no_more_certificates_are_kept_than_the_key_says():
    async with Stage() as stage:
        await stage.charger()
        for number in range(MAX_CERTIFICATES + 1):
            root = Authority(stage.clock.now_ms()).root_pem
            status = (await stage.steve.call(call.InstallCertificate(ROOT, root))).status
            assert status == ("Accepted" if number < MAX_CERTIFICATES else "Rejected")


async def test_a_chain_that_is_longer_than_the_key_says_is_rejected():
    async with Stage() as stage:
        await stage.charger()
        authority = Authority(stage.clock.now_ms())
        await stage.steve.call(call.ExtendedTriggerMessage("SignChargePointCertificate"))
        await stage.pass_time(1)
        chain = authority.sign(stage.steve.got("SignCertificate")[0]["csr"])
        padded = "\n" * (MAX_CHAIN_BYTES + 1 - len(chain)) + chain
        _, line = stage.steve.lines["c1"]
        await line.send(json.dumps([2, "long", "CertificateSigned", {"certificateChain": padded}]))
        await stage.pass_time(1)
        (answer,) = [json.loads(text) for text in line.other.sent if '"long"' in text]
        assert answer[2] in ("PropertyConstraintViolation", {"status": "Rejected"})
        assert (await stage.steve.call(call.CertificateSigned(padded[1:]))).status == "Accepted"


async def test_a_certificate_is_asked_for_and_taken():
    async with Stage(configuration={"CpoName": "Example Charging"}) as stage:
        await stage.charger()
        authority = Authority(stage.clock.now_ms())
        assert (await stage.steve.call(call.ExtendedTriggerMessage("SignChargePointCertificate"))).status == "Accepted"
        await stage.pass_time(1)
        (request,) = stage.steve.got("SignCertificate")
        names = x509.load_pem_x509_csr(request["csr"].encode()).subject.rfc4514_string()
        assert names == "O=Example Charging,CN=c1"
        assert (await stage.steve.call(call.CertificateSigned(authority.issue("c1")[1]))).status == "Rejected"
        assert (
            await stage.steve.call(call.CertificateSigned(authority.sign(request["csr"], days=-1)))
        ).status == "Rejected"
        assert (await stage.steve.call(call.CertificateSigned(authority.sign(request["csr"])))).status == "Accepted"
        assert await stage.point().certificates.own() is not None
        assert (await stage.steve.call(call.CertificateSigned(authority.sign(request["csr"])))).status == "Rejected"


async def test_a_certificate_of_another_authority_than_the_installed_one_is_rejected():
    async with Stage() as stage:
        await stage.charger()
        mine, other = Authority(stage.clock.now_ms()), Authority(stage.clock.now_ms())
        await stage.steve.call(call.InstallCertificate(ROOT, mine.root_pem))
        await stage.steve.call(call.ExtendedTriggerMessage("SignChargePointCertificate"))
        await stage.pass_time(1)
        csr = stage.steve.got("SignCertificate")[0]["csr"]
        assert (await stage.steve.call(call.CertificateSigned(other.sign(csr)))).status == "Rejected"
        assert (await stage.steve.call(call.CertificateSigned(mine.sign(csr)))).status == "Accepted"


async def test_profile_3_connects_with_the_signed_certificate():
    async with Stage() as stage:
        await stage.charger()
        authority = Authority(stage.clock.now_ms())
        key = "00112233445566778899aabbccddeeff"
        await stage.steve.call(call.ChangeConfiguration("AuthorizationKey", key))
        await stage.pass_time(3)
        await stage.steve.call(call.InstallCertificate(ROOT, authority.root_pem))
        assert (await stage.steve.call(call.ChangeConfiguration("SecurityProfile", "3"))).status == "Rejected"
        await stage.steve.call(call.ExtendedTriggerMessage("SignChargePointCertificate"))
        await stage.pass_time(1)
        csr = stage.steve.got("SignCertificate")[0]["csr"]
        await stage.steve.call(call.CertificateSigned(authority.sign(csr)))
        assert (await stage.steve.call(call.ChangeConfiguration("SecurityProfile", "3"))).status == "Accepted"
        await stage.pass_time(3)
        target = stage.steve.targets[-1]
        assert target.url.startswith("wss://") and target.password is None
        assert "BEGIN CERTIFICATE" in target.cert_pem and "PRIVATE KEY" in target.key_pem
        assert target.ca_pem == (authority.root_pem,)


def test_hashes_are_those_of_ocsp():
    authority = Authority(NOW_MS)
    leaf = read_chain(authority.issue("leaf")[1])[0]
    named = hash_of(leaf, [authority.root], "SHA256")
    request = OCSPRequestBuilder().add_certificate(leaf, authority.root, hashes.SHA256()).build()
    assert named.issuer_name_hash == request.issuer_name_hash.hex()
    assert named.issuer_key_hash == request.issuer_key_hash.hex()
    assert int(named.serial_number, 16) == request.serial_number
    assert len(bytes.fromhex(named.issuer_key_hash)) == hashlib.sha256().digest_size


def test_chains():
    authority, other = Authority(NOW_MS), Authority(NOW_MS)
    leaf = read_chain(authority.issue("leaf")[1])
    check_chain(leaf, [other.root, authority.root], NOW_MS)
    with pytest.raises(BadCertificate, match="leads to no root"):
        check_chain(leaf, [other.root], NOW_MS)
    with pytest.raises(BadCertificate, match="broken"):
        check_chain([*leaf, other.root], [], NOW_MS)
    with pytest.raises(BadCertificate, match="expired"):
        check_chain(leaf, [authority.root], NOW_MS + 400 * 86_400_000)
    with pytest.raises(BadCertificate, match="leads to no root"):
        check_chain([*leaf, authority.root], [], NOW_MS)
    middle = authority.subordinate("middle", ca=True)
    check_chain([*read_chain(middle.issue("leaf")[1]), middle.root], [authority.root], NOW_MS)
    charger = authority.subordinate("a charger", ca=False)
    with pytest.raises(BadCertificate, match="no certification authority"):
        check_chain([*read_chain(charger.issue("forged")[1]), charger.root], [authority.root], NOW_MS)
    assert pem(authority.root).startswith("-----BEGIN")
