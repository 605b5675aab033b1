"""So many requests for each client, and nobody can pass for another."""

from ipaddress import ip_network

import pytest
from gateway.clients import Clients, bucket
from gateway.config import Config, ConfigError
from gateway.limits import RateLimit, retry_after

PROXIES = (ip_network("10.0.0.0/8"),)


@pytest.mark.parametrize(
    ("peer", "forwarded", "client", "chain"),
    [
        ("9.9.9.9", "", "9.9.9.9", "9.9.9.9"),
        ("9.9.9.9", "6.6.6.6", "9.9.9.9", "9.9.9.9"),  # said by the client about itself
        ("10.0.0.1", "9.9.9.9", "9.9.9.9", "9.9.9.9, 10.0.0.1"),  # said by our proxy
        ("10.0.0.1", "6.6.6.6, 9.9.9.9", "9.9.9.9", "9.9.9.9, 10.0.0.1"),  # a lie that our proxy has appended to
        ("10.0.0.1", "9.9.9.9, 10.0.0.2", "9.9.9.9", "9.9.9.9, 10.0.0.2, 10.0.0.1"),  # two proxies of ours
        ("10.0.0.1", "", "10.0.0.1", "10.0.0.1"),
        ("10.0.0.1", "unknown", "10.0.0.1", "10.0.0.1"),
        ("10.0.0.1", "9.9.9.9,, 1 2", "10.0.0.1", "10.0.0.1"),
        ("10.0.0.1", "2001:db8::1", "2001:db8::1", "2001:db8::1, 10.0.0.1"),
    ],
)
def test_who_the_client_is(peer, forwarded, client, chain):
    assert Clients(PROXIES).find(peer, forwarded) == (client, chain)


def test_an_ipv6_client_is_its_network():
    assert bucket("2001:db8::1") == bucket("2001:db8::ffff:1") != bucket("2001:db8:0:1::1")


def test_a_bucket_holds_its_burst_and_fills_at_its_rate():
    now = 100.0
    limit = RateLimit(rate=10, burst=3, clock=lambda: now)
    assert [limit.take("a") for _ in range(3)] == [0, 0, 0]
    assert limit.take("a") == pytest.approx(0.1)
    assert limit.take("b") == 0
    now += 0.1
    assert limit.take("a") == 0
    assert limit.take("a") > 0
    now += 1000  # full, and not fuller
    assert [limit.take("a") > 0 for _ in range(4)] == [False, False, False, True]


def test_workers_count_together(tmp_path):
    one, other = (RateLimit(rate=1, burst=2, path=str(tmp_path / "buckets"), clock=lambda: 100.0) for _ in range(2))
    assert (one.take("a"), other.take("a")) == (0, 0)
    assert one.take("a") > 0
    assert other.take("a") > 0


def test_a_rate_of_zero_is_no_limit():
    limit = RateLimit(rate=0, burst=1)
    assert not any(limit.take("a") for _ in range(100))


def test_retry_after_is_whole_seconds():
    assert [retry_after(seconds) for seconds in (0.001, 1, 1.1)] == [1, 1, 2]


def test_a_flood_is_refused_before_a_service_hears_of_it(gateway, backend):
    client = gateway(rate=0.001, burst=5, trusted_proxies=(ip_network("127.0.0.0/8"),))
    flood = [client.get("/api/users/1", headers={"X-Forwarded-For": "6.6.6.6"}) for _ in range(8)]
    assert [answer.status_code for answer in flood] == [200] * 5 + [429] * 3
    assert flood[-1].headers["Retry-After"] == "1000"
    assert len(backend.seen) == 5
    assert client.get("/api/users/1", headers={"X-Forwarded-For": "9.9.9.9"}).status_code == 200


def test_another_name_in_x_forwarded_for_is_no_new_client(gateway):
    client = gateway(rate=0.001, burst=2)
    statuses = [client.get("/api/users/1", headers={"X-Forwarded-For": f"6.6.6.{n}"}).status_code for n in range(4)]
    assert statuses == [200, 200, 429, 429]


URLS = {f"{service}_URL": "http://x:1/" for service in ("USERS", "ORDERS", "CATALOG")}


@pytest.mark.parametrize(
    ("environ", "named"),
    [
        ({}, "USERS_URL"),
        (URLS | {"TRUSTED_PROXIES": "10.0.0.1/8"}, "TRUSTED_PROXIES"),
        (URLS | {"RATE_LIMIT": "many"}, "RATE_LIMIT"),
        (URLS | {"RATE_BURST": "0"}, "RATE_BURST"),
    ],
)
def test_a_wrong_configuration_is_named(environ, named):
    with pytest.raises(ConfigError, match=named):
        Config.from_environment(environ)


def test_a_right_one_is_read():
    config = Config.from_environment(URLS | {"TRUSTED_PROXIES": "10.0.0.0/8, ::1/128", "RATE_LIMIT": "0.5"})
    assert config.backends["users"] == "http://x:1"
    assert (len(config.trusted_proxies), config.rate) == (2, 0.5)
