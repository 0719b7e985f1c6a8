"""``site.toml``: what is wrong is named with its file, line and key, and with what is allowed."""

import tomllib
from pathlib import Path
from typing import Annotated, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field, model_validator

from agents.runtime.configuration.config_errors import unknown_key
from agents.runtime.configuration.site_config import AgentSettings, ConfigError, SettingError, Settings, load_site
from agents.runtime.configuration.site_sample import render_sample
from agents.runtime.configuration.toml_lines import key_lines, line_of


class Group(Settings):
    """People."""

    name: str
    """Its name."""
    cards: list[str] = []
    """Its cards."""


class DoorSettings(AgentSettings):
    """Settings of the door."""

    open_s: Annotated[int, Field(ge=1, le=60)] = 5
    """How long it stays open."""
    limit_a: float | None = None
    """Limit."""
    groups: list[Group] = []
    """Who may enter."""
    default_group: str | None = None
    """Group of strangers."""
    named: dict[str, Group] = {}
    """Groups by name."""

    @model_validator(mode="after")
    def _references(self) -> "DoorSettings":
        names = [group.name for group in self.groups]
        if self.default_group is not None and self.default_group not in names:
            allowed = ", ".join(names) or "none"
            raise SettingError(f"there is no group {self.default_group!r}; there are: {allowed}", ("default_group",))
        for number, group in enumerate(self.groups):
            for position, card in enumerate(group.cards):
                if not card:
                    raise SettingError("a card may not be empty", ("groups", number, "cards", position))
        return self


def load(tmp_path: Path, text: str) -> DoorSettings:
    path = tmp_path / "site.toml"
    path.write_text(text)
    return load_site(path, known=["door", "gate"]).settings("door", DoorSettings)


CASES: dict[str, tuple[str, int | None, str, str]] = {
    # what: (text, line, key, part of the reason)
    "not TOML": ('site = "g"\n[broker\n', 2, "", "not valid TOML"),
    "not TOML at the end": ('site = "g"\nx = [1,\n', 3, "", "not valid TOML"),
    "twice": ('site = "g"\nsite = "h"\n', 2, "", "not valid TOML"),
    "no site": ("[broker]\nport = 1\n", 1, "site", "is missing"),
    "bad site": ('\nsite = "A+"\n', 2, "site", "should match"),
    "unknown table": ('site = "g"\n[dor]\n', 2, "dor", 'did you mean "door"'),
    "unknown key at the top": ('site = "g"\ndate_dir = "x"\n', 2, "date_dir", 'did you mean "data_dir"'),
    "unknown key": ('site = "g"\n[broker]\n# port\nprot = 1\n', 4, "broker.prot", 'did you mean "port"'),
    "unknown key, dotted": ('site = "g"\n\nbroker.prot = 1\n', 3, "broker.prot", 'did you mean "port"'),
    "unknown key, inline": ('site = "g"\nbroker = { host = "x", prot = 1 }\n', 2, "broker.prot", "did you mean"),
    "wrong type": ('site = "g"\n[broker]\nport = "1883"\n', 3, "broker.port", "valid integer"),
    "out of range": ('site = "g"\n[broker]\nport = 0\n', 3, "broker.port", "greater than or equal to 1"),
    "wrong unit in the value": ('site = "g"\n[door]\nopen_s = "5 s"\n', 3, "door.open_s", "(seconds)"),
    "wrong unit in the key": ('site = "g"\n[door]\nopen_ms = 5000\n', 3, "door.open_ms", '"open_s" (seconds)'),
    "wrong unit, amperes": ('site = "g"\n[door]\nlimit_a = "16A"\n', 3, "door.limit_a", "(amperes)"),
    "wrong word": ('site = "g"\n[log]\nlevel = "loud"\n', 3, "log.level", "'debug', 'info'"),
    "scalar for a table": ('site = "g"\ndoor = 1\n', 2, "door", "unknown key"),
    "scalar for a common table": ('site = "g"\nbroker = 1\n', 2, "broker", "dictionary"),
    "array of tables": (
        'site = "g"\n[[door.groups]]\nname = "a"\n\n[[door.groups]]\n# no name\ncards = []\n',
        5, "door.groups[1].name", "is missing",
    ),
    "key in an array of tables": (
        'site = "g"\n[[door.groups]]\nname = "a"\n[[door.groups]]\nname = "b"\ncard = []\n',
        6, "door.groups[1].card", 'did you mean "cards"',
    ),
    "element of a list over lines": (
        'site = "g"\n[[door.groups]]\nname = "a"\ncards = [\n  "1", # one\n  2,\n]\n',
        6, "door.groups[0].cards[1]", "valid string",
    ),
    "table in a table": ('site = "g"\n[door.named.x]\nname = "a"\n[door.named."y z"]\nname = 1\n', 5,
                         "door.named.y z.name", "valid string"),
    "reference that leads nowhere": (
        'site = "g"\n[door]\nopen_s = 1\ndefault_group = "c"\ngroups = [{ name = "a" }, { name = "b" }]\n',
        4, "door.default_group", "there is no group 'c'; there are: a, b",
    ),
    "reference deep inside": (
        'site = "g"\n[[door.groups]]\nname = "a"\ncards = [\n"x",\n"",\n]\n',
        6, "door.groups[0].cards[1]", "may not be empty",
    ),
    "password in the URL": ('site = "g"\n[store]\nurl = "postgresql://u:hush@h/d"\n', 3, "store.url", "password_file"),
    "shared SQLite file": ('site = "g"\n[store]\nurl = "sqlite:///x.db"\n', 3, "store.url", "{agent}"),
    "unknown database": ('site = "g"\n[store]\nurl = "oracle://x/y"\n', 3, "store.url", "not supported"),
    "no URL at all": ('site = "g"\n[store]\nurl = "x"\n', 3, "store.url", "not a database URL"),
    "key without certificate": ('site = "g"\n[broker]\nkey_file = "k"\n', 3, "broker.key_file", "cert_file"),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_error_names_line_key_and_reason(tmp_path: Path, name: str) -> None:
    text, line, key, reason = CASES[name]
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, text)
    error = caught.value
    assert (error.line, error.key) == (line, key)
    assert reason in error.reason
    assert str(error).startswith(f"{tmp_path}/site.toml:{line}: ")
    assert "hush" not in str(error)
    assert "\n" not in str(error)


