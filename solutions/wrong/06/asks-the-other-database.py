# exercise: buyers
# mistake: reads the other service's database, as long as somebody can reach it
# fails with: the names come from the users service
known = {user["_id"]: user["name"] for user in users.find({"_id": {"$in": ids}})}
return {user: known.get(user, "(deleted)") for user in ids}
