"""What a build inside a container must know of this machine: its certificate authorities and its proxies.

Behind a proxy that inspects TLS, pip and npm in a build trust nothing until they get the machine's CA bundle. It goes into
the images that builds start from, as one more layer; it never goes to a registry.
"""

from __future__ import annotations

import hashlib
import os
import ssl
from collections.abc import Mapping
from pathlib import Path

_BUNDLES = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "PIP_CERT", "CURL_CA_BUNDLE")
_EXTRA = "NODE_EXTRA_CA_CERTS"  # what Node.js adds to its own, so often the one extra certificate alone
_PASSED_ON = ("http_proxy", "https_proxy", "no_proxy", "PIP_INDEX_URL", "GOPROXY")

IN_IMAGE = "/etc/ssl/certs/servicelab-ca.pem"
"""Where the bundle lies in an image that carries one."""

LABEL = "servicelab.ca"
"""The label of such an image; its value is `fingerprint()` of the bundle."""


def bundle(environment: Mapping[str, str] = os.environ) -> bytes:
    """The machine's CA bundle (PEM), when its environment names one; else empty, and images are left as they are."""
    named = next((environment[name] for name in _BUNDLES if environment.get(name)), "")
    extra = environment.get(_EXTRA, "")
    if extra and not named:
        named = ssl.get_default_verify_paths().cafile or ""
    paths = dict.fromkeys(Path(name).resolve() for name in (named, extra) if name)
    return b"\n".join(path.read_bytes() for path in paths if path.is_file())


def fingerprint(pem: bytes) -> str:
    """A short name of the bundle's content; the empty string for no bundle."""
    return hashlib.sha256(pem).hexdigest()[:16] if pem else ""


def layer(image: str, pem: bytes) -> str:
    """The Dockerfile that puts the file ``ca.pem`` onto ``image``; with no bundle, one that adds nothing."""
    if not pem:
        return f"FROM {image}\n"
    variables = " ".join(f"{name}={IN_IMAGE}" for name in (*_BUNDLES, _EXTRA))
    return f"FROM {image}\nCOPY ca.pem {IN_IMAGE}\nENV {variables}\nLABEL {LABEL}={fingerprint(pem)}\n"


def build_args(environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Build arguments for any build on this machine: proxies and package indexes, where the environment names them.

    The proxies are predefined arguments, which stay out of the image and its history. PIP_INDEX_URL and GOPROXY reach
    the steps of a Dockerfile that says ``ARG PIP_INDEX_URL`` or ``ARG GOPROXY``.
    """
    found = {}
    for name in _PASSED_ON:
        for spelling in dict.fromkeys((name, name.upper())):
            if environment.get(spelling):
                found[spelling] = environment[spelling]
    return found
