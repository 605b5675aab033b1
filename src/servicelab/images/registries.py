"""Whether a registry answers."""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass

from docker.errors import APIError

from servicelab.engine.client import connect as any_engine
from servicelab.images.jobs import Connect

_PROBE_SECONDS = 3
_UNREACHABLE = re.compile(
    r"no such host|dial tcp|connection refused|timeout|deadline exceeded|TLS handshake|x509|unreachable|proxyconnect|EOF"
    r"|server misbehaving|name resolution|connection reset",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Probe:
    """Whether a registry answers; ``why`` not, in the engine's words."""

    answers: bool
    why: str = ""


_probes: dict[str, Probe] = {}
_probing = threading.Lock()


def probe(registry: str, image: str, connect: Connect = any_engine) -> Probe:
    """Asks the registry for an image, through the engine, since that does the pulling: once per process, within three seconds."""
    with _probing:
        if registry not in _probes:
            _probes[registry] = _ask(registry, image, connect)
        return _probes[registry]


def _ask(registry: str, image: str, connect: Connect) -> Probe:
    client = connect()
    client.api.timeout = _PROBE_SECONDS
    try:
        client.api.inspect_distribution(image)
    except APIError as error:
        # Anything that only a registry says (not found, denied, too many requests) is an answer.
        reason = str(error.explanation or error)
        return Probe(not _UNREACHABLE.search(reason), reason)
    except OSError:
        return Probe(False, f"no answer from {registry} within {_PROBE_SECONDS} s")
    finally:
        client.close()
    return Probe(True)
