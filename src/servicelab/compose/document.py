"""YAML to plain Python, with the line of everything, and ``${VARIABLE}`` filled in."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from servicelab.errors import ComposeError

Key = tuple[str | int, ...]


class _Loader(yaml.SafeLoader):
    """YAML 1.2's scalars, as docker compose reads them: ``on`` and ``22:22`` are strings, not a bool and 1342."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012 (PyYAML's own name)


for _tag, _pattern, _first in (
    ("bool", r"^(?:true|True|TRUE|false|False|FALSE)$", "tTfF"),
    ("null", r"^(?:~|null|Null|NULL|)$", ["~", "n", "N", ""]),
    ("int", r"^(?:[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+)$", "-+0123456789"),
    ("float", r"^[-+]?(?:\.[0-9]+|[0-9]+\.[0-9]*)(?:[eE][-+]?[0-9]+)?$", "-+0123456789."),
    ("merge", r"^<<$", "<"),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(_pattern), list(_first))


# Numbers and dates to docker compose, which reads YAML 1.1 in part, and text to others: whoever means text has to say so.
_AMBIGUOUS = re.compile(
    r"[-+]?[0-9]+[eE][-+]?[0-9]+|[-+]?(?:0[box])?[0-9a-fA-F]*[0-9]_[0-9_]*|[-+]?0b[01]+|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)"
    r"|\d{4}-\d\d?-\d\d?(?:[Tt ].*)?"
)


class Document:
    """A parsed file: ``data``, and ``line(path)`` for the line (from 1) at which a value or key stands."""

    def __init__(self, path: Path, data: dict[str, Any], lines: dict[Key, int]) -> None:
        self.path = path
        self.data = data
        self._lines = lines

    def line(self, key: Key) -> int:
        """The line of KEY, or of the nearest thing around it that has one."""
        while key and key not in self._lines:
            key = key[:-1]
        return self._lines.get(key, 0)

    def error(self, what: str, key: Key = (), *, why: str = "", fix: str = "") -> ComposeError:
        """An error that points at KEY."""
        return ComposeError(what, file=self.path.name, line=self.line(key), why=why, fix=fix)


def read(path: Path, variables: Mapping[str, str]) -> Document:
    """Parse PATH and fill in VARIABLES. Raises `ComposeError`: no such file, not YAML, a variable that is missing."""
    try:
        text = path.read_text("utf-8")
    except OSError as error:
        there = ", ".join(sorted(p.stem for p in path.parent.glob("*.yaml"))) or "none"
        raise ComposeError(
            "can't be read", file=path.name, why=error.strerror or str(error), fix=f"stacks that are there: {there}"
        ) from None
    try:
        loader = _Loader(text)
        root = loader.get_single_node()
        lines: dict[Key, int] = {}
        document = Document(path, {}, lines)
        data = _construct(loader, root, (), document, lines, variables) if root is not None else None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise ComposeError(
            "is not YAML",
            file=path.name,
            line=mark.line + 1 if mark else 0,
            why=error.problem or str(error),
            fix="look at the indentation, and for a missing quote or colon, on this line and the one before",
        ) from None
    if not isinstance(data, dict):
        raise ComposeError("is not a Compose file", file=path.name, line=1, fix="it must begin with `name:` and `services:`")
    document.data = data
    return document


def _with_merged(node: yaml.MappingNode) -> list[tuple[yaml.Node, yaml.Node]]:
    """NODE's entries after those that ``<<`` brings; a later one wins. Of a list of mappings the first one does.

    Not PyYAML's flatten_mapping: since its 6.0.4 the last one of a list wins.
    """
    merged: list[tuple[yaml.Node, yaml.Node]] = []
    own = []
    for key, value in node.value:
        if key.tag != "tag:yaml.org,2002:merge":
            own.append((key, value))
            continue
        for source in value.value if isinstance(value, yaml.SequenceNode) else [value]:
            if not isinstance(source, yaml.MappingNode):
                raise yaml.MarkedYAMLError(problem="`<<` takes a mapping, or a list of them", problem_mark=source.start_mark)
            merged = [*_with_merged(source), *merged]
    return merged + own


def _construct(
    loader: _Loader, node: yaml.Node, key: Key, document: Document, lines: dict[Key, int], variables: Mapping[str, str]
) -> Any:
    lines.setdefault(key, node.start_mark.line + 1)
    if isinstance(node, yaml.MappingNode):
        own = [k.value for k, _ in node.value]
        mapping: dict[str, Any] = {}
        for key_node, value_node in _with_merged(node):
            name = str(key_node.value)
            lines[(*key, name)] = key_node.start_mark.line + 1
            if name in mapping and own.count(name) > 1:
                raise document.error(f"`{name}` is there twice", (*key, name), fix="delete one of them")
            mapping[name] = _construct(loader, value_node, (*key, name), document, lines, variables)
        return mapping
    if isinstance(node, yaml.SequenceNode):
        return [_construct(loader, item, (*key, index), document, lines, variables) for index, item in enumerate(node.value)]
    value = loader.construct_object(node)
    is_text = isinstance(node, yaml.ScalarNode) and isinstance(value, str) and node.style is None and _AMBIGUOUS.fullmatch(value)
    if is_text or (isinstance(value, int) and abs(value) >= 2**63):
        raise document.error(
            f"{node.value} is a number or a date in some versions of YAML", key, fix=f"in quotes it is text: '{node.value}'"
        )
    return interpolate(value, variables, document, key) if isinstance(value, str) else value


_WORD = r"(?:[^{}]|\{(?:[^{}]|\{[^{}]*\})*\})*"  # with a variable in it, and one in that: deeper than anybody nests
_VARIABLE = re.compile(
    r"\$(?:(?P<escaped>\$)|(?P<plain>[A-Za-z_]\w*)|\{(?P<name>[A-Za-z_]\w*)(?:(?P<op>:?[-?+])(?P<word>" + _WORD + r"))?\}"
    r"|(?P<bad>))"
)


def interpolate(text: str, variables: Mapping[str, str], document: Document, key: Key) -> str:
    """TEXT with ``$V``, ``${V}``, ``${V:-default}``, ``${V:?message}``, ``${V:+other}`` (also without colon) filled in."""

    def fill(match: re.Match[str]) -> str:
        if match["escaped"]:
            return "$"
        if match["bad"] is not None:
            raise document.error(f"a `$` that begins no variable in {text!r}", key, fix="write $$ for a dollar sign")
        name = match["plain"] or match["name"]
        operator, word = match["op"] or "", match["word"] or ""
        value = variables.get(name)
        missing = value is None or (operator.startswith(":") and not value)
        if operator.endswith("?") and missing:
            raise document.error(f"the variable {name} is missing", key, why=word, fix=f"set {name} in the environment")
        if operator.endswith("-") and missing:
            return interpolate(word, variables, document, key)
        if operator.endswith("+"):
            return "" if missing else interpolate(word, variables, document, key)
        if value is None:
            raise document.error(f"the variable {name} is not set", key, fix=f"set {name}, or give a default: ${{{name}:-…}}")
        return value

    return _VARIABLE.sub(fill, text)
