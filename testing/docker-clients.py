"""Uses the API as docker-py's users do; prints what it saw as JSON."""

import io
import json
import sys

import docker

registry = sys.argv[1]
client = docker.from_env()
seen = {"ping": client.ping(), "api": client.version()["ApiVersion"]}
image = client.images.pull(f"{registry}/app", tag="1")
seen["tags"] = image.tags
seen["again"] = client.images.get(image.short_id).id == image.id
image.tag(f"{registry}/py", tag="2")
seen["push"] = [m for m in client.images.push(f"{registry}/py", tag="2", stream=True, decode=True) if "aux" in m or "error" in m]
archive = io.BytesIO(b"".join(image.save(named=True)))
client.images.remove(f"{registry}/py:2")
seen["loaded"] = [i.tags for i in client.images.load(archive)]
seen["history"] = [h["CreatedBy"] for h in image.history()]
seen["listed"] = sorted(t for i in client.images.list() for t in i.tags)
seen["filtered"] = len(client.images.list(filters={"dangling": True}))
seen["df"] = sorted(client.df())
seen["missing"] = None
try:
    client.images.get("nope")
except docker.errors.ImageNotFound as error:
    seen["missing"] = error.explanation
try:
    client.images.pull(f"{registry}/nope", tag="1")
except docker.errors.NotFound as error:
    seen["unpullable"] = error.status_code
seen["data"] = client.images.get_registry_data(f"{registry}/app:1").id == image.attrs["RepoDigests"][0].split("@")[1]
seen["prune"] = client.images.prune()["SpaceReclaimed"]
print(json.dumps(seen))
