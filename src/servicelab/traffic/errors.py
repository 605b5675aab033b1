"""The one error of this package."""

from __future__ import annotations

from servicelab.errors import ServicelabError


class TrafficError(ServicelabError):
    """Traffic that can't be made as asked, or a generator process that died."""
