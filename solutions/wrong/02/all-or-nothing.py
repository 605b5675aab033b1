# exercise: page
# mistake: expects a service that hangs, and not one that isn't there
# fails with: users is dead, and the page comes without the buyer
def order_page(number):
    order = requests.get(f"{shop['orders'].url}/orders/{number}", timeout=10).json()
    try:
        buyer = requests.get(f"{shop['users'].url}/users/{order['user_id']}", timeout=3).json()["name"]
    except requests.Timeout:
        buyer = None
    return {"id": order["id"], "total_cents": order["total_cents"], "buyer": buyer}
