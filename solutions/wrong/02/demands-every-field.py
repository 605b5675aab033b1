# exercise: promises
# mistake: takes the provider's own schema, which allows no field more, for what the consumer needs
# fails with: a field more breaks no promise
import json

schema = json.loads(source.of("users/contracts/user.json"))
answer = requests.get(url + "/users/1", timeout=10)
return [error.message for error in Draft202012Validator(schema).iter_errors(answer.json())]
