"""``renew-certificate``: a charger's new certificate, from the authority's folder to the end of the old one."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import typer

from agents.cli.commanding.asking import MOST_WAIT_FOR_RETAINED_S, NotDone, command, require_online
from agents.cli.commanding.charging import Charger
from agents.cli.connection.link import connected
from agents.cli.connection.quiet import QUIET_S
from agents.cli.connection.terminal import Terminal, site_command
from agents.cli.exits import CliError, ExitCode
from agents.cli.lazy import command_app
from agents.cli.pki import renewal
from agents.cli.pki.apply import FOLDER, Folder, Reload, apply_changes
from agents.cli.pki.authority import Issued, PkiError, authority_of, read
from agents.cli.pki.revocation import FILE as REVOKED
from agents.cli.pki.revoke import list_superseded
from bus_schema.charger_messages import Meta, State
from bus_schema.command import RenewCertificate
from bus_schema.topics import CHARGER_META
from bus_schema.words import ReplyCode

app = command_app()

ANSWERED_WITHIN_S = 300.0
"""How long a charger may take: two restarts, and two minutes in which the broker does not let it in."""


@site_command(app, "renew-certificate")
async def renew_certificate(
    terminal: Terminal, charger: Charger, folder: Folder = FOLDER, reload: Reload = True
) -> None:
    """Give a charger a new certificate over the bus, and revoke the old one.

    Run it where the site's authority is. The charger's key stays on the charger. It restarts to try the new
    certificate, once no car is using it, and has the old one back if the broker does not let it in; the old one is
    revoked only when the charger has said that it uses the new one.
    If this ends before the charger has answered, run it again: it asks the charger, and goes on from there.
    """
    await _Renewal(terminal, charger, folder, reload).run()


class _Renewal:
    def __init__(self, terminal: Terminal, charger: str, folder: Path, reload: bool) -> None:
        self._terminal = terminal
        self._charger = charger
        self._folder = folder
        self._reload = reload
        self._path = folder / f"{charger}.pem"
        self._waiting = renewal.waiting_path(folder, charger)

    async def run(self) -> None:
        """Do all of it. Raises :class:`CliError`, with what is in the folder and what to type."""
        with _in_words():
            # Refused before the charger is asked, where nothing could be signed.
            authority_of(self._folder)
            read(self._path)
            begun = renewal.waiting(self._folder, self._charger)
        used_ms = await self._used_ms()
        if begun is not None and _ends_ms(begun) < used_ms:
            # The charger was given a later one since, at its cable.
            begun = None
        if begun is not None and _ends_ms(begun) == used_ms:
            self._say(f"{self._charger} uses the new certificate already: an earlier attempt has succeeded")
        else:
            await self._send(self._signed(used_ms) if begun is None else begun, is_resumed=begun is not None)
        self._finish()

    def _signed(self, used_ms: int) -> Issued:
        with _in_words():
            new = renewal.prepare(self._folder, self._charger, _now())
            if _ends_ms(new) <= used_ms:
                renewal.drop(self._folder, self._charger)
                raise PkiError(f"{self._charger} uses a certificate that ends as late as one that is made now")
        return new

    async def _used_ms(self) -> int:
        """Return the end of the certificate that the charger uses, as it says itself."""
        async with connected(self._terminal.target) as link:
            await require_online(link, self._charger)
            await link.listen(CHARGER_META, charger=self._charger)
            ends_ms = None
            async for heard in link.heard(MOST_WAIT_FOR_RETAINED_S, QUIET_S):
                if isinstance(heard.message, Meta) and heard.charger == self._charger:
                    ends_ms = heard.message.certificate_ends_ts
                    break
        if ends_ms is None:
            raise CliError(
                ExitCode.FAILED,
                f"{self._charger} does not say that it has a certificate: it logs in with a password, or its firmware "
                "is older than this command. A certificate is brought to it at its cable (chargebus provision)",
            )
        return ends_ms

    async def _send(self, new: Issued, *, is_resumed: bool) -> None:
        """Return when the charger uses the new certificate. Raises :class:`CliError` if it does not, or may not."""
        self._say(f"{self._waiting}  until {new.ends:%Y-%m-%d}")
        self._say(f"{self._charger}: restarts to try it when no car is using it; that takes up to two minutes")
        try:
            await command(
                self._terminal,
                self._charger,
                RenewCertificate,
                completion_s=ANSWERED_WITHIN_S,
                told=_teller(self._charger, self._say),
                certificate_pem=self._waiting.read_text(encoding="ascii"),
            )
        except NotDone as refused:
            if is_resumed and refused.reply.code is ReplyCode.OCCUPIED:
                raise self._unknown(refused) from None
            if not await self._is_used(new):
                raise self._refused(refused) from None
        except CliError as error:
            raise self._unknown(error) from None

    async def _is_used(self, new: Issued) -> bool:
        """Ask once more: an earlier attempt may have succeeded since."""
        try:
            return await self._used_ms() == _ends_ms(new)
        except CliError as error:
            raise self._unknown(error) from None

    def _refused(self, error: CliError) -> CliError:
        with _in_words():
            renewal.drop(self._folder, self._charger)
        return CliError(
            error.code,
            f"{error}. Nothing has changed: {self._charger} uses {self._path}, and {self._waiting} was taken away. "
            "Type this again when the reason is mended",
        )

    def _unknown(self, error: CliError) -> CliError:
        return CliError(
            error.code,
            f"{error}. Which certificate {self._charger} will use is not known yet: {self._path} is the old one, "
            f"{self._waiting} the new one, and both are valid. Type this again later: it asks {self._charger} first",
        )

    def _finish(self) -> None:
        """Put the new certificate in its place and end the old one."""
        uses = f"{self._charger} uses the new certificate"
        try:
            renewal.adopt(self._folder, self._charger)
        except OSError as error:
            words = f"{uses}, but {error.filename} cannot be written ({error.strerror}): mend that and type this again"
            raise CliError(ExitCode.CONFIGURATION, words) from None
        try:
            count = list_superseded(self._folder, [self._charger], _now())
        except (PkiError, OSError) as error:
            words = (
                f"{uses}, but the old one is not revoked ({error}): chargebus pki revoke {self._charger} --superseded"
            )
            raise CliError(ExitCode.CONFIGURATION, words) from None
        self._say(f"{self._path} is the new one; revoked {count} earlier certificate{'s' * (count != 1)}")
        if not apply_changes(self._folder, self._reload, always=True, quietly=self._terminal.as_json):
            self._say(f"the running broker does not know that yet: give it {self._folder / REVOKED}")

    def _say(self, line: str) -> None:
        typer.echo(line, err=self._terminal.as_json)


@contextmanager
def _in_words() -> Iterator[None]:
    """Turn what is wrong with the folder into words."""
    try:
        yield
    except PkiError as error:
        raise CliError(ExitCode.FAILED, str(error)) from None
    except OSError as error:
        raise CliError(ExitCode.CONFIGURATION, f"cannot write {error.filename}: {error.strerror}") from None


def _teller(charger: str, say: Callable[[str], None]) -> Callable[[State], None]:
    """Say once that a car is awaited."""
    said = False

    def told(state: State) -> None:
        nonlocal said
        if state.session is not None and not said:
            said = True
            say(f"{charger}: a car is using it; it restarts when that has left")

    return told


def _now() -> datetime:
    return datetime.now(UTC)


def _ends_ms(issued: Issued) -> int:
    return round(issued.ends.timestamp() * 1000)
