# exercise: deadline
# mistake: a timeout of its own, of which the other side learns nothing
# fails with: the query has ended with its caller
left = until - time.monotonic()
if left <= 0:
    return None
try:
    answer = requests.get(f"{url}/orders?user_id={user_id}", timeout=left)
except requests.RequestException:
    return None
return [order["id"] for order in answer.json()["orders"]]
