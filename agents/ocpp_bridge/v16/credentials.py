"""Who a charge point is towards a backend, and what it proves that with (OCPP's security profiles 0 to 3)."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit, urlunsplit

from agents.ocpp_bridge.connecting import Target, Unreachable
from agents.ocpp_bridge.peculiarities import PECULIARITIES
from agents.ocpp_bridge.settings import Backend
from agents.ocpp_bridge.v16.certificate_store import CENTRAL_SYSTEM, to_pem
from agents.ocpp_bridge.v16.configuring import authorization_key
from agents.runtime.ocpp.v16 import V16

if TYPE_CHECKING:
    from agents.ocpp_bridge.v16.charge_point import ChargePoint


class Credentials:
    """Where to connect and as whom. What the primary has set or signed counts before what is configured."""

    def __init__(self, charge_point: "ChargePoint") -> None:
        """Belong to ``charge_point``."""
        self._charge_point = charge_point

    def identity(self, backend: Backend) -> str:
        """Return the charge point's name towards ``backend``."""
        site = self._charge_point.shared.bus.site
        return backend.identity.replace("{site}", site).replace("{charger}", self._charge_point.name)

    def security_profile(self, backend: Backend) -> int:
        """Return the security profile in force: what is configured, or more if the backend has raised it."""
        raised = self._charge_point.configuration.number("SecurityProfile") if backend.role == "primary" else 0
        return max(backend.security_profile, raised)

    async def password(self, backend: Backend) -> bytes | None:
        """Return the password for ``backend``. Raises :class:`Unreachable` if its file cannot be read."""
        key = self._charge_point.configuration["AuthorizationKey"]
        if key and backend.role == "primary":
            return authorization_key(key, PECULIARITIES[backend.kind].authorization_key_is_hex)
        text = await self._file(backend.password_file)
        return None if text is None else text.split("\n", 1)[0].strip().encode()

    async def has_root_certificate(self, backend: Backend) -> bool:
        """Tell whether a root certificate for ``backend`` is there."""
        return backend.ca_file is not None or bool(await self._charge_point.certificates.roots(CENTRAL_SYSTEM))

    async def has_own_certificate(self, backend: Backend) -> bool:
        """Tell whether the charge point has a certificate."""
        return backend.cert_file is not None or await self._charge_point.certificates.own() is not None

    async def target(self, backend: Backend) -> Target:
        """Return where to connect and as whom. Raises :class:`Unreachable` if something for that is missing."""
        certificates = self._charge_point.certificates
        profile = self.security_profile(backend)
        url = urlsplit(backend.url.rstrip("/") + "/" + quote(self.identity(backend), safe=""))
        if profile >= 2 and url.scheme == "ws":
            url = url._replace(scheme="wss")
        password = await self.password(backend) if profile in (1, 2) else None
        if profile in (1, 2) and password is None:
            raise Unreachable(f"security profile {profile} needs a password: set password_file of {backend.name}")
        roots = await self._file(backend.ca_file)
        installed = await certificates.roots(CENTRAL_SYSTEM) if backend.role == "primary" else []
        cert, key = await self._own_certificate(backend) if profile == 3 else (None, None)
        return Target(
            url=urlunsplit(url),
            subprotocol=V16.subprotocol,
            user=self.identity(backend),
            password=password,
            ca_pem=(*(() if roots is None else (roots,)), *(to_pem(root) for root in installed)),
            cert_pem=cert,
            key_pem=key,
            ping_interval_s=self._charge_point.configuration.number("WebSocketPingInterval"),
        )

    async def _own_certificate(self, backend: Backend) -> tuple[str | None, str | None]:
        own = await self._charge_point.certificates.own() if backend.role == "primary" else None
        if own is not None:
            return own
        cert, key = await self._file(backend.cert_file), await self._file(backend.key_file)
        if cert is None or key is None:
            raise Unreachable(f"security profile 3 needs cert_file and key_file of {backend.name}, or a signed one")
        return cert, key

    async def _file(self, path: Path | None) -> str | None:
        if path is None:
            return None
        file = Path(str(path).replace("{charger}", self._charge_point.name))
        try:
            return await asyncio.to_thread(file.read_text, encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise Unreachable(f"cannot read {file}: {getattr(error, 'strerror', None) or 'not UTF-8'}") from None
