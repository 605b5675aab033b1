# exercise: spending
# mistake: asks for each order's product in a loop: the page costs 1 + N statements
# fails with: the page costs one statement
page = {}
orders = rows("SELECT product_id, total_cents FROM orders WHERE user_id = %s AND status <> 'cancelled'", user_id)
for order in orders:
    category = rows("SELECT category FROM products WHERE id = %s", order["product_id"])[0]["category"]
    entry = page.setdefault(category, {"category": category, "orders": 0, "total_cents": 0})
    entry["orders"] += 1
    entry["total_cents"] += order["total_cents"]
return [page[category] for category in sorted(page)]
