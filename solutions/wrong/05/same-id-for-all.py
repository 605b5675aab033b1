# exercise: program
# mistake: the service's name as the entry's id: each instance replaces the one before
# fails with: three instances are listed as passing
return """
def register():
    check = {"HTTP": f"http://{ADDRESS}:{PORT}/health", "Interval": "1s", "Timeout": "1s", "Status": "passing"}
    put("service/register", {"ID": SERVICE, "Name": SERVICE, "Address": ADDRESS, "Port": PORT, "Check": check})


def leave():
    put(f"service/deregister/{SERVICE}")
"""
