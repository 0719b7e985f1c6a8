"""Firmware images for tests, signed with the reference implementation of `cryptography`."""

import hashlib
from functools import cache

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from bus_schema.firmware_image import KEY_BITS, KEY_EXPONENT, SALT_BYTES, Header, key_id

BOARD = "fake"


def key(name: str = "maker") -> rsa.RSAPrivateKey:
    return _key(name)


@cache
def _key(name: str) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(KEY_EXPONENT, KEY_BITS)


def modulus(name: str = "maker") -> int:
    return key(name).public_key().public_numbers().n


def signature(message: bytes, name: str = "maker") -> bytes:
    pss = padding.PSS(padding.MGF1(hashes.SHA256()), SALT_BYTES)
    return key(name).sign(message, pss, hashes.SHA256())


def image(
    payload: bytes,
    version: str = "0.2.0",
    board: str = BOARD,
    signed_by: str = "maker",
    may_downgrade: bool = False,
    length: int | None = None,
) -> bytes:
    header = Header(
        board,
        version,
        len(payload) if length is None else length,
        hashlib.sha256(payload).digest(),
        key_id(modulus(signed_by)),
        may_downgrade,
    ).encode()
    return header + signature(header, signed_by) + payload
