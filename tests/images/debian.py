"""A Debian with Python, out of this machine's own packages: the base of `deploy/Dockerfile` where none can be pulled.

Only what dpkg lists is copied, so that nothing else of this machine gets in, and dpkg's own records of it, so that apt
installs what the Dockerfile asks for on top. Where packages come from is as this machine has it set.
"""

import os
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from tests.images.build import CannotMake, copy, run

WANTED = ("apt", "ca-certificates", "debian-archive-keyring", "python3-venv")
"""What the Dockerfile's own commands need, beside Debian's essential packages."""

SETTINGS = ("etc/apt/apt.conf.d", "etc/apt/sources.list", "etc/apt/sources.list.d", "etc/apt/keyrings",
            "etc/apt/trusted.gpg.d", "etc/pip.conf", "etc/resolv.conf")  # fmt: skip
"""Where this machine gets packages from."""

PIP = ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_CERT", "PIP_DEFAULT_TIMEOUT")
"""The same in its environment."""

MADE = ("etc/ssl/certs", "etc/ca-certificates.conf", "etc/ld.so.cache", "etc/ld.so.conf.d", "var/lib/dpkg/info/format",
        "var/lib/pam")  # fmt: skip
"""Made when a package is set up, and so in none of their lists."""

MERGED = ("bin", "sbin", "lib", "lib64")
"""Since Debian 12 these are names for the folders below ``usr``."""

RECORDS = Path("/var/lib/dpkg")

Package = Mapping[str, str]
"""Its fields as dpkg records them."""


def fill(root: Path) -> Iterable[str]:
    """Put the packages into the image."""
    known = _installed()
    chosen = sorted(_closure(known, (*WANTED, *(name for name in known if known[name].get("Essential") == "yes"))))
    for name in MERGED:
        (root / "usr" / name).mkdir(parents=True)
        (root / name).symlink_to(f"usr/{name}")
    for folder in ("dev", "proc", "sys", "run", "var/lib/apt/lists/partial", "var/cache/apt/archives/partial"):
        (root / folder).mkdir(parents=True)
    info = root / "var/lib/dpkg/info"
    for directory in (info, info.with_name("updates"), info.with_name("triggers")):
        directory.mkdir(parents=True)
    for name in chosen:
        for listed in run("dpkg", "-L", name).splitlines():
            if listed.startswith("/"):  # Others tell of diversions.
                _copy_one(root, Path(listed))
        for record in (RECORDS / "info").glob(f"{name}*"):
            if re.fullmatch(rf"{re.escape(name)}(:\w+)?", record.name.rpartition(".")[0]):
                shutil.copy2(record, info)
    (info.with_name("status")).write_text("\n\n".join(known[name]["text"] for name in chosen) + "\n\n")
    for path in (*SETTINGS, *MADE):
        if Path("/", path).exists():
            copy(root, Path("/", path))
    for name in ("passwd", "group", "shadow", "gshadow"):
        shutil.copy2(Path("/usr/share/base-passwd", f"{name}.master") if name in ("passwd", "group") else "/dev/null",
                     root / "etc" / name)  # fmt: skip
    (root / "usr/bin/python").symlink_to("python3")
    settings = [f"ENV {name}={os.environ[name]}" for name in PIP if name in os.environ]
    return ["ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", *settings, 'CMD ["/bin/sh"]']


def _copy_one(root: Path, path: Path) -> None:
    """Copy a listed path. Documentation goes without."""
    if path.is_relative_to("/usr/share/doc") or path.is_relative_to("/usr/share/man"):
        return
    target = root / path.relative_to("/")
    if path.is_symlink():
        target.parent.mkdir(parents=True, exist_ok=True)
        if not target.is_symlink() and not target.exists():
            target.symlink_to(path.readlink())
    elif path.is_dir():
        target.mkdir(parents=True, exist_ok=True)
        target.chmod(path.stat().st_mode & 0o7777)
    elif path.exists() and not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, target)


def _installed() -> dict[str, Package]:
    """Return what is installed. Raises :class:`CannotMake` where dpkg is not at home."""
    try:
        text = (RECORDS / "status").read_text(encoding="utf-8")
    except OSError:
        raise CannotMake("this is no Debian: there are no records of packages to copy") from None
    found = {}
    for stanza in text.strip().split("\n\n"):
        fields = dict(re.findall(r"^([\w-]+): (.*)$", stanza, re.MULTILINE))
        if fields.get("Status") == "install ok installed":
            found[fields["Package"]] = {**fields, "text": stanza}
    return found


def _closure(known: Mapping[str, Package], wanted: Iterable[str]) -> Iterator[str]:
    """Yield ``wanted`` and what they need. Raises :class:`CannotMake` for what is not installed."""
    providers = {each: name for name, fields in known.items() for each in _names(fields.get("Provides", ""))}
    left, seen = [[name] for name in wanted], set()
    while left:
        choices = left.pop()
        name = next((providers.get(each, each) if each not in known else each for each in choices
                     if each in known or each in providers), None)  # fmt: skip
        if name is None:
            raise CannotMake(f"the package {' or '.join(choices)} is not installed")
        if name not in seen:
            seen.add(name)
            yield name
            for field in ("Pre-Depends", "Depends"):
                left += [_names(group, "|") for group in known[name].get(field, "").split(",") if group.strip()]


def _names(text: str, separator: str = ",") -> list[str]:
    """Return the names in a list of packages, without versions and architectures."""
    return [re.split(r"[\s:(]", each.strip())[0] for each in text.split(separator) if each.strip()]
