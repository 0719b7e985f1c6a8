"""Keys, signed images, and what is wrong with those that are not."""

import hashlib
import json
import stat
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.cli.device import signing
from bus_schema import firmware_image
from bus_schema.firmware_image import BadImage, Header
from firmware.app.image import Image
from firmware.app.signature import is_signed, key_id
from tests.cli.conftest import Run
from tests.firmware.app.images import key, modulus, signature

ESP32 = bytes([0xE9]) + bytes(31) + (0xABCD5432).to_bytes(4, "little") + bytes(200)


def words(line: str) -> list[str]:
    return line.split()


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    """Files maker.key and maker.pub, thief.pub."""
    for name in ("maker", "thief"):
        (tmp_path / f"{name}.key").write_bytes(signing.private_pem(key(name)))
        (tmp_path / f"{name}.pub").write_text(signing.public_line(key(name)))
    return tmp_path


def test_a_key_pair_is_made_once(bare: Run, tmp_path: Path) -> None:
    assert bare("firmware", "keygen", "site").code == 0
    assert stat.S_IMODE((tmp_path / "site.key").stat().st_mode) == 0o600
    private = signing.read_private(tmp_path / "site.key")
    assert signing.read_public(tmp_path / "site.pub") == private.public_key().public_numbers().n
    again = bare("firmware", "keygen", "site")
    assert again.code == 2
    assert "never overwritten" in again.err


def test_sign_and_verify(bare: Run, keys: Path) -> None:
    (keys / "micropython.bin").write_bytes(ESP32)
    made = bare(*words("firmware sign micropython.bin --board olimex_esp32_poe --version 0.2.0 --key maker.key"))
    assert made.code == 0, made.err
    assert "micropython.cbfw: version 0.2.0 for olimex_esp32_poe" in made.out
    shown = bare("firmware", "verify", "micropython.cbfw", "--key", "maker.pub", "--json")
    assert shown.json["version"] == "0.2.0"
    assert (shown.json["signature"], shown.json["payload_bytes"]) == ("good", len(ESP32))
    unchecked = bare("firmware", "verify", "micropython.cbfw")
    assert unchecked.code == 0
    assert "was not checked" in unchecked.out


def test_another_key_and_damage_are_seen(bare: Run, keys: Path) -> None:
    (keys / "app").write_bytes(b"anything")
    assert bare(*words("firmware sign app --board virtual --version 1.0.0 --key maker.key -o a.cbfw")).code == 0
    outcome = bare("firmware", "verify", "a.cbfw", "--key", "thief.pub")
    assert (outcome.code, "signed by key" in outcome.err) == (1, True)
    data = bytearray((keys / "a.cbfw").read_bytes())
    for at, why in ((-1, "SHA-256"), (50, "signature is wrong"), (200, "signature is wrong"), (0, "not a firmware")):
        spoilt = bytearray(data)
        spoilt[at] ^= 1
        (keys / "b.cbfw").write_bytes(spoilt)
        outcome = bare("firmware", "verify", "b.cbfw", "--key", "maker.pub")
        assert (outcome.code, why in outcome.err) == (1, True), outcome.err
    (keys / "b.cbfw").write_bytes(data[:400])
    assert bare("firmware", "verify", "b.cbfw").code == 1


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("sign esp --board Olimex --version 0.2.0 --key maker.key", "use 1 to 32 characters"),
        ("sign esp --board olimex --version 0.2 --key maker.key", "three numbers"),
        ("sign esp --board olimex --version 0.2.0 --key maker.pub", "private key maker.pub"),
        ("sign esp --board olimex --version 0.2.0 --key nowhere", "No such file"),
        ("sign app --board olimex --version 0.2.0 --key maker.key", "no ESP32 application image"),
        ("sign nowhere --board olimex --version 0.2.0 --key maker.key", "No such file"),
        ("verify esp --key maker.key", "public key maker.key"),
        ("verify nowhere", "No such file"),
        ("verify esp", "header alone has 512"),
    ],
)
def test_what_cannot_be_signed_or_verified(line: str, why: str, bare: Run, keys: Path) -> None:
    (keys / "esp").write_bytes(ESP32)
    (keys / "app").write_bytes(b"no image")
    outcome = bare("firmware", *line.split())
    assert outcome.code in (1, 2)
    assert why in outcome.err
    assert not list(keys.glob("*.cbfw"))


# --- the charger reads what is written here ---


