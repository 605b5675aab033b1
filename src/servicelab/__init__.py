"""Servicelab: what a lesson on microservices would only be cluttered by."""

from servicelab.stack import Stack

__all__ = ["Stack"]
