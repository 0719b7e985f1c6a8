"""The charger's own certificate in NVS, and one that may take its place; the ``Login`` of the seam.

The key never leaves the charger: a new certificate is for the same one. Until the broker has let the charger in with
it, nothing on flash has changed; then the broker's entry is replaced as a whole.
"""

import json

from .certificate import Certificate
from .nvs import BROKER, MAX_BYTES, DamagedEntry, Nvs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from ..app.mqtt import MqttClient

    MakeContext = Callable[[str, str | None, str | None], Any]

_PEM = "cert_pem"


class CertificateLogin:
    """``context`` is what ``client`` connects with now; ``make_context`` takes authority, certificate and key."""

    def __init__(self, nvs: Nvs, client: "MqttClient", context: "Any", make_context: "MakeContext") -> None:
        """Raises ValueError for a certificate in NVS that cannot be read, OSError."""
        self._nvs = nvs
        self._client = client
        self._context = context
        self._make_context = make_context
        self._tried: str | None = None
        self._tried_context: Any = None
        self._connections = 0
        self.ends_ts: int | None = Certificate(self._entry()[_PEM]).ends_ts
        """End of the certificate in use. UTC milliseconds."""

    def _entry(self) -> "dict[str, Any]":
        entry = self._nvs.read_object(BROKER)
        if entry is None or _PEM not in entry:
            raise DamagedEntry("NVS holds no certificate any more (chargebus provision)")
        return entry

    def check(self, certificate_pem: str) -> None:
        """Raise ValueError, in words, for a certificate that cannot take the place of the one in use."""
        new, entry = Certificate(certificate_pem), self._entry()
        old = Certificate(entry[_PEM])
        if new.public_key != old.public_key:
            raise ValueError("it is for another key than this charger's (chargebus pki renew --same-key)")
        if new.subject != old.subject:
            raise ValueError("it is for another name than this charger's")
        if len(_with(entry, certificate_pem)) > MAX_BYTES:
            raise ValueError("it is too long to be kept")

    def uses(self, certificate_pem: str) -> bool:
        """Tell whether this is the one that a boot connects with. Raises OSError."""
        try:
            return bool(self._entry()[_PEM] == certificate_pem)
        except DamagedEntry:
            return False

    def try_out(self, certificate_pem: str) -> None:
        """Connect again, with this one, for now. Raises ValueError, OSError or MemoryError: nothing has changed."""
        entry = self._entry()
        self._tried_context = self._make_context(entry["ca_pem"], certificate_pem, entry["key_pem"])
        self._tried = certificate_pem
        self._connections = self._client.connections
        self._client.reconnect(self._tried_context)

    @property
    def is_let_in(self) -> bool:
        """Whether the broker has let the charger in with the one that is tried, and it is still connected."""
        return self._client.connected and self._client.connections > self._connections

    def keep(self) -> None:
        """Use the one that is tried from now on, after a boot too. Raises OSError: what is kept has not changed."""
        if self._tried is None:
            raise RuntimeError("no certificate is being tried")
        try:
            self._nvs.write(BROKER, _with(self._entry(), self._tried))
        except DamagedEntry as error:
            raise OSError(5, str(error)) from None
        self.ends_ts = Certificate(self._tried).ends_ts
        self._context = self._tried_context
        self._tried = self._tried_context = None

    def go_back(self) -> None:
        """Connect again with the one that is kept."""
        self._tried = self._tried_context = None
        self._client.reconnect(self._context)


def _with(entry: "dict[str, Any]", certificate_pem: str) -> bytes:
    changed = dict(entry)
    changed[_PEM] = certificate_pem
    return json.dumps(changed).encode()
