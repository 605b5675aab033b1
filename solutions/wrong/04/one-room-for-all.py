# exercise: guarded
# mistake: all services share the places: the hung one takes those of the others
# fails with: the other service is there for everybody
places = threading.BoundedSemaphore(PLACES)


def guarded(name, call):
    if not places.acquire(blocking=False):
        return Response("no place", 503)
    try:
        return call()
    finally:
        places.release()
