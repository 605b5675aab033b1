# exercise: client
# mistake: the first entry is what the client has written itself
# fails with: a new lie in front of what our proxy appended is no new client
if peer not in trusted or not forwarded:
    return peer
return forwarded.split(",")[0].strip()
