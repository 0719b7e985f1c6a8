"""Messages that no peer should send, for whoever serves OCPP 1.6: each with what it is answered."""

import json
from typing import Any

IGNORED = None
"""Not answered: it asks nothing, and an answer to an answer would never end."""

FORMATION, TYPE = "FormationViolation", "TypeConstraintViolation"
OCCURRENCE, PROPERTY = "OccurenceConstraintViolation", "PropertyConstraintViolation"

FRAMES: tuple[tuple[str | bytes, str | None], ...] = (
    ("", FORMATION),
    ("garbage", FORMATION),
    ("\ufeff[]", FORMATION),
    ("null", FORMATION),
    ("17", FORMATION),
    ('"[2]"', FORMATION),
    ("{}", FORMATION),
    ("[]", FORMATION),
    ("[2]", FORMATION),
    ('[2,"1"', FORMATION),
    ("[NaN]", FORMATION),
    ("[[[[[[]]]]]]", FORMATION),
    ("[" * 100_000, FORMATION),
    ("[" + "9" * 5000 + "]", FORMATION),
    ('[2,"\\ud800","Heartbeat",{}]', FORMATION),
    ('["2","1","Heartbeat",{}]', FORMATION),
    ('[2,1,"Heartbeat",{}]', FORMATION),
    ('[2,null,"Heartbeat",{}]', FORMATION),
    ('[2,"","Heartbeat",{}]', FORMATION),
    ('[2,"f1",null,{}]', FORMATION),
    ('[2,"f2",["Heartbeat"],{}]', FORMATION),
    ('[2,"f3","DataTransfer","{}"]', FORMATION),
    ('[2,"f4","DataTransfer",[1]]', FORMATION),
    ('[2,"f5","DataTransfer",{},{}]', FORMATION),
    (b"", FORMATION),
    (b"\x00\xff\xfe", FORMATION),
    (b'[2,"b1","DataTransfer",{"vendorId":"x"}]', FORMATION),
    ('[2,"u1","SelfDestruct",{}]', "NotImplemented"),
    ('[2,"u2","datatransfer",{}]', "NotImplemented"),
    ('[2,"u3","' + "A" * 10_000 + '",{}]', "NotImplemented"),
    ('[2,"u4","__class__",{}]', "NotImplemented"),
    ('[2,"p1","DataTransfer",{}]', OCCURRENCE),
    ('[2,"p2","DataTransfer",{"vendorId":null}]', OCCURRENCE),
    ('[2,"p3","DataTransfer",{"vendorId":17}]', TYPE),
    ('[2,"p4","DataTransfer",{"vendorId":{"vendorId":"x"}}]', TYPE),
    ('[2,"p5","DataTransfer",{"vendorId":"' + "x" * 256 + '"}]', PROPERTY),
    ('[3,"nothing",{}]', IGNORED),
    ('[3,"nothing"]', IGNORED),
    ("[3,17,{}]", IGNORED),
    ('[3,"nothing",{"currentTime":17}]', IGNORED),
    ('[4,"nothing","InternalError","",{}]', IGNORED),
    ('[4,"nothing"]', IGNORED),
    ('[4,"nothing",17,17,17,17]', IGNORED),
    ('[5,"1","Heartbeat",{}]', IGNORED),
    ("[0]", IGNORED),
    ('[-2,"1","Heartbeat",{}]', IGNORED),
)
"""What is said, and the error code that it is answered with."""


def error_codes(sent: list[str]) -> list[str]:
    """Return the error codes among messages; any other message is left out."""
    found: list[Any] = [json.loads(text) for text in sent]
    return [message[2] for message in found if message[0] == 4]
