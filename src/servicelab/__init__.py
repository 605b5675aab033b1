"""Servicelab: what a lesson on microservices would only be cluttered by."""
