# exercise: guarded
# mistake: the place is given back after call() only if that returns
# fails with: places are given back, whatever came of the call
places = {name: threading.BoundedSemaphore(PLACES) for name in SERVICES}


def guarded(name, call):
    if not places[name].acquire(blocking=False):
        return Response("no place", 503)
    answer = call()
    places[name].release()
    return answer
