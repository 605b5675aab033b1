# exercise: spending
# mistake: forgets that a cancelled order was never paid
# fails with: the spending of a user who cancelled an order is right
return rows(
    """SELECT category, count(*) AS orders, sum(total_cents) AS total_cents
       FROM orders JOIN products ON products.id = orders.product_id
       WHERE user_id = %s GROUP BY category ORDER BY category""",
    user_id,
)
