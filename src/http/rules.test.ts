import assert from "node:assert/strict";
import { suite, test } from "node:test";
import * as fc from "fast-check";
import { isVarveError } from "../core/index.ts";
import { DEFAULT_RETRY, isLoopback, pauseBefore, proxyFromEnvironment, retryAfter } from "./index.ts";

suite("pauses", () => {
  test("grow, within bounds", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 1000 }), fc.double({ min: 0, max: 1, noNaN: true }), (attempt, chance) => {
        const ms = pauseBefore(DEFAULT_RETRY, attempt, () => chance);
        assert.ok(ms >= DEFAULT_RETRY.first / 2 && ms <= DEFAULT_RETRY.longest);
      }),
    );
  });

  test("Retry-After is seconds or a date", () => {
    assert.equal(retryAfter("120"), 120_000);
    assert.equal(retryAfter("Wed, 21 Oct 2015 07:28:00 GMT", Date.UTC(2015, 9, 21, 7, 27)), 60_000);
    assert.equal(retryAfter("Wed, 21 Oct 2015 07:28:00 GMT"), 0);
    for (const wrong of [undefined, "", "-1", "1.5", "soon", "2015-10-21", "9".repeat(20)]) {
      assert.equal(retryAfter(wrong), undefined, String(wrong));
    }
  });
});

suite("proxies", () => {
  const env = (noProxy: string): Record<string, string> => ({ https_proxy: "proxy:3128", NO_PROXY: noProxy });
  const uses = (noProxy: string, url: string): boolean =>
    proxyFromEnvironment(env(noProxy))(new URL(url)) !== undefined;

  test("follow the rules of NO_PROXY", () => {
    assert.equal(proxyFromEnvironment(env(""))(new URL("https://r.example")), "http://proxy:3128/");
    assert.ok(!uses("", "http://r.example"));
    assert.ok(!uses("", "https://localhost:5000"));
    assert.ok(!uses("", "https://[::1]:5000"));
    assert.ok(!uses("*", "https://r.example"));
    assert.ok(!uses("example", "https://r.example"));
    assert.ok(!uses(" .example ,x", "https://r.example"));
    assert.ok(uses(".r.example", "https://r.example"));
    assert.ok(uses("ample", "https://r.example"));
    assert.ok(!uses("r.example:443", "https://R.example"));
    assert.ok(uses("r.example:5000", "https://r.example"));
    assert.ok(!uses("10.0.0.0/8", "https://10.1.2.3:5000"));
    assert.ok(uses("10.0.0.0/8", "https://11.1.2.3"));
    assert.ok(!uses("[fd00::1]:443,fd00::/16", "https://[fd00::2]"));
    assert.ok(!uses("10.1.2.3", "https://10.1.2.3"));
    assert.ok(uses("10.0.0.0/99,:,[", "https://10.1.2.3"));
  });

  test("loopback is known in every form", () => {
    for (const host of ["localhost", "a.localhost", "127.0.0.1", "127.9.9.9", "[::1]"])
      assert.ok(isLoopback(host), host);
    for (const host of ["127.0.0.1.example", "localhost.example", "128.0.0.1", "[::2]"])
      assert.ok(!isLoopback(host), host);
  });

  test("a password in a proxy's URL is not shown", () => {
    const proxy = proxyFromEnvironment({ HTTPS_PROXY: "socks5://me:hunter2@x" });
    assert.throws(
      () => proxy(new URL("https://r.example")),
      (error) => {
        assert.ok(isVarveError(error, "invalid-argument"));
        assert.doesNotMatch(error.message, /hunter2/);
        return true;
      },
    );
  });
});
