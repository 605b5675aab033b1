"""Lab checks: they ask the running system, and what fails says what was seen and where to look.

    checks.that(
        "a redeploy fails no request",
        expected=0,
        seen=run.errors,
        evidence=lambda: shop["orders"].logs(tail=5),
        look="how many replicas are ready while one restarts",
    )

A check that passes prints one line, the same each time: ``ok: a redeploy fails no request``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from servicelab.errors import ServicelabError

_EVIDENCE_SHOWN = 1500


class CheckFailed(ServicelabError):  # noqa: N818 - what a learner reads: "CheckFailed: …"
    """A claim about the running system that does not hold. Attributes: ``claim``, ``expected``, ``seen``."""

    def __init__(self, claim: str, *, expected: str, seen: str, evidence: str = "", look: str = "") -> None:
        why = f"expected {expected}\nseen     {seen}"
        if evidence:
            why += f"\nevidence:\n{evidence}"
        super().__init__(f"not so: {claim}", why=why, fix=f"look at {look}" if look else "")
        self.claim = claim
        self.expected = expected
        self.seen = seen


def that(
    claim: str,
    *,
    expected: Any,
    seen: Any,
    holds: bool | Callable[[Any], bool] | None = None,
    evidence: Any = "",
    look: str = "",
) -> None:
    """Check ``claim``: what is ``seen`` equals what is ``expected``; say so in one line, or raise CheckFailed.

    ``seen`` may be a function that asks the system; where it raises, that is what was seen
    (but NotImplementedError, of an exercise to be done, goes through). ``holds`` (a truth value, or a
    function of what was seen) decides in place of equality; ``expected`` then says in words what would have been right:
    ``expected="under 50 ms", holds=lambda ms: ms < 50``. ``evidence`` is a response of requests, a text (log lines, a row),
    or a function that fetches one, called on failure only. ``look`` completes "look at …".
    """
    raised = False
    if callable(seen):
        try:
            seen = seen()
        except NotImplementedError:
            raise  # an exercise that is still to be done, and nothing about the system
        except Exception as error:  # whatever the learner's system does is a finding, not a fault of the check
            seen, raised = _error(error), True
    if raised:
        good = False
    elif holds is None:
        good = bool(seen == expected)
    else:
        good = bool(holds(seen)) if callable(holds) else bool(holds)
    if good:
        print(f"ok: {claim}")
        return
    words = repr(expected) if holds is None else str(expected)
    saw = seen if raised else repr(seen)
    raise CheckFailed(claim, expected=words, seen=_short(saw, 500), evidence=_evidence(evidence), look=look)


def _evidence(evidence: Any) -> str:
    """The text of what a check was given as evidence."""
    if callable(evidence):
        try:
            evidence = evidence()
        except Exception as error:  # the claim failed; that its evidence can't be had must not hide it
            return f"could not be had: {_error(error)}"
    if hasattr(evidence, "status_code") and hasattr(evidence, "text"):
        request = getattr(evidence, "request", None)
        asked = f"{request.method} {request.url} -> " if request is not None else ""
        evidence = f"{asked}{evidence.status_code}\n{evidence.text}"
    if isinstance(evidence, bytes):
        evidence = evidence.decode(errors="replace")
    return _short(str(evidence).strip(), _EVIDENCE_SHOWN)


def _error(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"


def _short(text: str, limit: int) -> str:
    """The end of a long text: the last log line is the one that matters."""
    return text if len(text) <= limit else "…" + text[-limit:]
