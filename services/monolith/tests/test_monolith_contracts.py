import json
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

CONTRACTS = Path(__file__).parent.parent / "contracts"


@pytest.mark.parametrize(
    ("path", "contract"),
    [
        ("/users/1", "user.json"),
        ("/users/1/orders", "user-orders.json"),
        ("/orders/1", "order.json"),
        ("/products/1", "product.json"),
        ("/nothing", "error.json"),
        ("/health", "health.json"),
    ],
)
def test_we_answer_as_we_publish(client, path, contract):
    schema = json.loads((CONTRACTS / contract).read_text(encoding="utf-8"))
    Draft202012Validator.check_schema(schema)
    Draft202012Validator(schema).validate(client.get(path).json)
