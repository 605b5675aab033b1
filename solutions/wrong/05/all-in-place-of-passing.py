# exercise: pick
# mistake: the catalog lists all that ever registered, dead or alive
# fails with: an instance that does not pass is never picked
def pick(service):
    return secrets.choice(consul(f"catalog/service/{service}"))["ServiceID"]
