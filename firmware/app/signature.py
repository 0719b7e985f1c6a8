"""Verifies an RSA-3072 signature, PSS with SHA-256 (RFC 8017, sections 8.1.2 and 9.1.2), in plain Python.

The exponent is 65537, so that a verification is one ``pow``: 6 ms on MicroPython's unix port.
"""

import hashlib

from .contract import IMAGE_KEY_BITS, IMAGE_KEY_EXPONENT, IMAGE_SALT_BYTES

KEY_BYTES = IMAGE_KEY_BITS // 8
_HASH_BYTES = 32
_MASK_BYTES = KEY_BYTES - _HASH_BYTES - 1


def is_signed(message: bytes, signature: bytes, modulus: int) -> bool:
    """Whether ``signature`` is one of ``message`` by the key with this modulus. Raises nothing."""
    number = int.from_bytes(signature, "big")
    if len(signature) != KEY_BYTES or number >= modulus or modulus >> (IMAGE_KEY_BITS - 1) != 1:
        return False
    encoded = pow(number, IMAGE_KEY_EXPONENT, modulus).to_bytes(KEY_BYTES, "big")
    digest = encoded[_MASK_BYTES : _MASK_BYTES + _HASH_BYTES]
    # The encoded message has one bit less than the modulus: the highest bit is 0, under the mask too.
    if encoded[-1] != 0xBC or encoded[0] & 0x80:
        return False
    mask = _mask(digest)
    block = bytearray([encoded[at] ^ mask[at] for at in range(_MASK_BYTES)])
    block[0] &= 0x7F
    salt_at = _MASK_BYTES - IMAGE_SALT_BYTES
    if any(block[: salt_at - 1]) or block[salt_at - 1] != 1:
        return False
    return digest == _sha256(bytes(8) + _sha256(message) + bytes(block[salt_at:]))


def key_id(modulus: int) -> bytes:
    """Return the eight bytes by which an image names the key that signed it."""
    return _sha256(modulus.to_bytes(KEY_BYTES, "big"))[:8]


def _mask(seed: bytes) -> bytes:
    """MGF1 with SHA-256."""
    parts = []
    for count in range((_MASK_BYTES + _HASH_BYTES - 1) // _HASH_BYTES):
        parts.append(_sha256(seed + count.to_bytes(4, "big")))
    return b"".join(parts)[:_MASK_BYTES]


def _sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()
