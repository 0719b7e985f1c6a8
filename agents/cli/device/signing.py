"""Keys and signatures of firmware images (:mod:`bus_schema.firmware_image`)."""

import hashlib
import os
from pathlib import Path

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from bus_schema.firmware_image import (
    HEADER_BYTES,
    KEY_BITS,
    KEY_EXPONENT,
    SALT_BYTES,
    SIGNED_BYTES,
    BadImage,
    Header,
    check_payload,
    decode,
    key_id,
)

VIRTUAL_BOARD = "virtual"
"""Board of the virtual chargers, whose images may hold anything."""

_PUBLIC_WORD = f"rsa-{KEY_BITS}"
_HEX_DIGITS = KEY_BITS // 4
_ESP32_MAGIC_AT = 32
_ESP32_MAGIC = (0xABCD5432).to_bytes(4, "little")
"""Where the description stands in an ESP32 application image, and how it begins (ESP-IDF, esp_app_desc.h)."""


class BadKey(ValueError):
    """A key file that cannot be used; the text says why."""


def new_key() -> rsa.RSAPrivateKey:
    """Return a new private key."""
    return rsa.generate_private_key(KEY_EXPONENT, KEY_BITS)


def private_pem(key: rsa.RSAPrivateKey) -> bytes:
    """Return a private key as it is kept in a file."""
    encoding, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    return key.private_bytes(encoding, form, serialization.NoEncryption())


def public_line(key: rsa.RSAPrivateKey) -> str:
    """Return what chargers are given: a word for the kind of key and its modulus."""
    return f"{_PUBLIC_WORD} {key.public_key().public_numbers().n:0{_HEX_DIGITS}x}\n"


def write_new(path: Path, data: bytes, mode: int) -> None:
    """Write a file that must not be there yet, with these rights from the beginning. Raises :class:`OSError`."""
    number = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(number, "wb") as file:
        file.write(data)


def read_private(path: Path) -> rsa.RSAPrivateKey:
    """Return the key of a PEM file. Raises :class:`BadKey`."""
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), None)
    except (OSError, ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise BadKey(f"private key {path}: {error}") from None
    if not isinstance(key, rsa.RSAPrivateKey) or key.key_size != KEY_BITS:
        raise BadKey(f"private key {path}: firmware is signed with RSA of {KEY_BITS} bits; `firmware keygen` makes one")
    if key.public_key().public_numbers().e != KEY_EXPONENT:
        raise BadKey(f"private key {path}: its public exponent must be {KEY_EXPONENT}")
    return key


def read_public(path: Path) -> int:
    """Return the modulus that a public key file holds. Raises :class:`BadKey`."""
    try:
        words = path.read_text(encoding="ascii").split()
    except (OSError, UnicodeDecodeError) as error:
        raise BadKey(f"public key {path}: {error}") from None
    if len(words) != 2 or words[0] != _PUBLIC_WORD or len(words[1]) != _HEX_DIGITS:
        raise BadKey(f"public key {path}: expected `{_PUBLIC_WORD}` and {_HEX_DIGITS} hexadecimal digits")
    try:
        modulus = int(words[1], 16)
    except ValueError:
        raise BadKey(f"public key {path}: not hexadecimal") from None
    if modulus.bit_length() != KEY_BITS:
        raise BadKey(f"public key {path}: has {modulus.bit_length()} bits, not {KEY_BITS}")
    return modulus


def sign(payload: bytes, board: str, version: str, key: rsa.RSAPrivateKey, may_downgrade: bool = False) -> bytes:
    """Return the image of a payload. Raises :class:`BadImage` for values that no charger would take."""
    if board != VIRTUAL_BOARD and payload[_ESP32_MAGIC_AT : _ESP32_MAGIC_AT + 4] != _ESP32_MAGIC:
        raise BadImage(
            "the payload is no ESP32 application image (micropython.bin of the build; firmware.bin also holds the "
            "boot loader and cannot be installed over the bus)"
        )
    modulus = key.public_key().public_numbers().n
    header = Header(board, version, len(payload), hashlib.sha256(payload).digest(), key_id(modulus), may_downgrade)
    signed = header.encode()
    return signed + key.sign(signed, _pss(), hashes.SHA256()) + payload


def verify(data: bytes, modulus: int | None) -> Header:
    """Return the header of a whole image; ``modulus``: the key that must have signed it, None not to look.

    Raises :class:`BadImage`.
    """
    header, signature = decode(data)
    if modulus is not None:
        if key_id(modulus) != header.key:
            raise BadImage(f"signed by key {header.key.hex()}, not by {key_id(modulus).hex()}")
        public = rsa.RSAPublicNumbers(KEY_EXPONENT, modulus).public_key()
        try:
            public.verify(signature, data[:SIGNED_BYTES], _pss(), hashes.SHA256())
        except InvalidSignature:
            raise BadImage("the signature is wrong: the header was changed") from None
    check_payload(header, data[HEADER_BYTES:])
    return header


def _pss() -> padding.PSS:
    return padding.PSS(padding.MGF1(hashes.SHA256()), SALT_BYTES)
