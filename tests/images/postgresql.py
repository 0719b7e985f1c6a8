"""PostgreSQL's image: the installed server, behind a script that takes the official image's settings."""

from collections.abc import Iterable
from pathlib import Path

from tests.images.build import copy, copy_libraries, owned, postgresql, user

USER = 999
"""The official image's id of its user."""

DATA = "var/lib/postgresql/data"


def fill(root: Path) -> Iterable[str]:
    """Put the server, its shared files and the system's time zones under the names that they have here."""
    home = postgresql()
    programs = [home / "bin" / name for name in ("initdb", "postgres", "psql", "pg_isready")]
    libraries = [home / "lib" / f"{name}.so" for name in ("plpgsql", "dict_snowball")]
    for path in (*programs, *libraries, Path("/bin/sh")):
        copy(root, path)
    copy_libraries(root, *programs, *libraries, Path("/bin/sh"))
    shared = Path("/usr/share/postgresql") / home.name
    copy(root, shared)
    for link in filter(Path.is_symlink, shared.iterdir()):  # Debian keeps the templates of configuration elsewhere.
        (root / str(link).lstrip("/")).unlink()
        copy(root, link.resolve(), str(link))
    copy(root, Path("/usr/share/zoneinfo"))
    copy(root, Path(__file__).with_name("postgresql.sh"), "/entrypoint.sh")
    user(root, "postgres", USER)
    owned(root, USER, "var/lib/postgresql", "var/run/postgresql")
    owned(root, USER, DATA, mode=0o700)
    return (
        "USER postgres",
        f"ENV PATH={home}/bin PGDATA=/{DATA}",
        f'VOLUME ["/{DATA}"]',
        'ENTRYPOINT ["/bin/sh", "/entrypoint.sh"]',
    )
