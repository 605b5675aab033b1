"""What can go wrong, said so that one knows what to do next.

Each error has three parts: *what* happened, *why*, and what to do next (*fix*). Errors of other libraries are turned into one
of these at the module that calls them, and nowhere else.
"""

from __future__ import annotations


class ServicelabError(Exception):
    """The root: ``except ServicelabError`` catches all that this library raises on purpose."""

    def __init__(self, what: str, *, why: str = "", fix: str = "") -> None:
        super().__init__(what, why, fix)
        self.what = what
        self.why = why
        self.fix = fix
        self.findings: list[tuple[str, str]] | None = None
        """What the doctor found wrong with this machine when it happened: each with its fix. None: it has not looked."""

    def __str__(self) -> str:
        lines = [self.what]
        parts = [("why", self.why), ("fix", self.fix)]
        for finding, fix in self.findings or ():
            parts += [("doctor", finding), ("fix", fix)]
        for name, text in parts:
            if text:
                lines.append(f"{name}:  " + text.replace("\n", "\n" + " " * (len(name) + 3)))
        return "\n".join(lines)

    def _render_traceback_(self) -> list[str]:
        """In a notebook, the error alone: twenty frames of this library would help nobody."""
        return [f"{type(self).__name__}: {self}"]


class ComposeError(ServicelabError):
    """A Compose file that can't be carried out. ``file`` and ``line`` (from 1; 0: the file as a whole) say where."""

    def __init__(self, what: str, *, file: str, line: int = 0, why: str = "", fix: str = "") -> None:
        place = f"{file}:{line}" if line else file
        super().__init__(f"{place}: {what}", why=why, fix=fix)
        self.file = file
        self.line = line


class EngineError(ServicelabError):
    """The Docker engine can't be reached, or refused what it was asked for."""


class ImageError(ServicelabError):
    """An image that can't be had: not here, not in a registry, and no recipe that works."""


class StartError(ServicelabError):
    """A service that did not come up.

    Attributes: ``service``; ``exit_code`` (None where it never ran or still runs); ``log`` (its last lines).
    """

    def __init__(
        self, what: str, *, service: str, exit_code: int | None = None, log: str = "", why: str = "", fix: str = ""
    ) -> None:
        if log:
            why = f"{why}\nits last log lines:\n{log}" if why else f"its last log lines:\n{log}"
        super().__init__(what, why=why, fix=fix)
        self.service = service
        self.exit_code = exit_code
        self.log = log


class UpdateError(ServicelabError):
    """A changed source file that did not go live. The last good one is back in place."""


class FaultError(ServicelabError):
    """A fault that can't be meant, or that could not begin. What it had begun is undone."""


class LessonError(ServicelabError):
    """A lesson or lab that is not as it has to be, or whose run failed."""
