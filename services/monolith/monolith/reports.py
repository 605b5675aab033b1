"""A report of the kind that grows in every shop: all orders are read, and the work is done in Python."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from itertools import combinations
from typing import Any

from flask import Blueprint, Response, jsonify

from .incoming import number
from .store import Store


def blueprint(store: Store) -> Blueprint:
    reports = Blueprint("reports", __name__)

    @reports.get("/reports/similar-products")
    def similar_products() -> Response:
        """The pairs of products that are most often bought by the same people. Takes seconds of CPU."""
        top = number("top", 5, least=1, most=100)
        return jsonify(pairs=most_similar(store.quantities(), top))

    return reports


def most_similar(quantities: Iterable[tuple[int, int, int]], top: int) -> list[dict[str, Any]]:
    """Every pair of products compared by the weighted Jaccard similarity of who bought how many: 0 (nobody both) to 1 (the same)."""
    bought: dict[int, dict[int, int]] = defaultdict(lambda: defaultdict(int))
    for user_id, product_id, quantity in quantities:
        bought[product_id][user_id] += quantity
    total = {product: sum(by_user.values()) for product, by_user in bought.items()}
    pairs = []
    for one, other in combinations(sorted(bought), 2):
        both = sum(min(bought[one][user], bought[other][user]) for user in bought[one].keys() & bought[other].keys())
        pairs.append((both / (total[one] + total[other] - both), one, other))
    pairs.sort(key=lambda pair: (-pair[0], pair[1], pair[2]))
    return [{"similarity": round(similarity, 4), "products": [one, other]} for similarity, one, other in pairs[:top]]
