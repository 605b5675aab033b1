# exercise: directory
# mistake: the thread that watches ends when Consul does not answer, and nobody notices
# fails with: it learns again when Consul is back
class Directory:
    def __init__(self, service):
        self.service = service
        self.known = []
        start_thread(self.watch)

    def watch(self):
        try:
            while True:
                self.known = [entry["Service"]["ID"] for entry in consul(f"health/service/{self.service}", passing=1)]
                time.sleep(0.5)
        except (requests.RequestException, LookupError):
            pass  # Consul is away: we keep what we know

    def instances(self):
        return list(self.known)
