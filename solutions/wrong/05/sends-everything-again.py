# exercise: send
# mistake: tries again whatever was sent: what the dead one had done already is done twice
# fails with: a POST that broke off is not sent again
def send(method, path, instances):
    for host, port in instances:
        connection = HTTPConnection(host, port, timeout=5)
        try:
            connection.request(method, path)
            return connection.getresponse().status
        except (OSError, HTTPException) as error:
            failure = error
        finally:
            connection.close()
    raise failure
