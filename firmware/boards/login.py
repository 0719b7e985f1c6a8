"""The charger's own certificate, and one that may take its place; the ``Login`` of the seam.

The key never leaves the charger: a new certificate is for the same one. Until the broker has let the charger in with
it, nothing on flash has changed. Then it is kept in an entry of its own, which is short enough to be written beside an
open TLS connection; the next boot moves it into the broker's entry, where there is memory for that.

=================== ===================================================================================================
the power fails     what the next boot connects with
=================== ===================================================================================================
trying              the old certificate
writing the entry   the old or the new one
moving it           the new one: written into the broker's entry first, and moved again if its own entry is still there
=================== ===================================================================================================
"""

from .certificate import Certificate
from .nvs import BROKER, RENEWED, Nvs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from ..app.mqtt import MqttClient

    MakeContext = Callable[[str, str | None, str | None], Any]

ATTEMPTS = 4
"""After so many the broker is taken at its word; they are some seconds apart, more than its restart takes."""
_CERTIFICATE = "cert_pem"


def read_broker(nvs: Nvs) -> "dict[str, Any] | None":
    """Return the broker's entry with the newest certificate in it, None if there is no entry.

    A certificate that was kept by :class:`CertificateLogin` is moved there. Raises DamagedEntry and OSError.
    """
    entry, renewed = nvs.read_object(BROKER), nvs.read(RENEWED)
    if entry is None or renewed is None:
        return entry
    text = str(renewed, "ascii")
    if _takes(entry, text):
        entry[_CERTIFICATE] = text
        nvs.write_object(BROKER, entry)
    nvs.remove(RENEWED)
    return entry


def _takes(entry: "dict[str, Any]", renewed: str) -> bool:
    """Whether it belongs here: not after the charger was provisioned with another key or name, or a later one."""
    try:
        old, new = Certificate(entry[_CERTIFICATE]), Certificate(renewed)
    except (KeyError, ValueError):
        return False
    return (new.subject, new.public_key) == (old.subject, old.public_key) and new.ends_ts > old.ends_ts


class CertificateLogin:
    """``make_context`` takes authority, certificate and key, and returns what ``client`` connects with."""

    def __init__(
        self, nvs: Nvs, client: "MqttClient", make_context: "MakeContext", ca_pem: str, cert_pem: str, key_pem: str
    ) -> None:
        """Take what is in use: to be read again, NVS would want more memory than a running charger has in one piece.

        Raises ValueError for a certificate that cannot be read.
        """
        self._nvs = nvs
        self._client = client
        self._make_context = make_context
        self._ca_pem, self._key_pem = ca_pem, key_pem
        self._used = Certificate(cert_pem)
        self._used_pem = self._tried_pem = cert_pem
        self._connections = 0

    @property
    def ends_ts(self) -> int:
        """End of the certificate in use. UTC milliseconds."""
        return self._used.ends_ts

    def check(self, certificate_pem: str) -> None:
        """Raise ValueError, in words, for a certificate that cannot take the place of the one in use."""
        new, old = Certificate(certificate_pem), self._used
        if new.public_key != old.public_key:
            raise ValueError("it is for another key than this charger's (chargebus pki renew --same-key)")
        if new.subject != old.subject:
            raise ValueError("it is for another name than this charger's")
        if new.ends_ts <= old.ends_ts:
            raise ValueError("it does not end later than the one in use")

    def uses(self, certificate_pem: str) -> bool:
        """Tell whether this is the one in use."""
        try:
            new, old = Certificate(certificate_pem), self._used
        except ValueError:
            return False
        return (new.subject, new.public_key, new.ends_ts) == (old.subject, old.public_key, old.ends_ts)

    def try_out(self, certificate_pem: str) -> None:
        """Connect again, with this one, for now."""
        self._tried_pem = certificate_pem
        self._connections = self._client.connections
        self._client.reconnect(self._context)

    def _context(self) -> "Any":
        return self._make_context(self._ca_pem, self._tried_pem, self._key_pem)

    @property
    def is_let_in(self) -> bool:
        """Whether the broker has let the charger in with the one that is tried, and it is still connected."""
        return self._client.connected and self._client.connections > self._connections

    @property
    def refusal(self) -> "str | None":
        """Why the broker does not let it in, in words, once several attempts have failed; None until then."""
        client = self._client
        # The first is the end of the connection that the old certificate had.
        return client.last_error if client.failures > ATTEMPTS else None

    def keep(self) -> None:
        """Use the one that is tried from now on, after a boot too. Raises OSError: what is kept has not changed."""
        self._nvs.write(RENEWED, self._tried_pem.encode())
        self._used_pem = self._tried_pem
        self._used = Certificate(self._used_pem)

    def go_back(self) -> None:
        """Connect again with the one that is kept."""
        self._tried_pem = self._used_pem
        self._client.reconnect(self._context)
