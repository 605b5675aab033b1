# exercise: deploy
# mistake: restarts the container after the reload, to be on the safe side
# fails with: the deploy fails no request
shop["users"].update("routes.py", text)
shop["users"].restart()
