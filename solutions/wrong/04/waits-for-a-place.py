# exercise: guarded
# mistake: a thread that waits for a place is a thread that the hung service holds
# fails with: the next is told so at once
places = {name: threading.BoundedSemaphore(PLACES) for name in SERVICES}


def guarded(name, call):
    with places[name]:
        return call()
