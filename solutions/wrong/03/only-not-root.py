# exercise: harden
# mistake: takes a user that is not root for all the protection there is
# fails with: the root file system can't be written
return client.containers.run(image, **BASICS)
