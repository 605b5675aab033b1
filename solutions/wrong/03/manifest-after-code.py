# exercise: dockerfile
# mistake: copies all at once, so that each edit installs everything anew
# fails with: a change of code leaves the packages in the cache
return """
ARG REGISTRY
FROM ${REGISTRY}/library/python:3.13-slim
WORKDIR /app
COPY . .
RUN pip install --no-cache-dir -r requirements.txt
USER 10001
CMD ["gunicorn", "users:create_app()"]
"""
