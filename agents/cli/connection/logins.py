"""A person's logins at the broker: one for each command that runs at the same time.

The broker uses the user's name as the client id, so that a second connection of one user ends the first. A person
therefore has several users (``anna``, ``anna-2``, …), each with a certificate or password of its own, and a command
takes one that no other command on this computer is using. A lock on the file of its secret says which those are: the
kernel releases it when the command ends, however it ends.
"""

import contextlib
import fcntl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from agents.cli.exits import CliError, ExitCode
from agents.runtime.mqtt.options import MqttOptions


@dataclass(frozen=True)
class Login:
    """One way to connect as a person."""

    options: MqttOptions
    """How to connect; the client id is drawn for each connection."""
    secret: Path | None = None
    """The file with the key or the password, which is locked while the login is in use; None for no lock."""

    @property
    def is_open(self) -> bool:
        """Whether it proves nothing, as on a broker for everybody: any number of connections may have it."""
        return self.secret is None and self.options.password is None and self.options.cert_file is None


@contextmanager
def free_logins(logins: Sequence[Login], most: int = 1) -> Iterator[list[MqttOptions]]:
    """Hold up to ``most`` logins that no other command here uses, at least one.

    Raises :class:`CliError`: ``FAILED`` if all are in use, ``CONFIGURATION`` if the secret of one cannot be read.
    """
    with contextlib.ExitStack() as held:
        free: list[MqttOptions] = []
        for login in logins:
            if len(free) < most and _is_locked_for_us(login, held):
                free.append(login.options)
        if not free:
            users = ", ".join(str(login.options.username) for login in logins)
            raise CliError(
                ExitCode.FAILED,
                f"{len(logins)} commands are running already, which is as many as there are logins ({users}): "
                "end one of them, for example `chargebus watch` in another window",
            )
        if logins[0].is_open:
            free += [logins[0].options] * (most - len(free))
        yield free


def _is_locked_for_us(login: Login, held: contextlib.ExitStack) -> bool:
    if login.secret is None:
        return True
    try:
        file = held.enter_context(login.secret.open("rb"))
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        raise CliError(ExitCode.CONFIGURATION, f"cannot read {login.secret}: {error.strerror}") from None
    return True
