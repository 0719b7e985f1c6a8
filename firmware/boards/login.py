"""The charger's own certificate, with which it logs in at the broker; the ``Login`` of the seam.

The key never leaves the charger: a new certificate is for the same one. What is on flash, and when, is in
:mod:`firmware.boards.trial`.
"""

import gc

from .certificate import Certificate
from .nvs import BROKER, Nvs
from .trial import CERTIFICATE, Trial

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Protocol

    class Link(Protocol):
        """The MQTT client."""

        last_error: str
        failures: int


ATTEMPTS = 4
"""After so many the broker is taken at its word."""


def read_broker(nvs: Nvs) -> "tuple[dict[str, Any] | None, Trial]":
    """Return the broker's entry with the certificate that this boot uses, None if there is no entry, and the trial.

    Raises DamagedEntry and OSError if the entry itself cannot be read.
    """
    entry, trial = nvs.read_object(BROKER), Trial(nvs)
    # Here and in the trial: what was read is not to lie between what is read next and its remains, in the middle of the
    # memory that TLS needs in one piece.
    gc.collect()
    return (None if entry is None else trial.begin(entry)), trial


def open_tls(make: "Callable[[str, str | None, str | None], Any]", entry: "dict[str, Any]", trial: Trial) -> "Any":
    """Return what connections are wrapped with: by the entry or, if TLS does not take a candidate, the old certificate.

    ``make`` takes authority, certificate and key. Raises ValueError and OSError like it.
    """
    gc.collect()
    ca_pem, key_pem = entry["ca_pem"], entry.get("key_pem") or None
    try:
        return make(ca_pem, entry.get(CERTIFICATE) or None, key_pem)
    except (ValueError, OSError) as error:
        old_pem = trial.go_back("TLS does not take it: %s" % error)
        if old_pem is None:
            raise
    entry[CERTIFICATE] = old_pem
    return make(ca_pem, old_pem, key_pem)


class CertificateLogin:
    """The certificate in use."""

    def __init__(self, trial: Trial, client: "Link", cert_pem: str, has_network: "Callable[[], bool]") -> None:
        """``cert_pem`` is what this boot logs in with. Raises ValueError for one that cannot be read."""
        self.trial = trial
        """A new one that may take its place."""
        self._client = client
        self._has_network = has_network
        self._failures_before = 0
        old = trial.old if trial.is_on else None
        self._used = Certificate(cert_pem) if old is None else old

    @property
    def ends_ts(self) -> int:
        """End of the certificate in use, while another is on trial of the old one. UTC milliseconds."""
        return self._counting().ends_ts

    def _counting(self) -> Certificate:
        trial = self.trial
        return trial.new if trial.is_kept and trial.new is not None else self._used

    def check(self, certificate_pem: str) -> None:
        """Raise ValueError, in words, for a certificate that cannot take the place of the one in use."""
        new, old = Certificate(certificate_pem), self._counting()
        if new.public_key != old.public_key:
            raise ValueError("it is for another key than this charger's")
        if new.subject != old.subject:
            raise ValueError("it is for another name than this charger's")
        if new.ends_ts <= old.ends_ts:
            raise ValueError("it does not end later than the one in use")

    @property
    def refusal(self) -> "str | None":
        """Why the broker does not let the charger in, once several attempts have failed; None until then."""
        client = self._client
        if not self._has_network():
            # Before a cable or an address is there, every attempt fails at once, and nothing has been asked.
            self._failures_before = client.failures
            return None
        return client.last_error if client.failures - self._failures_before >= ATTEMPTS else None
