# exercise: redeploy
# mistake: stops the program and starts it again: nobody listens in between
# fails with: the redeploy fails no request
monolith.restart()
