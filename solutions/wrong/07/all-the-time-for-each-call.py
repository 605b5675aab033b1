# exercise: page
# mistake: one call after the other, and each may take all the time that the page has
# fails with: each takes 3 s, and the whole page no more than 5.9 s
try:
    user = requests.get(f"{users}/users/{user_id}", timeout=seconds)
except requests.RequestException:
    return 503, None
if user.status_code == 404:
    return 404, None
page = {"user": user.json()["name"], "orders": None, "missing": ["orders"]}
try:
    answer = requests.get(f"{orders}/orders?user_id={user_id}", timeout=seconds)
    page |= {"orders": [order["id"] for order in answer.json()["orders"]], "missing": []}
except requests.RequestException:
    pass
return 200, page
