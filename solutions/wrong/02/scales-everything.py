# exercise: more
# mistake: more of everything, as with a monolith
# fails with: orders alone has more instances
for name in ("users", "orders", "catalog"):
    shop[name].scale(3)
return shop["orders"].urls
