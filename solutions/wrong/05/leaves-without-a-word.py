# exercise: program
# mistake: ends on SIGTERM and leaves it to Consul to find out
# fails with: a stopped one is gone from the list at once
return """
def register():
    check = {"HTTP": f"http://{ADDRESS}:{PORT}/health", "Interval": "1s", "Timeout": "1s", "Status": "passing"}
    check["DeregisterCriticalServiceAfter"] = "1m"
    put("service/register", {"ID": INSTANCE, "Name": SERVICE, "Address": ADDRESS, "Port": PORT, "Check": check})


def leave():
    server.shutdown()
"""
