# exercise: dockerfile
# mistake: gives the files to another user, and goes on as root
# fails with: the process is not root
return """
ARG REGISTRY
FROM ${REGISTRY}/library/python:3.13-slim
WORKDIR /app
COPY requirements.txt .
RUN pip install --no-cache-dir -r requirements.txt
COPY . .
RUN chown -R 10001 /app
CMD ["gunicorn", "users:create_app()"]
"""
