# exercise: hedge
# mistake: the end of the `with` block waits for all threads, the loser's too
# fails with: the first call is late, and the second's answer is not kept waiting
with ThreadPoolExecutor(2) as pool:
    calls = [pool.submit(requests.get, url, timeout=60)]
    if not wait(calls, timeout=late).done:
        calls.append(pool.submit(requests.get, url, timeout=60))
    return wait(calls, return_when="FIRST_COMPLETED").done.pop().result()
