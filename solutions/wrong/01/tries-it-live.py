# exercise: deploy
# mistake: goes live first and looks afterwards: the last good file comes back, after an outage
# fails with: a program that does not start is turned down, and no request fails
from servicelab.errors import UpdateError

try:
    monolith.update(path, source)
except UpdateError:
    return False
statuses = [requests.get(monolith.url + route, timeout=30).status_code for route in ("/users/1", "/orders/1", "/products/1")]
return set(statuses) == {200}
