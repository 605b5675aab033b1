"""How we ask a Docker engine."""

from __future__ import annotations

import pytest

from servicelab.engine.client import connect


@pytest.mark.parametrize(("host", "looked_for"), [("unix:///nowhere.sock", False), ("tcp://127.0.0.1:1", True)])
def test_a_proxy_is_looked_for_where_one_can_be(monkeypatch: pytest.MonkeyPatch, host: str, looked_for: bool) -> None:
    monkeypatch.setenv("DOCKER_HOST", host)
    client = connect("1.41")  # a version that is known: nothing is asked yet
    assert client.api.trust_env is looked_for
    client.close()
