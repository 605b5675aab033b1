# exercise: page
# mistake: one part is missing, and what there is of the other is thrown away
# fails with: orders is dead, and the page comes without them
try:
    user = requests.get(f"{users}/users/{user_id}", timeout=seconds)
    if user.status_code == 404:
        return 404, None
    found = requests.get(f"{orders}/orders?user_id={user_id}", timeout=seconds).json()["orders"]
    return 200, {"user": user.json()["name"], "orders": [order["id"] for order in found], "missing": []}
except requests.RequestException:
    return 503, None
