"""Show what runs: a piece of a service's source, read from its real file, so that a lesson can't drift from it."""

from __future__ import annotations

import ast
import textwrap

from servicelab import settings
from servicelab.errors import ServicelabError

_Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def of(path: str, name: str = "") -> str:
    """The text of PATH (below services/); with NAME that of the function, method or class alone, dedented, decorators included.

    Raises `ServicelabError` for a file or a name that is not there.
    """
    try:
        text = (settings.root() / "services" / path).read_text(encoding="utf-8")
    except OSError as error:
        raise ServicelabError(f"services/{path} can't be shown", why=str(error.strerror)) from None
    if not name:
        return text
    definitions = [node for node in ast.walk(ast.parse(text)) if isinstance(node, _Definition)]
    for node in definitions:
        if node.name == name:
            first = min(part.lineno for part in [node, *node.decorator_list])
            return textwrap.dedent("".join(text.splitlines(keepends=True)[first - 1 : node.end_lineno]))
    there = ", ".join(sorted({node.name for node in definitions}))
    raise ServicelabError(f"services/{path} defines no {name}", fix=f"it defines: {there}")
