"""Hypothesis strategies made from the contract itself: valid messages, and commands that are nearly valid."""

from typing import Any

from hypothesis import strategies as st

from bus_schema.charger_settings import ChargerSettings
from bus_schema.command import Command
from bus_schema.fields import variants
from bus_schema.ids import ID_PATTERN

ids = st.from_regex(r"[a-z0-9][a-z0-9_-]{0,31}", fullmatch=True)

# What MicroPython's JSON reader and ours agree on: any character but lone surrogates.
texts = st.text(st.characters(exclude_categories=["Cs"]))

BY_PATTERN = {
    ID_PATTERN: ids,
    r"^[\x21-\x7e]+$": st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=64),
    r"^[0-9a-f]{12}$": st.from_regex(r"[0-9a-f]{12}", fullmatch=True),
    r"^[0-9a-f]{64}$": st.from_regex(r"[0-9a-f]{64}", fullmatch=True),
    r"^[0-9]{1,3}\.[0-9]{1,3}$": st.just("1.0"),
    r"^[A-Za-z]{1,50}$": st.from_regex(r"[A-Za-z]{1,50}", fullmatch=True),
    r"^[a-z_]{1,40}$": st.from_regex(r"[a-z_]{1,40}", fullmatch=True),
    r"^(https?|ftps?|mqtt)://[^\s\x1c-\x1f]+$": st.builds(
        "{}://{}".format,
        st.sampled_from(["http", "https", "ftp", "ftps", "mqtt"]),
        st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=60),
    ),
}


def of_schema(schema: dict[str, Any], root: dict[str, Any] | None = None) -> st.SearchStrategy[Any]:
    """Return a strategy for JSON values that the schema allows."""
    root = schema if root is None else root
    if "$ref" in schema:
        return of_schema(root["$defs"][schema["$ref"].rsplit("/", 1)[-1]], root)
    for several in ("anyOf", "oneOf"):
        if several in schema:
            return st.one_of([of_schema(option, root) for option in schema[several]])
    if "const" in schema:
        return st.just(schema["const"])
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    match schema["type"]:
        case "null":
            return st.none()
        case "boolean":
            return st.booleans()
        case "integer":
            return st.integers(schema["minimum"], schema.get("maximum", 2**53 - 1))
        case "number":
            low, high = schema["minimum"], schema["maximum"]
            return st.floats(low, high, allow_nan=False) | st.integers(low, high)
        case "string":
            return _string(schema)
        case "array":
            return st.lists(
                of_schema(schema["items"], root),
                min_size=schema.get("minItems", 0),
                max_size=min(3, schema.get("maxItems", 3)),
            )
        case "object":
            return _object(schema, root)
    raise TypeError(schema)


def _string(schema: dict[str, Any]) -> st.SearchStrategy[str]:
    if "pattern" in schema:
        low, high = schema.get("minLength", 0), schema.get("maxLength", 10_000)
        return BY_PATTERN[schema["pattern"]].filter(lambda value: low <= len(value) <= high)
    return st.text(
        st.characters(exclude_categories=["Cs"]),
        min_size=schema.get("minLength", 0),
        max_size=min(64, schema["maxLength"]),
    )


def _object(schema: dict[str, Any], root: dict[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    required = set(schema.get("required", ()))
    # A union's member is told by a field that has a default in Python and must stand on the bus.
    required |= {name for name, field in schema.get("properties", {}).items() if "const" in field}
    properties = {name: of_schema(field, root) for name, field in schema.get("properties", {}).items()}
    made = st.fixed_dictionaries(
        {name: value for name, value in properties.items() if name in required},
        optional={name: value for name, value in properties.items() if name not in required},
    )
    return made.filter(lambda value: len(value) >= schema.get("minProperties", 0))


_numbers = st.sampled_from(
    [
        *(0, 1, -1, 5, 6, 80, 81, 400, 1000, 1001, 3600, 86_400, 86_401, 2**31, 2**53, 10**30, 10**400),
        *(0.0, -0.0, 1.0, 5.5, 1e-300, 1e300, 1000.0, 1000.0000001, float("nan"), float("inf"), float("-inf")),
    ]
)
_words = st.sampled_from(
    [
        *(
            "",
            "x",
            "X",
            "a" * 32,
            "a" * 33,
            "a" * 64,
            "a" * 65,
            "a" * 400,
            "a" * 401,
            "a" * 512,
            "+",
            "#",
            "a/b",
            "a b",
        ),
        *("\x00", "é", "-a", "_a", "a\n", "NaN", "1", "soft", "rfid", "http://", "http://x", "http://x y", "ftp://é"),
        *(
            "http://\u00a0",
            "http://a\u2003b",
            "http://a\x1fb",
            "http://a\x00b",
            "http://a\x85",
            "f" * 64,
            "F" * 64,
            "f" * 63,
            "🚗" * 400,
            "🚗" * 401,
            "load_balancer",
        ),
    ]
)
anything = st.recursive(
    st.none() | st.booleans() | _numbers | _words | texts | st.integers() | st.floats(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_words, inner, max_size=3),
    max_leaves=4,
)
"""Any JSON value, most of them at the edges of what some field allows."""

commands = st.one_of([of_schema(model.model_json_schema()) for model in variants(Command)])
"""Valid commands, as the objects that their JSON holds."""

_settings = sorted(ChargerSettings.model_fields)


@st.composite
def nearly_commands(draw: st.DrawFn) -> dict[str, Any]:
    """Draw a command with a few fields, at any depth, taken away, added or replaced."""
    command = draw(commands)
    for _ in range(draw(st.integers(0, 3))):
        target = command
        inner = [value for value in command.values() if isinstance(value, dict)]
        inner += [entry for value in command.values() if isinstance(value, list) for entry in value]
        inner = [value for value in inner if isinstance(value, dict)]
        if inner and draw(st.booleans()):
            target = draw(st.sampled_from(inner))
        keys = sorted(target)
        match draw(st.sampled_from(["remove", "replace", "add", "setting"])):
            case "remove" if keys:
                del target[draw(st.sampled_from(keys))]
            case "replace" if keys:
                target[draw(st.sampled_from(keys))] = draw(anything)
            case "add":
                target[draw(_words)] = draw(anything)
            case "setting" if isinstance(command.get("settings"), dict):
                command["settings"][draw(st.sampled_from(_settings))] = draw(anything)
    return command
