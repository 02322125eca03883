"""Builds as docker-py's users do; prints what it saw as JSON."""

import base64
import io
import json
import sys

import docker

base, folder = sys.argv[1], sys.argv[2]
client = docker.from_env()
image, logs = client.images.build(path=folder, tag="py:1", buildargs={"WHO": "py"}, network_mode="none", rm=True)
seen = {"tags": image.tags, "hits": 0, "said": "".join(l.get("stream", "") for l in logs)}
again, logs = client.images.build(path=folder, tag="py:1", buildargs={"WHO": "py"}, network_mode="none", rm=True)
seen["same"] = again.id == image.id
seen["hits"] = "".join(l.get("stream", "") for l in logs).count("Using cache")
alone = io.BytesIO(f"FROM {base}\nENV ALONE=1\n".encode())
seen["alone"] = client.images.build(fileobj=alone)[0].attrs["Config"]["Env"][-1]
try:
    client.images.build(fileobj=io.BytesIO(f"FROM {base}\nRUN exit 9\n".encode()))
except docker.errors.BuildError as error:
    seen["failed"] = error.msg
try:
    client.images.build(fileobj=io.BytesIO(b"FETCH x\n"))
except docker.errors.APIError as error:
    seen["status"] = error.status_code
client.api.headers["X-Varve-Secrets"] = json.dumps({"word": base64.b64encode(b"abc").decode()})
whole = f"# syntax=docker/dockerfile:1\nFROM {base}\nRUN --mount=type=secret,id=word <<E\nwc -c < /run/secrets/word\nE\n"
image, logs = client.images.build(fileobj=io.BytesIO(whole.encode()), tag="py:whole", network_mode="none")
seen["whole"] = [image.tags, " 3\n" in "".join(" " + l.get("stream", "") for l in logs)]
try:
    client.images.build(fileobj=io.BytesIO(f"FROM {base}\nRUN --mount=type=tmpfs,target=/t exit 9\n".encode()))
except docker.errors.BuildError as error:
    seen["wholeFailed"] = error.msg
print(json.dumps(seen))
