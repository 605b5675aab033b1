# exercise: forward
# mistake: waits for the whole body before it passes on the first byte
# fails with: the first half of a body arrives before the second is there
try:
    answer = http.request("GET", url, timeout=urllib3.Timeout(connect=0.25, read=1))
except urllib3.exceptions.ConnectTimeoutError:
    return Response("nobody is there", 503)
except urllib3.exceptions.ReadTimeoutError:
    return Response("it takes too long", 504)
except urllib3.exceptions.HTTPError:
    return Response("that is no answer", 502)
return Response(answer.data, answer.status)
