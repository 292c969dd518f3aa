# The demo application, see docs/serve.md:
#   docker build -t phnet .
#   docker run --read-only --cap-drop ALL -p 127.0.0.1:8000:8000 -v "$PWD/token:/run/token:ro" phnet

# Wheels that need a compiler would be built here; the second stage gets what is installed alone.
FROM python:3.11-slim AS build
WORKDIR /build
RUN python -m venv /opt/phnet
COPY scripts/constraints.txt scripts/constraints.txt
COPY pyproject.toml README.md LICENSE NOTICE ./
COPY src src
RUN /opt/phnet/bin/python -m pip install --no-cache-dir --compile -c scripts/constraints.txt ".[serve,heic]"

FROM python:3.11-slim
COPY --from=build /opt/phnet /opt/phnet
ENV PATH=/opt/phnet/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
USER 65532:65532
WORKDIR /
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/healthz', timeout=2)"]
# Everyone who reaches the container's port would be let in: a token is asked for. To go without,
# behind a proxy that asks: docker run ... phnet phnet serve --host 0.0.0.0 --insecure
CMD ["phnet", "serve", "--host", "0.0.0.0", "--port", "8000", "--token-file", "/run/token"]
