# exercise: ignore
# mistake: lets the code in and forgets what it needs beside it
# fails with: the build gets what the service needs
return "*\n!users\n**/__pycache__\n"
