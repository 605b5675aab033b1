# exercise: deploy
# mistake: takes a healthy /health for a healthy program
# fails with: a bug that only one route has is turned down
if try_out(path, source, ["/health"]) != {"/health": 200}:
    return False
monolith.update(path, source)
return True
