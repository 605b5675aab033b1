# exercise: onwards
# mistake: passes on what is about the client's connection
# fails with: what is about the client's connection stays behind
return given | {"x-forwarded-for": peer, "x-caller": "gateway"}
