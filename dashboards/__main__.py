"""``python -m dashboards`` writes the dashboards and alerts; ``--check`` only says whether they are up to date."""

import sys

from dashboards.files import GENERATED, stale, write


def main(arguments: list[str]) -> int:
    """Return 0 if all is up to date, or was written; 1 if ``--check`` finds something; 2 for another argument."""
    if arguments not in ([], ["--check"]):
        sys.stderr.write("usage: python -m dashboards [--check]\n")
        return 2
    changed = stale() if arguments else write()
    for name in changed:
        sys.stdout.write(f"{'stale' if arguments else 'written'}: {GENERATED.name}/{name}\n")
    return 1 if arguments and changed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
