# exercise: forward
# mistake: bounds the connecting alone: a service that has taken the connection may hang for ever
# fails with: a hung service is a 504 after a second
try:
    answer = http.request("GET", url, preload_content=False, timeout=urllib3.Timeout(connect=0.25))
except urllib3.exceptions.ConnectTimeoutError:
    return Response("nobody is there", 503)
except urllib3.exceptions.ReadTimeoutError:
    return Response("it takes too long", 504)
except urllib3.exceptions.HTTPError:
    return Response("that is no answer", 502)
return Response(answer.stream(65536), answer.status)
