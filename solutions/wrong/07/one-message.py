# exercise: page
# mistake: whatever goes wrong with the user is the same error, as in the article
# fails with: nobody has this id, and that is a 404
until = time.monotonic() + seconds
try:
    user = requests.get(f"{users}/users/{user_id}", timeout=seconds)
    user.raise_for_status()
except requests.RequestException:
    return 503, None
page = {"user": user.json()["name"], "orders": None, "missing": ["orders"]}
try:
    answer = requests.get(f"{orders}/orders?user_id={user_id}", timeout=max(0.001, until - time.monotonic()))
    page |= {"orders": [order["id"] for order in answer.json()["orders"]], "missing": []}
except requests.RequestException:
    pass
return 200, page
