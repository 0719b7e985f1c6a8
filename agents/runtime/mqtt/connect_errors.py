"""Why a connection to the broker failed, in words that say what to do about it."""

import aiomqtt

_BY_TEXT = (
    ("certificate is not yet valid", "this computer's clock is probably wrong: set it, or let it be set (NTP)"),
    ("certificate has expired", "the broker's certificate must be renewed (chargebus pki server … --renew), or this "
     "computer's clock is wrong"),
    ("Hostname mismatch", "broker.host is no name in the broker's certificate: use one that is, or make it again with "
     "all names (chargebus pki server … --renew)"),
    ("IP address mismatch", "broker.host is no address in the broker's certificate: use one that is, or make it again "
     "with all addresses (chargebus pki server … --renew)"),
    ("ALERT_CERTIFICATE_REVOKED", "this certificate was revoked: whoever revoked it can issue a new one"),
    ("ALERT_UNKNOWN_CA", "the broker does not know the authority of this certificate: it is of another site"),
    ("ALERT_CERTIFICATE_EXPIRED", "the broker takes this certificate for expired: renew it (chargebus pki renew), or "
     "set the broker's clock"),
    ("ALERT_BAD_CERTIFICATE", "the broker does not take this certificate: by its clock it is not valid yet, or it is "
     "damaged; check the broker's clock"),
    ("ALERT_UNSUPPORTED_CERTIFICATE", "this is a server's certificate: issue one for a user (chargebus pki issue)"),
    ("CERTIFICATE_VERIFY_FAILED", "the broker's certificate is not trusted: check broker.ca_file, and that broker.host "
     "is a name in the certificate"),
    ("WRONG_VERSION_NUMBER", "the broker does not speak TLS on this port: check broker.port, or remove broker.ca_file"),
    ("CERTIFICATE_REQUIRED", "the broker wants a client certificate: set broker.cert_file and broker.key_file"),
    ("certificate required", "the broker wants a client certificate: set broker.cert_file and broker.key_file"),
    ("Connection refused", "nothing listens there: is the broker running, and are broker.host and broker.port right?"),
    ("Name or service not known", "the name is unknown: check broker.host and the machine's DNS"),
    ("Temporary failure in name resolution", "the name cannot be looked up now: check the machine's network and DNS"),
    ("No route to host", "there is no way to that network: check broker.host and the machine's network"),
    ("Network is unreachable", "there is no way to that network: check broker.host and the machine's network"),
    ("timed out", "no answer: check broker.host, broker.port, firewalls, and whether the port wants TLS"),
)  # fmt: skip

_BY_CODE = {
    1: "the broker does not speak MQTT 3.1.1",
    2: "the broker refuses the client id: is site.toml's site the one that the broker expects?",
    3: "the broker is not ready yet",
    4: "user {user!r} or its password is wrong: check broker.username and broker.password_file against the broker's "
    "password file",
    5: "user {user!r} may not connect: check broker.username and broker.password_file, and the broker's access list",
}
"""By the return code of MQTT 3.1.1."""

_MQTT5_CODES = {132: 1, 133: 2, 136: 3, 134: 4, 135: 5}
"""paho names the refusals of MQTT 3.1.1 by the reason codes of MQTT 5."""


def explain(error: Exception, user: str | None) -> str:
    """Return what went wrong and what to do, for a log line; ``user`` is who tried to log in."""
    if isinstance(error, aiomqtt.MqttCodeError):
        code = error.rc if isinstance(error.rc, int) else getattr(error.rc, "value", None)
        if code is not None:
            words = _BY_CODE.get(_MQTT5_CODES.get(code, code))
            if words is not None:
                return words.format(user=user)
    text = str(error) or type(error).__name__
    return next((f"{text}: {words}" for part, words in _BY_TEXT if part.lower() in text.lower()), text)
