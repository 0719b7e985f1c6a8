"""Strict UTF-8: the well-formed byte sequences of the Unicode Standard, table 3-7, and no others.

MicroPython's ``str(data, "utf-8")`` takes halves of surrogate pairs, forms longer than needed and code points above
U+10FFFF. A charger that had taken one could only publish what every other reader refuses.
"""


def after(data: bytes, at: int) -> int:
    """Return where the character ends whose first byte, 0x80 or above, stands at ``at``.

    Raises :class:`ValueError` if it is none, and :class:`IndexError` if ``data`` ends within it.
    """
    lead, second = data[at], data[at + 1]
    low, high, rest = 0x80, 0xBF, 0
    if 0xE0 <= lead <= 0xEF:
        rest = 1
        if lead == 0xE0:
            low = 0xA0
        elif lead == 0xED:
            high = 0x9F
    elif 0xF0 <= lead <= 0xF4:
        rest = 2
        if lead == 0xF0:
            low = 0x90
        elif lead == 0xF4:
            high = 0x8F
    elif not 0xC2 <= lead <= 0xDF:
        raise ValueError("not UTF-8")
    if not low <= second <= high:
        raise ValueError("not UTF-8")
    at += 2
    while rest:
        if not 0x80 <= data[at] <= 0xBF:
            raise ValueError("not UTF-8")
        at += 1
        rest -= 1
    return at


def read(data: bytes) -> str:
    """Return the text. Raises :class:`ValueError` for what is not UTF-8."""
    at = 0
    try:
        while at < len(data):
            at = at + 1 if data[at] < 0x80 else after(data, at)
    except IndexError:
        raise ValueError("not UTF-8") from None
    return str(data, "utf-8")
