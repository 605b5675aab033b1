# exercise: redeploy
# mistake: takes the signal for the deed: the new workers have not started yet
# fails with: both new workers are ready when redeploy() returns
monolith.container.kill(signal="SIGHUP")
