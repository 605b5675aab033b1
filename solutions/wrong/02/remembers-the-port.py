# exercise: page
# mistake: asks for the address once; after a restart the port is another one
# fails with: users is back, and so is the buyer
ORDERS, USERS = shop["orders"].url, shop["users"].url


def order_page(number):
    order = requests.get(f"{ORDERS}/orders/{number}", timeout=10).json()
    try:
        buyer = requests.get(f"{USERS}/users/{order['user_id']}", timeout=3).json()["name"]
    except requests.RequestException:
        buyer = None
    return {"id": order["id"], "total_cents": order["total_cents"], "buyer": buyer}
