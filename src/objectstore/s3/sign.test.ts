import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { encodeKey, encodeQuery } from "../encoding.ts";
import { EMPTY_PAYLOAD, sha256Hex, signed } from "./sign.ts";

const KEYS = { accessKeyId: "AKIAIOSFODNN7EXAMPLE", secretAccessKey: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY" };

/** The examples of https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html */
const PUBLISHED = [
  {
    name: "GET with a range",
    method: "GET",
    path: "/test.txt",
    headers: { range: "bytes=0-9" },
    payload: EMPTY_PAYLOAD,
    signature: "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
  },
  {
    name: "PUT with a body",
    method: "PUT",
    path: `/${encodeKey("test$file.text")}`,
    headers: { date: "Fri, 24 May 2013 00:00:00 GMT", "x-amz-storage-class": "REDUCED_REDUNDANCY" },
    payload: sha256Hex("Welcome to Amazon S3."),
    signature: "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd",
  },
  {
    name: "GET with a parameter without a value",
    method: "GET",
    path: `/?${encodeQuery({ lifecycle: "" })}`,
    headers: {},
    payload: EMPTY_PAYLOAD,
    signature: "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543",
  },
  {
    name: "a listing",
    method: "GET",
    path: `/?${encodeQuery({ prefix: "J", "max-keys": "2" })}`,
    headers: {},
    payload: EMPTY_PAYLOAD,
    signature: "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7",
  },
];

suite("the signature of", () => {
  for (const { name, method, path, headers, payload, signature } of PUBLISHED)
    test(`${name} is the published one`, () => {
      const { authorization } = signed({
        method,
        url: new URL(path, "https://examplebucket.s3.amazonaws.com"),
        headers,
        payload,
        keys: KEYS,
        region: "us-east-1",
        service: "s3",
        at: new Date("2013-05-24T00:00:00Z"),
      });
      assert.equal(/Signature=(.*)$/.exec(authorization ?? "")?.[1], signature);
    });
});

test("keys are encoded once, and slashes stay", () => {
  assert.equal(encodeKey("blobs/sha256:ab c+d'(é)*"), "blobs/sha256%3Aab%20c%2Bd%27%28%C3%A9%29%2A");
});

test("a URL keeps an encoded key as it is", () => {
  const path = `/bucket/${encodeKey("a//b/sha256:1~'(x)")}`;
  assert.equal(new URL(path, "https://s3.example").pathname, path);
});
