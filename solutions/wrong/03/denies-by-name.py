# exercise: ignore
# mistake: lists what must stay out, so the next secret with another name goes in
# fails with: the .env stays out, and a file that nobody foresaw
return ".env\n.git\ntests\n**/__pycache__\n"
