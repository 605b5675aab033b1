"""Third-party images: from this engine, from a registry, or made by a recipe of ours."""

from servicelab.images.sources import Row, catalogue, ensure, referenced, upstream

__all__ = ["Row", "catalogue", "ensure", "referenced", "upstream"]
