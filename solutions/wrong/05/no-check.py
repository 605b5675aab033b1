# exercise: program
# mistake: an entry without a check passes for ever
# fails with: a killed one is found out
return """
def register():
    put("service/register", {"ID": INSTANCE, "Name": SERVICE, "Address": ADDRESS, "Port": PORT})


def leave():
    put(f"service/deregister/{INSTANCE}")
"""
