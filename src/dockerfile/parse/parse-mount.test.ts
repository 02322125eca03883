import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { isVarveError } from "../../core/index.ts";
import { parseMount } from "../index.ts";

const same = (word: string): string => word;

function refuses(text: string, message: RegExp): void {
  assert.throws(() => parseMount(text, same), message, text);
}

test("defaults by type", () => {
  assert.deepEqual(parseMount("target=/a", same), {
    type: "bind",
    from: "",
    source: "",
    target: "/a",
    readonly: true,
    size: 0,
    id: "",
    required: false,
  });
  assert.equal(parseMount("type=cache,target=/a", same).readonly, false);
  assert.equal(parseMount("type=tmpfs,target=/a,size=64m", same).size, 64 * 2 ** 20);
  assert.equal(parseMount("type=bind,target=/a,rw", same).readonly, false);
  assert.equal(parseMount("type=cache,target=/a,readonly=true", same).readonly, true);
});

test("every option", () => {
  const cache = parseMount('type=cache,id=x,dst=/a,sharing=locked,mode=0700,uid=1,gid=2,from=b,"src=c,d"', same);
  assert.deepEqual(
    [cache.id, cache.target, cache.sharing, cache.mode, cache.uid, cache.gid, cache.from, cache.source],
    ["x", "/a", "locked", 0o700, 1, 2, "b", "c,d"],
  );
  const secret = parseMount("type=secret,id=x,env=TOKEN,required", same);
  assert.deepEqual([secret.env, secret.required], ["TOKEN", true]);
});

test("values are expanded, keys are not", () => {
  assert.equal(parseMount("type=cache,target=$x", (word) => word.replace("$x", "/y")).target, "/y");
});

test("what is refused, and how", () => {
  refuses("type=bnd", /unsupported mount type "bnd" \(did you mean bind\?\)/);
  refuses("target=/a,foo", /invalid field 'foo' must be a key=value pair/);
  refuses("tarjet=/a", /unexpected key 'tarjet' in 'tarjet=\/a' \(did you mean target\?\)/);
  refuses("type=bind,required=true", /unexpected key 'required' for mount type 'bind'/);
  refuses("type=bind,target=/a,uid=1", /uid not allowed for "bind" type mounts/);
  refuses("type=cache,target=/a,mode=9", /invalid value 9 for mode/);
  refuses("type=secret", /one of source, target required/);
  refuses("type=secret,id=a,source=b", /both source and id can't be set/);
  refuses("type=bind,target=/a,sharing=shared", /invalid cache sharing set for bind mount/);
  refuses('type=bind,"x', /failed to parse csv mounts/);
  refuses("type=tmpfs,target=/a,size=x", /invalid value for size: x/);
});

test("random text is a mount or invalid-build", () => {
  const unit = fc.constantFrom("type=", "cache", "secret", ",", '"', "=", "id", "a", "uid=", "1", "ro", "size=", "k");
  fc.assert(
    fc.property(fc.string({ unit, maxLength: 12 }), (text) => {
      try {
        parseMount(text, same);
      } catch (error) {
        assert.ok(isVarveError(error, "invalid-build"), String(error));
      }
    }),
  );
});
