# exercise: harden
# mistake: closes the whole file system and forgets what has to be written
# fails with: there is room for temporary files
options = {"read_only": True, "cap_drop": ["ALL"], "security_opt": ["no-new-privileges"]}
return client.containers.run(image, **options, **BASICS)
