"""Byte strings at every edge of JSON and UTF-8, and valid commands that were damaged: what a charger may be sent."""

import json
import random
from collections.abc import Iterator

from bus_schema.examples import examples_of
from bus_schema.message import MAX_MESSAGE_BYTES, MAX_NESTING
from bus_schema.topics import CHARGER_COMMAND

BASE = '"ts":1,"id":"a","source":"technician","deadline_ts":2'

STRINGS = [
    *(b"\x7f", b"\xc2\x80", b"\xdf\xbf", b"\xe0\xa0\x80", b"\xed\x9f\xbf", b"\xee\x80\x80", b"\xef\xbf\xbf"),
    *(b"\xf0\x90\x80\x80", b"\xf4\x8f\xbf\xbf", b"\xe2\x82\xac", "😀".encode(), b"\xef\xbb\xbf"),
    # None of these is UTF-8: too long a form, half a surrogate pair, beyond U+10FFFF, cut short, impossible bytes.
    *(b"\xc0\x80", b"\xc1\xbf", b"\xe0\x80\x80", b"\xe0\x9f\xbf", b"\xf0\x80\x80\x80", b"\xf0\x8f\xbf\xbf"),
    *(b"\xed\xa0\x80", b"\xed\xbf\xbf", b"\xed\xa0\xbd\xed\xb8\x80", b"\xf4\x90\x80\x80", b"\xf5\x80\x80\x80"),
    *(
        b"\x80",
        b"\xbf",
        b"\xc2",
        b"\xe2\x82",
        b"\xf0\x9f\x98",
        b"\xe2\x28\xa1",
        b"\xf8\x88\x80\x80\x80",
        b"\xfe",
        b"\xff",
    ),
    *(b"\xc2\xc2\x80", b"\xe2\x82\xc0", b"\xf0\x9f\x98\xc0", b"\xf0\x9f\x28\x80"),
    *(b"\\u0041", b"\\uD83D\\uDE00", b"\\ud83d\\ude00\\ud83d\\ude01", b"\\\\ud83d", b"\\\\\\ud83d\\ude00", b"\\uFFFF"),
    *(
        b"\\ud83d",
        b"\\ude00",
        b"\\ude00\\ud83d",
        b"\\ud83d\\u0041",
        b"\\ud83dx",
        b"\\ud83d\\n",
        b"\\ud83d\\ud83d\\ude00",
    ),
    *(b"\\ud83d\\", b"\\ud83d\\ude0", b"\\u", b"\\u12", b"\\u123", b"\\u12g4", b"\\U0041", b"\\x41", b"\\'", b"\\0"),
    *(b'\\"', b"\\/", b"\\b\\f\\n\\r\\t", b"\\u0000", b"\\", b"\n", b"\r\n", b"\t", b"\x00", b"\x1f", b"{[", b"NaN"),
    *(b"Infinity", b"\\u004eaN", b"]]]]]]]]", b"[[[[[[[[", b'\\"[[[[[[[[', b"\\\\"),
]
"""What stands in a string of some command."""

VALUES = [
    *("0", "-0", "1", "-1", "10", "0.5", "-0.5", "1e5", "1E+5", "1e-05", "1e999", "-1e999", "0e0", "1" * 300, "1.0e1"),
    *("00", "008", "-01", "1.", ".5", "1.e1", "1e", "1e+", "+1", "-", "--1", "0x10", "1_0", "1 0", "1a", "٣"),
    *("NaN", "-NaN", "Infinity", "-Infinity", "+Infinity", "nan", "inf", "Nan", "NaNN", "[NaN]", '{"a":Infinity}'),
    *("true", "false", "null", "True", "tru", "truetrue", "nul", "None", "undefined", "x", "'a'", "a", ""),
    *("[]", "[1]", "[1,2]", "[1,]", "[,1]", "[,]", "[1 2]", "[1", "1]", "[1}", "]", "[[1],[2]]", "[]]", "[ ]", "[\n]"),
    *("{}", '{"a":1}', '{"a":1,}', '{"a" 1}', '{"a":}', '{"a"}', "{a:1}", "{1:1}", "{,}", '{"a":1 "b":2}', '{"a":1]'),
    *('{"a":1,"a":2}', '{"a"::1}', '{"a":1,,"b":2}', "{:1}", '{"a":1;"b":2}', "// x", "/* x */ 1", "1 // x", "{}{}"),
    *(" 1 ", "\t1\r\n", "\x0b1", "\x0c1", "\u00a01", "\ufeff1", "\u20281", "1\x00"),
    *("[" * depth + "]" * depth for depth in (MAX_NESTING - 2, MAX_NESTING - 1, MAX_NESTING, 20, 201)),
    *('{"a":' * depth + "1" + "}" * depth for depth in (MAX_NESTING - 2, MAX_NESTING - 1, MAX_NESTING, 20)),
    *("[" * 3000, "[{" * 1000, '{"a":' * 700, "[" * 1900 + "]" * 1900),
]
"""JSON, and what is nearly JSON, in a field that is ignored."""