def test_unreadable_file_is_an_error_without_a_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot read the file: No such file") as caught:
        load_site(tmp_path / "nowhere.toml")
    assert caught.value.line is None
    (tmp_path / "binary.toml").write_bytes(b'site = "g"\n\xff')
    with pytest.raises(ConfigError, match=r"binary.toml:2: is not UTF-8"):
        load_site(tmp_path / "binary.toml")


def test_what_is_allowed_is_listed(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="Allowed here: default_group, groups, hosts, limit_a, metrics_host"):
        load(tmp_path, 'site = "g"\n[door]\nzzz = 1\n')
    assert unknown_key("x", []) == "unknown key. Allowed here: nothing"


def test_defaults_and_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CHARGEBUS_BROKER_PASSWORD", raising=False)
    path = tmp_path / "site.toml"
    path.write_text('site = "g"\ndata_dir = "d"\n[broker]\npassword_file = "secrets/{agent}"\n[door]\nlimit_a = 16\n')
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "ledger").write_text("hush\nnot this\n")
    site = load_site(path)
    assert site.data_dir == tmp_path / "d"
    assert site.broker_username("ledger") == "ledger"
    assert site.broker_password("ledger") == "hush"
    assert site.store_url("ledger").database == str(tmp_path / "d" / "ledger.sqlite3")
    assert site.settings("door", DoorSettings).limit_a == 16.0
    assert site.settings("gate", AgentSettings) == AgentSettings()
    assert "hush" not in repr(site)
    with pytest.raises(ConfigError, match=r"site.toml:4: broker.password_file: cannot read .*access: No such file"):
        site.broker_password("access")
    monkeypatch.setenv("CHARGEBUS_BROKER_PASSWORD", "other")
    assert site.broker_password("access") == "other"


def test_database_password_comes_from_its_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CHARGEBUS_STORE_PASSWORD", raising=False)
    path = tmp_path / "site.toml"
    path.write_text('site = "g"\n[store]\nurl = "postgresql://u@h/{agent}"\npassword_file = "pw"\n')
    (tmp_path / "pw").write_text("hu/sh@\n")
    url = load_site(path).store_url("ledger")
    assert (url.password, url.database) == ("hu/sh@", "ledger")
    assert "hu/sh" not in str(url)
    path.write_text('site = "g"\n[store]\nurl = "sqlite:///dbs/{agent}.db"\n')
    assert load_site(path).store_url("ledger").database == str(tmp_path / "dbs" / "ledger.db")


