# exercise: dockerfile
# mistake: a command without brackets: the shell is process 1, and keeps SIGTERM to itself
# fails with: it drains and ends with exit code 0
return """
ARG REGISTRY
FROM ${REGISTRY}/library/python:3.13-slim
WORKDIR /app
COPY requirements.txt .
RUN pip install --no-cache-dir -r requirements.txt
COPY . .
USER 10001
CMD gunicorn "users:create_app()"
"""
