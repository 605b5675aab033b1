"""Pieces of real source, as lessons show them."""

import pytest

from servicelab import source
from servicelab.errors import ServicelabError

STORE, ORDERS = "monolith/monolith/store.py", "monolith/monolith/orders.py"


def test_a_route_comes_with_its_decorator_and_without_its_indentation() -> None:
    shown = source.of(ORDERS, "get_order")
    assert shown.startswith('@routes.get("/orders/<id:id>")\ndef get_order(')
    assert shown.endswith("return jsonify(order)\n")


def test_a_whole_file() -> None:
    assert source.of(STORE, "user_with_orders").splitlines()[-1].strip() in source.of(STORE)


def test_what_is_not_there_is_said() -> None:
    with pytest.raises(ServicelabError, match="defines no no_such_route"):
        source.of(ORDERS, "no_such_route")
    with pytest.raises(ServicelabError, match="can't be shown"):
        source.of("monolith/monolith/nothing.py")
