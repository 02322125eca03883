"""Builds as docker-py's users do; prints what it saw as JSON."""

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
print(json.dumps(seen))