@settings(max_examples=25, deadline=None)
@given(st.binary(max_size=64), st.integers(0, 383), st.integers(1, 255))
def test_the_charger_verifies_as_cryptography_signs(message: bytes, at: int, change: int) -> None:
    good = signature(message)
    assert is_signed(message, good, modulus())
    assert not is_signed(message + b"x", good, modulus())
    assert not is_signed(message, good, modulus("thief"))
    spoilt = bytearray(good)
    spoilt[at] ^= change
    assert not is_signed(message, bytes(spoilt), modulus())
    assert key_id(modulus()) == firmware_image.key_id(modulus())


@pytest.mark.parametrize("bad", [b"", b"\0" * 384, b"\xff" * 384, b"\0" * 383 + b"\1", b"x" * 383, b"x" * 385])
def test_what_is_no_signature_is_none(bad: bytes) -> None:
    assert not is_signed(b"", bad, modulus())
    for degenerate in (0, 1, 2**3071, 2**3072 - 1):
        assert not is_signed(b"", bad, degenerate)


def encoded(message: bytes, salt: bytes, **spoilt: bytes) -> bytes:
    """EMSA-PSS of RFC 8017, 9.1.1, with parts replaced, raised to the private exponent."""
    digest = hashlib.sha256(bytes(8) + hashlib.sha256(message).digest() + salt).digest()
    block = spoilt.get("padding", bytes(318)) + spoilt.get("one", b"\1") + salt
    mask = b"".join(hashlib.sha256(digest + count.to_bytes(4, "big")).digest() for count in range(11))[:351]
    masked = bytes(a ^ b for a, b in zip(block, mask, strict=True))
    masked = bytes([masked[0] & 0x7F | spoilt.get("top", b"\0")[0]]) + masked[1:]
    numbers = key().private_numbers()
    value = int.from_bytes(masked + digest + spoilt.get("trailer", b"\xbc"), "big")
    return pow(value, numbers.d, modulus()).to_bytes(384, "big")


def test_every_byte_of_the_padding_counts() -> None:
    salt = bytes(range(32))
    assert is_signed(b"m", encoded(b"m", salt), modulus())
    for spoilt in (
        {"padding": bytes(317) + b"\1"},
        {"padding": b"\1" + bytes(317)},
        {"one": b"\2"},
        {"one": b"\0"},
        {"trailer": b"\xcc"},
    ):
        assert not is_signed(b"m", encoded(b"m", salt, **spoilt), modulus()), spoilt
    assert not is_signed(b"n", encoded(b"m", salt), modulus())


def test_another_length_of_salt_is_refused() -> None:
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import padding

    for salt in (0, 20, 64):
        other = key().sign(b"m", padding.PSS(padding.MGF1(hashes.SHA256()), salt), hashes.SHA256())
        assert not is_signed(b"m", other, modulus())
    assert not is_signed(b"m", key().sign(b"m", padding.PKCS1v15(), hashes.SHA256()), modulus())


@given(
    st.from_regex(r"[a-z0-9][a-z0-9_-]{0,31}", fullmatch=True),
    st.tuples(st.integers(0, 99999), st.integers(0, 9999), st.integers(0, 9999)),
    st.integers(1, 2**32 - 1),
    st.binary(min_size=32, max_size=32),
    st.binary(min_size=8, max_size=8),
    st.booleans(),
)
def test_the_charger_reads_the_header_as_it_was_written(
    board: str, version: tuple[int, int, int], length: int, digest: bytes, key_: bytes, down: bool
) -> None:
    header = Header(board, ".".join(map(str, version)), length, digest, key_, down)
    data = header.encode() + bytes(range(256)) + bytes(128)
    read = Image(data)
    assert (read.board, read.version, read.length, read.sha256, read.key, read.may_downgrade) == (
        board,
        header.version,
        length,
        digest,
        key_,
        down,
    )
    assert read.signed + read.signature == data
    assert firmware_image.decode(data) == (header, read.signature)


@given(st.binary(min_size=512, max_size=600))
def test_any_bytes_are_a_header_or_refused(data: bytes) -> None:
    for start in (b"", b"CHGBUSFW\1\0\0\0"):
        try:
            firmware_image.decode((start + data)[:512])
        except BadImage as error:
            assert str(error)


def test_json_of_a_header_is_for_programs(bare: Run, keys: Path) -> None:
    (keys / "app").write_bytes(b"x")
    bare(*words("firmware sign app --board virtual --version 1.0.0 --key maker.key --may-downgrade"))
    about = json.loads(bare("firmware", "verify", "app.cbfw", "--json").out)
    assert about["may_downgrade"] is True
