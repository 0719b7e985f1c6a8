"""A reader of line protocol, written from its specification and not from our writer."""

Point = tuple[str, tuple[tuple[str, str], ...], dict[str, object], int]


def _split(text: str, at: str) -> list[str]:
    """Split at ``at`` where it is neither escaped nor within a quoted text."""
    parts, part, quoted, index = [], "", False, 0
    while index < len(text):
        char = text[index]
        if char == "\\" and index + 1 < len(text):
            part += text[index : index + 2]
            index += 2
            continue
        if char == '"':
            quoted = not quoted
        if char == at and not quoted:
            parts.append(part)
            part = ""
        else:
            part += char
        index += 1
    return [*parts, part]


def _plain(text: str) -> str:
    return text.replace("\\,", ",").replace("\\ ", " ").replace("\\=", "=")


def _value(text: str) -> object:
    if text[0] == '"':
        assert text[-1] == '"'
        return text[1:-1].replace('\\"', '"').replace("\\\\", "\\")
    if text in ("true", "false"):
        return text == "true"
    return int(text[:-1]) if text[-1] == "i" else float(text)


def read(line: str) -> Point:
    assert "\n" not in line
    series, values, time = _split(line, " ")
    name, *tags = _split(series, ",")
    fields = dict(_split(each, "=") for each in _split(values, ","))
    pairs = tuple((_plain(tag), _plain(value)) for tag, value in (_split(each, "=") for each in tags))
    return _plain(name), pairs, {key: _value(value) for key, value in fields.items()}, int(time)
