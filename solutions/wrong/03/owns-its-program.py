# exercise: dockerfile
# mistake: a user of its own, who owns the code: whoever breaks in may rewrite it
# fails with: the process can't change its own program
return """
ARG REGISTRY
FROM ${REGISTRY}/library/python:3.13-slim
WORKDIR /app
COPY requirements.txt .
RUN pip install --no-cache-dir -r requirements.txt
COPY --chown=10001 . .
USER 10001
CMD ["gunicorn", "users:create_app()"]
"""
