"""Exit codes of ``chargebus``, and the error that carries one out of a command."""

from enum import IntEnum


class ExitCode(IntEnum):
    """What a script learns from a command. The numbers are part of the command line's contract."""

    OK = 0
    FAILED = 1
    USAGE = 2
    NO_ANSWER = 3
    UNREACHABLE = 4
    CONFIGURATION = 5
    UNKNOWN = 6
    INTERRUPTED = 130


MEANINGS: dict[ExitCode, str] = {
    ExitCode.OK: "done",
    ExitCode.FAILED: "refused or failed: the charger's reason is printed; for checks, something was found",
    ExitCode.USAGE: "the command line is wrong: a bad id, number or option",
    ExitCode.NO_ANSWER: "no answer in time, or the charger is offline",
    ExitCode.UNREACHABLE: "the broker cannot be reached or refuses this user",
    ExitCode.CONFIGURATION: "the configuration is wrong or missing",
    ExitCode.UNKNOWN: "there is no such charger or session",
    ExitCode.INTERRUPTED: "interrupted by Ctrl-C",
}
"""The one table of exit codes: ``chargebus --help`` and the README show it."""


class CliError(Exception):
    """Something that ends a command: words for the person on standard error, a code for the script."""

    def __init__(self, code: ExitCode, text: str) -> None:
        """Keep the code and make ``text`` the error's text."""
        super().__init__(text)
        self.code = code


def epilog() -> str:
    """Return the table of exit codes as the last paragraph of the help."""
    rows = ", ".join(f"{code.value} {meaning}" for code, meaning in MEANINGS.items())
    return f"Exit codes: {rows}."
