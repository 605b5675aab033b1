# exercise: onwards
# mistake: what the client says about itself wins over what the gateway knows
# fails with: services hear from the gateway who the client is
dropped = HOP_BY_HOP | {name.strip().lower() for name in given.get("connection", "").split(",")}
kept = {name: value for name, value in given.items() if name not in dropped}
return {"x-forwarded-for": peer, "x-caller": "gateway"} | kept