def test_sample_shows_every_setting_and_loads(tmp_path: Path) -> None:
    text = render_sample({"door": DoorSettings, "gate": AgentSettings})
    path = tmp_path / "site.toml"
    path.write_text(text)
    site = load_site(path, known=["door", "gate"])
    assert site.settings("door", DoorSettings) == DoorSettings()
    for name in ("keepalive_s", "password_file", "metrics_port", "open_s", "default_group", "How long it stays open."):
        assert name in text
    uncommented = "".join(
        line.removeprefix("# ") + "\n" if " = " in line and not line.endswith(".") else line + "\n"
        for line in text.splitlines()
        if not line.endswith(" =")
    )
    path.write_text(uncommented)
    assert load_site(path, known=["door", "gate"]).settings("door", DoorSettings) == DoorSettings()


KEYS = st.text("abc-_1 .\"'#=[]é\\", min_size=1, max_size=5)
VALUES = st.recursive(
    st.integers() | st.booleans() | st.text(max_size=12) | st.floats(allow_nan=False, allow_infinity=False),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(KEYS, children, max_size=3),
    max_leaves=12,
)


def _quote(value: str) -> str:
    escapes = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"}
    text = "".join(escapes.get(c, c if c.isprintable() and ord(c) < 0xD800 else f"\\U{ord(c):08x}") for c in value)
    return f'"{text}"'


def _write(value: Any, draw: Any, lines: list[str]) -> None:
    """Append ``value`` to the last of ``lines``, breaking lines where TOML allows it."""
    if isinstance(value, list):
        lines[-1] += "["
        for item in value:
            if draw(st.booleans()):
                lines[-1] += " # ] comment"
                lines.append("  ")
            _write(item, draw, lines)
            lines[-1] += ", "
        lines[-1] += "]"
    elif isinstance(value, dict):
        lines[-1] += "{"
        for number, (key, item) in enumerate(value.items()):
            lines[-1] += (", " if number else " ") + _quote(key) + " = "
            _write(item, draw, lines)
        lines[-1] += " }"
    elif isinstance(value, bool):
        lines[-1] += str(value).lower()
    else:
        lines[-1] += _quote(value) if isinstance(value, str) else repr(value)


def _paths(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(deeper for key, child in children for deeper in _paths(child, (*path, key)))]


@given(st.data())
def test_every_key_of_any_document_is_found(data: st.DataObject) -> None:
    """Documents with inline and dotted tables, arrays over lines and every kind of key."""
    document = data.draw(st.dictionaries(KEYS, VALUES, max_size=5))
    lines: list[str] = []
    starts: dict[tuple[Any, ...], int] = {}
    for key, value in document.items():
        if isinstance(value, dict) and value and data.draw(st.booleans()):
            lines.append(f"[{_quote(key)}]")
            continue_in: Any = value
            starts[(key,)] = len(lines)
        else:
            continue
        for inner, item in continue_in.items():
            lines.append(f"{_quote(inner)} = ")
            starts[(key, inner)] = len(lines)
            _write(item, data.draw, lines)
    top: list[str] = []
    for key, value in document.items():
        if (key,) not in starts:
            top.append(f"{_quote(key)} = ")
            starts[(key,)] = -len(top)
            _write(value, data.draw, top)
    text = "\n".join([*top, *lines]) + "\n"
    assert tomllib.loads(text) == document
    found = key_lines(text)
    assert set(found) == {path for path in _paths(document) if path}
    for path, line in starts.items():
        assert found[path] == (-line if line < 0 else len(top) + line)


def test_lines_of_headers_multi_line_strings_and_nearest_parents() -> None:
    text = '''\
# [not.a.table]
a = """
b = 1
[c]
"""
"quoted.key" . d = 'x'
[[list]]
x = 1
[[list]]
[list.sub]
y = 2 # y = 3
[[list.deep]]
[[list.deep]]
z = {p = [1, {q = 2}]}
'''
    tomllib.loads(text)
    expected = {
        ("a",): 2, ("quoted.key", "d"): 6, ("list",): 7, ("list", 0, "x"): 8, ("list", 1): 9, ("list", 1, "sub"): 10,
        ("list", 1, "sub", "y"): 11, ("list", 1, "deep", 1): 13, ("list", 1, "deep", 1, "z", "p", 1, "q"): 14,
    }  # fmt: skip
    for path, line in expected.items():
        assert line_of(text, path) == line
    assert line_of(text, ("list", 1, "sub", "missing")) == 10
    assert line_of(text, ("missing",)) == 1
