# exercise: buyers
# mistake: a call for each name
# fails with: 150 names cost two calls
names = {}
for user in ids:
    answer = get(f"/users/{user}")
    names[user] = "(deleted)" if answer.get("error", {}).get("code") == "deleted" else answer["name"]
return names
