# exercise: forward
# mistake: one status for every failure: nobody learns what is wrong, or whether to come again
# fails with: a dead service is a 503
try:
    answer = http.request("GET", url, preload_content=False, timeout=urllib3.Timeout(connect=0.25, read=1))
except urllib3.exceptions.HTTPError:
    return Response("something is wrong", 500)
return Response(answer.stream(65536), answer.status)
