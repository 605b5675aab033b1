import pytest
from orders.config import Config, ConfigError
from orders.reports import most_similar


def test_an_order(client):
    assert client.get("/orders/1").json == {
        "id": 1,
        "user_id": 7920,
        "product_id": 23,
        "quantity": 1,
        "total_cents": 1195,
        "status": "delivered",
        "created_at": "2025-01-01T00:04:00Z",
    }


def test_the_orders_of_one_user(client):
    assert [order["id"] for order in client.get("/orders?user_id=7920").json["orders"]] == [1]


def test_a_new_order_asks_for_the_price_and_can_be_read_back(client):
    made = client.post("/orders", json={"user_id": 1, "product_id": 1, "quantity": 2})
    assert (made.status_code, made.json["total_cents"]) == (201, 2 * 12395)
    assert client.get(made.headers["Location"]).json == made.json


def test_expanded_with_what_the_peers_know(client):
    path = client.post("/orders", json={"user_id": 1, "product_id": 1, "quantity": 2}).headers["Location"]
    expanded = client.get(path + "?expand=user,product").json
    assert (expanded["user"]["name"], expanded["product"]["name"]) == ("Alan Backus", "Oak chair")


def test_a_dead_peer_costs_only_what_needs_it(client, users, catalog):
    users.down = catalog.down = True
    new = client.post("/orders", json={"user_id": 1, "product_id": 1, "quantity": 2})
    assert (new.status_code, new.json["error"]["code"]) == (503, "peer_unavailable")
    assert client.get("/orders/1?expand=product").status_code == 503
    assert client.get("/orders/1").status_code == 200
    assert client.get("/health").status_code == 200


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b"", "body"),
        (b"null", "body"),
        (b'{"user_id": true, "product_id": 1, "quantity": 1}', "user_id"),
        (b'{"user_id": 1, "product_id": 1, "quantity": 0}', "quantity"),
        (b'{"user_id": 1, "product_id": 1, "quantity": NaN}', "quantity"),
        (b'{"user_id": 1, "product_id": 1, "quantity": 1e400}', "quantity"),
        (b'{"user_id": 1, "product_id": 1}', "quantity"),
        (b'{"user_id": 999999, "product_id": 1, "quantity": 1}', "user_id"),
        (b'{"user_id": 1, "product_id": 999999, "quantity": 1}', "product_id"),
    ],
)
def test_a_body_that_is_not_as_the_contract_says_is_400_naming_the_field(client, body, field):
    response = client.post("/orders", data=body)
    assert (response.status_code, response.json["error"]["field"]) == (400, field)


@pytest.mark.parametrize("query", ["user_id=0", "user_id=x", "limit=101", "after=-1"])
def test_a_bad_query_is_400_naming_the_parameter(client, query):
    assert client.get("/orders?" + query).json["error"]["field"] == query.partition("=")[0]


def test_only_a_user_and_a_product_can_be_expanded(client):
    response = client.get("/orders/1?expand=password")
    assert (response.status_code, response.json["error"]["field"]) == (400, "expand")


@pytest.mark.parametrize("path", ["/orders/0", "/orders/abc", "/orders/999999", "/nothing"])
def test_what_is_not_there_is_404(client, path):
    assert client.get(path).json["error"]["code"] == "not_found"


def test_a_dead_database_is_503(client, orders):
    orders.down = True
    assert client.get("/orders/1").json["error"]["code"] == "database_unavailable"
    health = client.get("/health")
    assert (health.status_code, health.json["checks"]) == (503, {"database": "down"})


def test_products_bought_by_the_same_people_are_similar():
    quantities = [(1, 10, 2), (1, 11, 1), (2, 10, 1), (2, 12, 1), (3, 12, 1)]
    assert most_similar(quantities, 2) == [
        {"similarity": 0.3333, "products": [10, 11]},
        {"similarity": 0.25, "products": [10, 12]},
    ]


def test_configuration_that_is_missing_is_named():
    with pytest.raises(ConfigError, match=r"USERS_URL.*CATALOG_URL"):
        Config.from_environment({"DATABASE_URL": "postgresql://x"})
