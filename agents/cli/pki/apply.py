"""Giving the running broker what has changed in the authority's folder, and the options of commands that do."""

from pathlib import Path
from typing import Annotated

import typer

from agents.cli.exits import CliError, ExitCode
from agents.cli.pki.authority import PkiError
from agents.cli.pki.broker_reload import ReloadError, reload_broker
from agents.cli.pki.rights import SITE_FILE, give_to_broker
from agents.runtime.configuration.config_errors import ConfigError

Folder = Annotated[Path, typer.Option("--folder", help="Where certificates and keys lie.")]
Reload = Annotated[
    bool, typer.Option("--reload/--no-reload", help="Whether the running broker reads at once what has changed.")
]
FOLDER = Path("pki")
"""Where they lie unless told otherwise."""


def apply_changes(folder: Path, reload: bool, *, always: bool = False, quietly: bool = False) -> bool:
    """Give the broker of the site around ``folder`` what has changed; return whether it has been told.

    ``always`` tells it even if nothing has changed: an earlier attempt may have failed half-way. ``quietly`` says what
    was done on standard error. Raises :class:`CliError`.
    """
    site_folder = folder.absolute().parent
    if not (site_folder / SITE_FILE).exists():
        return False
    try:
        changed = list(give_to_broker(site_folder))
        for line in changed:
            typer.echo(line, err=quietly)
        if reload and (changed or always):
            typer.echo(f"read by {reload_broker(site_folder)}", err=quietly)
    except (PkiError, ConfigError) as error:
        raise CliError(ExitCode.CONFIGURATION, str(error)) from None
    except OSError as error:
        raise CliError(ExitCode.CONFIGURATION, f"cannot write {error.filename}: {error.strerror}") from None
    except ReloadError as error:
        raise CliError(ExitCode.UNREACHABLE, f"the running broker does not know it yet: {error}") from None
    return reload