WHOLE = [
    *(
        b"",
        b" ",
        b"\n",
        b"{",
        b"}",
        b"[",
        b"]",
        b'"',
        b'"a',
        b"-",
        b"\\",
        b"\x00",
        b"\xff\xfe{\x00}\x00",
        b"\xef\xbb\xbf{}",
    ),
    *(b"null", b"1e999", b"NaN", b'"\\ud800"', b"[]", b"{}", b'""', b"\xff\xfe", b"\x80", b"\xed\xa0\x80"),
    *(b"[" * MAX_MESSAGE_BYTES, b"{" * MAX_MESSAGE_BYTES, b'{"a":' * 800, b'"' * MAX_MESSAGE_BYTES, b"\\" * 4096),
    *(
        b"[" + b"1," * 2046 + b"1]",
        b"[" + b"{}," * 1364 + b"{}]",
        b"[" + b"[]," * 1364 + b"1]",
        b"[" + b'"",' * 1364 + b"1]",
    ),
    *(b"1" * MAX_MESSAGE_BYTES, b"0." + b"9" * 4094, b"[" + b"1.5," * 1023 + b"1]", b'"' + b"\\u0000" * 682 + b'"'),
    *(b" " * MAX_MESSAGE_BYTES, b" " * (MAX_MESSAGE_BYTES + 1), b'"' + "😀".encode() * 1023 + b'"', b"\xf0" * 4096),
]
"""Whole messages."""


def peculiar() -> Iterator[bytes]:
    """Yield a message for everything above."""
    yield from WHOLE
    for text in STRINGS:
        yield f'{{"op":"pause",{BASE},"reason":"'.encode() + text + b'"}'
        yield f'{{"op":"pause",{BASE},"ignored":["'.encode() + text + b'"]}'
        yield f'{{"op":"pause",{BASE},"'.encode() + text + b'":1}'
        yield f'{{"op":"authorize",{BASE},"id_token":{{"type":"rfid","value":"'.encode() + text + b'"}}'
    for value in VALUES:
        yield f'{{"op":"resume",{BASE},"ignored":{value}}}'.encode()
        yield f'{{"op":"set_limit",{BASE},"current_a":{value},"valid_for_s":1}}'.encode()
        yield f'{{"op":"resume",{BASE}}}{value}'.encode()
    whole = f'{{"op":"resume",{BASE},"ignored":[{{"a":null}},"\\u0041",-1.5e3]}}'.encode()
    yield from (whole[:end] for end in range(len(whole) + 1))


def damaged(count: int, seed: int) -> Iterator[bytes]:
    """Yield ``count`` valid commands in which some bytes were replaced, added or taken away."""
    draw = random.Random(seed)
    whole = [CHARGER_COMMAND.encode(example) for example in examples_of(CHARGER_COMMAND)]
    whole += [json.dumps({**json.loads(each), "new": [{"a": 0.5, "b": None}, "€😀\\"]}).encode() for each in whole]
    whole += [each.replace(b"reason", "grün".encode()) for each in whole]
    bits = [
        *(bytes([byte]) for byte in b'{}[]",:\\0123456789-+.eEtfnu \n\x00\x1f\x7f\x80\xbf\xc2\xe2\xed\xf0\xf4\xff'),
        b"NaN",
        b"\\u",
    ]
    for _ in range(count):
        payload = bytearray(draw.choice(whole))
        for _ in range(draw.randint(0, 3)):
            at = draw.randrange(len(payload))
            payload[at : at + draw.randint(0, 2)] = draw.choice(bits) if draw.random() < 0.7 else draw.randbytes(2)
        yield bytes(payload)
