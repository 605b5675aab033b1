# exercise: secret
# mistake: deletes the token in a step of its own: the layer before still has it
# fails with: the token is in no file of any layer
return """
ARG BASE
FROM ${BASE}
WORKDIR /app
COPY fetch.py token ./
RUN python fetch.py $(cat token)
RUN rm fetch.py token
"""
