# exercise: retry
# mistake: no answer is taken for nothing done, whatever the method
# fails with: the answer to a purchase was lost, and it was made once
for _ in range(2):
    try:
        return requests.request(method, url, timeout=5, **options)
    except requests.RequestException:
        pass
return None
