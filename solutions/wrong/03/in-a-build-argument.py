# exercise: secret
# mistake: a build argument is in no file, but in the image's history
# fails with: the token is not in the image's history
return """
ARG BASE
FROM ${BASE}
ARG TOKEN
WORKDIR /app
COPY fetch.py ./
RUN python fetch.py $TOKEN
"""
