# exercise: page
# mistake: a call without a timeout waits for ever when the other side hangs
# fails with: users hangs, and the page comes without the buyer
def order_page(number):
    order = requests.get(f"{shop['orders'].url}/orders/{number}").json()
    try:
        buyer = requests.get(f"{shop['users'].url}/users/{order['user_id']}").json()["name"]
    except (requests.RequestException, ServicelabError):
        buyer = None
    return {"id": order["id"], "total_cents": order["total_cents"], "buyer": buyer}
