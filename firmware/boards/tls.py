"""TLS towards the broker, with MicroPython's own ``tls``: its ``ssl`` is a wrapper that the firmware does not carry.

Whether a certificate has run out is checked where the interpreter's mbedTLS has a clock (the unix port; not ESP-IDF's
default, where a charger without network time would refuse every broker).
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def client_context(ca_pem: str, cert_pem: "str | None" = None, key_pem: "str | None" = None) -> "Any":
    """Trust one certificate authority and nobody else; show a certificate where there is one.

    Raises ValueError or OSError for texts that are not what they should be.
    """
    import tls  # type: ignore[import-not-found]

    context: Any = tls.SSLContext(tls.PROTOCOL_TLS_CLIENT)
    context.verify_mode = tls.CERT_REQUIRED
    context.load_verify_locations(ca_pem)
    if cert_pem is not None:
        context.load_cert_chain(cert_pem, key_pem)
    return context
