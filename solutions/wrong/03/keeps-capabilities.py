# exercise: harden
# mistake: relies on the user not being root, and leaves what a program could give it
# fails with: no capability is left
options = {"read_only": True, "tmpfs": {"/tmp": "size=16m"}, "security_opt": ["no-new-privileges"]}
return client.containers.run(image, **options, **BASICS)
