# exercise: onwards
# mistake: knows the list, and not that Connection adds to it
# fails with: what Connection names stays behind too
kept = {name: value for name, value in given.items() if name not in HOP_BY_HOP}
return kept | {"x-forwarded-for": peer, "x-caller": "gateway"}
