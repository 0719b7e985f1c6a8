"""The file that ``chargebus backup`` writes: a gzipped tar that begins with a manifest of what is in it.

The manifest names every member with its length, rights and SHA-256. Nothing is restored from an archive before all
of it has been read and found to be what the manifest says.
"""

import gzip
import hashlib
import io
import os
import tarfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import IO, Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from agents.cli.whole_file import sync_folder

FORMAT = 1
"""Version of the archive's layout."""

MANIFEST = "manifest.json"

LARGEST_MANIFEST = 16_000_000
"""Longer is no manifest. Bytes."""

_PIECE = 1 << 20


class DamagedArchive(Exception):
    """The file is not a whole backup; the text says what is wrong with it."""


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Member(_Record):
    """A file in the archive."""

    name: str
    """``site/…``, ``data/…`` or ``database/…``."""
    length: Annotated[int, Field(ge=0)]
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    mode: Annotated[int, Field(ge=0, le=0o777)]


class Database(_Record):
    """A PostgreSQL database in the archive."""

    member: str
    """Its dump, in pg_dump's custom format."""
    agent: str
    """One of the agents whose records it holds: its URL in ``site.toml`` says where it belongs."""


class Manifest(_Record):
    """What an archive holds."""

    format: int
    site: str
    made: str
    """When, UTC, ISO 8601."""
    chargebus: str
    """Version that made it."""
    site_folder: str
    """Folder of ``site.toml`` on the machine where it was made."""
    data_folder: str
    """Its ``data_dir``, absolute."""
    members: tuple[Member, ...]
    databases: tuple[Database, ...] = ()
    left_out: tuple[str, ...] = ()
    """What is not in the archive, in words."""

    @property
    def data_in_site(self) -> PurePosixPath | None:
        """Where the data lie below the site's folder; None if they lie elsewhere."""
        data, site = PurePosixPath(self.data_folder), PurePosixPath(self.site_folder)
        return data.relative_to(site) if data.is_relative_to(site) else None


def described(staging: Path) -> tuple[Member, ...]:
    """Return the members that the files below a folder become."""
    paths = sorted(path for path in staging.rglob("*") if path.is_file())
    return tuple(
        Member(
            name=path.relative_to(staging).as_posix(),
            length=path.stat().st_size,
            sha256=_sha256(path),
            mode=path.stat().st_mode & 0o777,
        )
        for path in paths
    )


def write(archive: Path, staging: Path, manifest: Manifest) -> None:
    """Write the archive of all files below ``staging``, read it again, and only then give it its name.

    Raises :class:`DamagedArchive` if what was written cannot be read back, and :class:`OSError`.
    """
    new = archive.with_name(f".{archive.name}.new")
    new.unlink(missing_ok=True)
    # It holds the site's keys: it is nobody else's from the first byte on.
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as raw:
        with (
            gzip.GzipFile(fileobj=raw, mode="wb", compresslevel=6) as packed,
            tarfile.open(fileobj=packed, mode="w") as tar,
        ):
            text = manifest.model_dump_json(indent=1).encode()
            tar.addfile(_entry(MANIFEST, len(text), 0o600), io.BytesIO(text))
            for member in manifest.members:
                with (staging / member.name).open("rb") as file:
                    tar.addfile(_entry(member.name, member.length, member.mode), file)
        raw.flush()
        os.fsync(raw.fileno())
    check(new)
    new.rename(archive)
    sync_folder(archive.parent)


def check(archive: Path) -> Manifest:
    """Read all of an archive and return its manifest. Raises :class:`DamagedArchive` and :class:`OSError`."""
    return _read(archive, lambda _member, pieces: sum(map(len, pieces)))


def unpack(archive: Path, folder: Path) -> Manifest:
    """Write an archive's files below an empty folder; what is damaged is found while writing.

    Raises :class:`DamagedArchive`: then what lies in the folder must not be used.
    """

    def keep(member: Member, pieces: Iterator[bytes]) -> None:
        path = folder / member.name
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            for piece in pieces:
                file.write(piece)
            os.fchmod(file.fileno(), member.mode)
            file.flush()
            os.fsync(file.fileno())

    return _read(archive, keep)


def _read(archive: Path, take: Callable[[Member, Iterator[bytes]], object]) -> Manifest:
    try:
        with gzip.open(archive) as packed, tarfile.open(fileobj=packed, mode="r|") as tar:
            manifest = _manifest(tar)
            awaited = {member.name: member for member in manifest.members}
            for entry in iter(tar.next, None):
                member = awaited.pop(entry.name, None)
                if member is None or not entry.isreg():
                    raise DamagedArchive(f"{entry.name[:200]!r} is not in the manifest")
                take(member, _checked(tar.extractfile(entry), member))
            while packed.read(_PIECE):  # gzip's own checksum stands at its end.
                pass
    except (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DamagedArchive(f"it cannot be read to its end: {error or 'it is cut off'}") from None
    if awaited:
        raise DamagedArchive(f"{len(awaited)} files of the manifest are missing, for example {min(awaited)}")
    return manifest


def _manifest(tar: tarfile.TarFile) -> Manifest:
    first = tar.next()
    stream = tar.extractfile(first) if first is not None and first.name == MANIFEST and first.isreg() else None
    if first is None or stream is None or first.size > LARGEST_MANIFEST:
        raise DamagedArchive("it does not begin with a manifest: it was not made by chargebus backup")
    try:
        manifest = Manifest.model_validate_json(stream.read())
    except ValidationError as error:
        problem = error.errors(include_url=False, include_input=False, include_context=False)[0]
        where = ".".join(map(str, problem["loc"]))
        raise DamagedArchive(f"its manifest is wrong: {where}: {problem['msg']}") from None
    if manifest.format != FORMAT:
        raise DamagedArchive(f"its format is {manifest.format}; this chargebus knows {FORMAT}: use a newer one")
    names = [member.name for member in manifest.members]
    for name in names:
        if not _is_safe(name):
            raise DamagedArchive(f"its manifest names {name[:200]!r}, which would lead out of the folder")
    if len(set(names)) != len(names):
        raise DamagedArchive("its manifest names a file twice")
    return manifest


def _is_safe(name: str) -> bool:
    parts = PurePosixPath(name).parts
    return (
        len(parts) >= 2
        and parts[0] in ("site", "data", "database")
        and ".." not in parts
        and "\0" not in name
        and PurePosixPath(name).as_posix() == name
    )


def _checked(stream: IO[bytes] | None, member: Member) -> Iterator[bytes]:
    """Yield a member's content. Raises :class:`DamagedArchive` at its end if it is not what the manifest says."""
    digest, length = hashlib.sha256(), 0
    while stream is not None and (piece := stream.read(_PIECE)):
        digest.update(piece)
        length += len(piece)
        yield piece
    if length != member.length or digest.hexdigest() != member.sha256:
        raise DamagedArchive(f"{member.name} is not what was saved")


def _entry(name: str, length: int, mode: int) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = length, mode
    return entry


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
