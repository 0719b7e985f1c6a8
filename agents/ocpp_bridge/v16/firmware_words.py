"""How a charger's firmware update is told in OCPP 1.6: pure."""

from bus_schema.words import FirmwareStatus

UNSIGNED: dict[FirmwareStatus, str] = {
    FirmwareStatus.DOWNLOADING: "Downloading",
    FirmwareStatus.DOWNLOAD_PAUSED: "Downloading",
    FirmwareStatus.DOWNLOADED: "Downloaded",
    FirmwareStatus.DOWNLOAD_FAILED: "DownloadFailed",
    FirmwareStatus.SIGNATURE_VERIFIED: "Downloaded",
    FirmwareStatus.INVALID_SIGNATURE: "InstallationFailed",
    FirmwareStatus.INSTALL_VERIFICATION_FAILED: "InstallationFailed",
    FirmwareStatus.INSTALL_SCHEDULED: "Downloaded",
    FirmwareStatus.INSTALLING: "Installing",
    FirmwareStatus.INSTALL_REBOOTING: "Installing",
    FirmwareStatus.INSTALLED: "Installed",
    FirmwareStatus.INSTALLATION_FAILED: "InstallationFailed",
}
"""The words of FirmwareStatusNotification (7.25); the others belong to SignedFirmwareStatusNotification."""

_PATH = ("", "Downloading", "Downloaded", "Installing", "Installed")
_BEFORE = {"DownloadFailed": "Downloading", "InstallationFailed": "Downloaded"}

FINAL = frozenset(
    {
        "DownloadFailed",
        "InstallationFailed",
        "Installed",
        "InvalidSignature",
        "InstallVerificationFailed",
    }
)
"""Words after which no other follows."""


def steps(told: str, now: str, *, signed: bool) -> list[str]:
    """Return what to tell when the last word told was ``told`` (empty for none) and the update is at ``now``.

    A charger says where it is, not every place it passed; the backend hears of them in order, none left out. The
    whitepaper's words of a signed update are passed on as they are.
    """
    if now == told:
        return []
    if signed:
        return [now]
    reached = _BEFORE.get(now, now)
    between = list(_PATH[_PATH.index(told) + 1 : _PATH.index(reached) + 1]) if told in _PATH else []
    if now in _BEFORE:
        between.append(now)
    return between or [now]
