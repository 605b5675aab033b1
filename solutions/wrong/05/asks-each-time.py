# exercise: directory
# mistake: remembers nothing, so it is as dead as Consul
# fails with: it answers while Consul is dead
class Directory:
    def __init__(self, service):
        self.service = service

    def instances(self):
        return [entry["Service"]["ID"] for entry in consul(f"health/service/{self.service}", passing=1)]
