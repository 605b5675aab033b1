# exercise: pick
# mistake: takes the first entry, which is the same one each time
# fails with: each of those that pass gets its share
def pick(service):
    return consul(f"health/service/{service}", passing=1)[0]["Service"]["ID"]
