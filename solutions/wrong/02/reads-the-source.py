# exercise: promises
# mistake: looks into the provider's source, which need not be what runs
# fails with: a renamed field is caught
text = source.of("users/users/routes.py", "present")
return [f"no {field}" for field in ("name", "email") if f'"{field}":' not in text]
