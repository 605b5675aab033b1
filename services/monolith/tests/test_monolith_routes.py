import pytest
from monolith.config import Config, ConfigError


def test_a_user_with_what_they_bought(client):
    view = client.get("/users/2/orders").json
    assert view["user"] == {"id": 2, "name": "Barbara Bartik"}
    assert [(order["id"], order["product"], order["quantity"]) for order in view["orders"]] == [(1, "Walnut table", 1)]


def test_new_users_and_orders_can_be_read_back(client):
    user = client.post("/users", json={"name": "Åsa", "email": "asa@example.org"})
    assert client.get(user.headers["Location"]).json == user.json
    order = client.post("/orders", json={"user_id": user.json["id"], "product_id": 1, "quantity": 2})
    assert client.get(order.headers["Location"]).json == order.json
    assert order.json["total_cents"] == 2 * 12395


@pytest.mark.parametrize("kind", ["users", "orders", "products"])
def test_pages_follow_each_other(client, kind):
    first = client.get(f"/{kind}?limit=3").json[kind]
    second = client.get(f"/{kind}?limit=3&after={first[-1]['id']}").json[kind]
    assert [row["id"] for row in first + second] == [1, 2, 3, 4, 5, 6]


def test_the_report_names_the_pairs_bought_by_the_same_people(client):
    pairs = client.get("/reports/similar-products?top=2").json["pairs"]
    assert len(pairs) == 2
    assert pairs[0]["similarity"] >= pairs[1]["similarity"]


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("/users", b"{", "body"),
        ("/users", b'{"name": "A"}', "email"),
        ("/users", b'{"name": "A", "email": "a@b", "admin": true}', "admin"),
        ("/orders", b'{"user_id": "1", "product_id": 1, "quantity": 1}', "user_id"),
        ("/orders", b'{"user_id": 999, "product_id": 1, "quantity": 1}', "user_id"),
        ("/orders", b'{"user_id": 1, "product_id": 999, "quantity": 1}', "product_id"),
    ],
)
def test_a_body_that_is_not_as_the_contract_says_is_400_naming_the_field(client, path, body, field):
    response = client.post(path, data=body)
    assert (response.status_code, response.json["error"]["field"]) == (400, field)


def test_an_email_is_taken_once(client):
    response = client.post("/users", json={"name": "Alan", "email": "alan.backus.1@example.com"})
    assert (response.status_code, response.json["error"]["field"]) == (409, "email")


@pytest.mark.parametrize(
    "path", ["/users/0", "/users/x", "/users/999", "/users/999/orders", "/orders/999", "/products/301", "/nothing"]
)
def test_what_is_not_there_is_404(client, path):
    assert client.get(path).json["error"]["code"] == "not_found"


def test_a_dead_database_is_503(client, store):
    store.down = True
    assert client.get("/users/1").json["error"]["code"] == "database_unavailable"
    health = client.get("/health")
    assert (health.status_code, health.json["checks"]) == (503, {"database": "down"})


def test_configuration_that_is_missing_is_named():
    with pytest.raises(ConfigError, match="DATABASE_URL"):
        Config.from_environment({})
