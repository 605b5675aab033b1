import json

import pytest
from users import create_app
from users.config import Config, ConfigError


def test_a_user(client):
    assert client.get("/users/1").json == {
        "id": 1,
        "name": "Alan Backus",
        "email": "alan.backus.1@example.com",
        "created_at": "2024-01-01T00:47:00Z",
    }


def test_pages_follow_each_other(client):
    first = client.get("/users?limit=3").json["users"]
    second = client.get(f"/users?limit=3&after={first[-1]['id']}").json["users"]
    assert [user["id"] for user in first + second] == [1, 2, 3, 4, 5, 6]


def test_several_users_in_one_call(client):
    client.delete("/users/7")
    answer = client.get("/users?ids=9,7,3,3,99999").json
    assert [user["id"] for user in answer["users"]] == [3, 9]
    assert answer["deleted"] == [7]


@pytest.mark.parametrize("ids", ["", "1,", "1,x", "0", "-1", "1_0", ",".join(["1"] * 101)])
def test_bad_ids_are_400_naming_the_parameter(client, ids):
    response = client.get("/users?ids=" + ids)
    assert (response.status_code, response.json["error"]["field"]) == (400, "ids")


def test_a_hundred_users_in_one_call(client):
    assert len(client.get("/users?ids=" + ",".join(map(str, range(1, 101)))).json["users"]) == 100


def test_a_deleted_user_is_told_from_one_that_never_was(client):
    assert client.delete("/users/1").status_code == 204
    assert client.delete("/users/1").status_code == 204  # a retry
    for id, code in [(1, "deleted"), (99999, "not_found")]:
        response = client.get(f"/users/{id}")
        assert (response.status_code, response.json["error"]["code"]) == (404, code)
    assert client.delete("/users/99999").status_code == 404
    assert 1 not in [user["id"] for user in client.get("/users").json["users"]]


def test_a_new_user_can_be_read_back(client):
    made = client.post("/users", json={"name": "Åsa", "email": "asa@example.org"})
    assert made.status_code == 201
    assert client.get(made.headers["Location"]).json == made.json


@pytest.mark.parametrize(
    "path", ["/users/0", "/users/abc", "/users/-1", "/users/1.0", "/users/99999", "/users/" + "9" * 30, "/nothing"]
)
def test_what_is_not_there_is_404(client, path):
    response = client.get(path)
    assert (response.status_code, response.json["error"]["code"]) == (404, "not_found")


def test_a_wrong_method_is_405_and_says_what_is_allowed(client):
    response = client.put("/users/1")
    assert (response.status_code, response.json["error"]["code"]) == (405, "method_not_allowed")
    assert "GET" in response.headers["Allow"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b"{", "body"),
        (b"[" * 60_000, "body"),
        (b"[]", "body"),
        (b"{}", "name"),
        (b'{"name": "A"}', "email"),
        (b'{"name": 1, "email": "a@b"}', "name"),
        (b'{"name": "", "email": "a@b"}', "name"),
        (b'{"name": "\\u0000", "email": "a@b"}', "name"),
        (b'{"name": "\\ud800", "email": "a@b"}', "name"),
        (b'{"name": "A", "email": "nobody"}', "email"),
        (b'{"name": "A", "email": "a@b", "admin": true}', "admin"),
    ],
)
def test_a_body_that_is_not_as_the_contract_says_is_400_naming_the_field(client, body, field):
    response = client.post("/users", data=body)
    assert (response.status_code, response.json["error"]["field"]) == (400, field)


@pytest.mark.parametrize("query", ["limit=0", "limit=101", "limit=x", "limit=", "limit=1_0", "after=-1"])
def test_a_bad_query_is_400_naming_the_parameter(client, query):
    response = client.get("/users?" + query)
    assert (response.status_code, response.json["error"]["field"]) == (400, query.partition("=")[0])


def test_an_email_is_taken_once(client):
    response = client.post("/users", json={"name": "Alan", "email": "alan.backus.1@example.com"})
    assert (response.status_code, response.json["error"]["field"]) == (409, "email")


def test_a_dead_database_is_503(client, users):
    users.down = True
    assert client.get("/users/1").json["error"]["code"] == "database_unavailable"
    health = client.get("/health")
    assert (health.status_code, health.json["checks"]) == (503, {"database": "down"})


def test_a_bug_is_a_500_of_the_same_shape(client, users):
    users.users = None
    response = client.get("/users/1")
    assert (response.status_code, response.json["error"]["code"]) == (500, "internal_error")


def test_one_log_line_a_request_and_none_for_health(users, capsys):
    client = create_app(Config(mongo_url="mongodb://nowhere/users"), users=users).test_client()  # its stdout is capsys's
    response = client.get("/users/1", headers={"X-Request-ID": "abc-1", "X-Caller": "orders"})
    client.get("/health")
    assert response.headers["X-Request-ID"] == "abc-1"
    (line,) = capsys.readouterr().out.splitlines()
    seen = json.loads(line)
    assert seen.pop("ts").endswith("Z")
    assert seen.pop("instance")
    assert seen.pop("duration_ms") >= 0
    assert seen == {
        "level": "info",
        "service": "users",
        "request_id": "abc-1",
        "caller": "orders",
        "method": "GET",
        "route": "/users/<id>",
        "status": 200,
        "message": "GET /users/1 200",
    }


def test_a_request_id_that_could_forge_a_log_line_is_replaced(client):
    assert client.get("/users/1", headers={"X-Request-ID": "x y"}).headers["X-Request-ID"] != "x y"


def test_configuration_that_is_missing_is_named():
    with pytest.raises(ConfigError, match="MONGO_URL"):
        Config.from_environment({})
