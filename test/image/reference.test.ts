import test from "ava";
import fc from "fast-check";
import { SlimError } from "../../src/base/error.ts";
import { formatReference, parseReference, parseRepository, tagOrDigest } from "../../src/image/reference.ts";

const digest = `sha256:${"0123456789abcdef".repeat(4)}`;

// What distribution's own table (reference/normalize_test.go) says of these names.
const full: readonly (readonly [string, string])[] = [
  ["alpine", "docker.io/library/alpine"],
  ["alpine:3", "docker.io/library/alpine:3"],
  ["user/app", "docker.io/user/app"],
  ["docker.io/alpine", "docker.io/library/alpine"],
  ["index.docker.io/alpine", "docker.io/library/alpine"],
  ["index.docker.io/user/app:1", "docker.io/user/app:1"],
  ["docker.io/library/alpine", "docker.io/library/alpine"],
  ["localhost/app", "localhost/app"],
  ["localhost:5000/app", "localhost:5000/app"],
  ["localhost", "docker.io/library/localhost"],
  ["127.0.0.1:5000/a/b:tag", "127.0.0.1:5000/a/b:tag"],
  ["[::1]:5000/app:1", "[::1]:5000/app:1"],
  ["[2001:db8::1]/app", "[2001:db8::1]/app"],
  ["GHCR.io/owner/app", "ghcr.io/owner/app"],
  ["a__b/c-d/e.f--g", "docker.io/a__b/c-d/e.f--g"],
  [`ghcr.io/o/a:t@${digest}`, `ghcr.io/o/a:t@${digest}`],
  [`alpine@${digest}`, `docker.io/library/alpine@${digest}`],
  ["app:5000", "docker.io/library/app:5000"],
  ["registry:5000/app", "registry:5000/app"],
];

for (const [given, expected] of full) {
  test(`${given} is ${expected}`, (t) => {
    t.is(formatReference(parseReference(given)), expected);
  });
}

const bad: readonly (readonly [string, RegExp])[] = [
  ["", /names no repository/],
  ["ghcr.io/", /names no repository/],
  ["ghcr.io/Owner/app", /upper-case/],
  ["a//b", /not a repository/],
  ["/a", /not a repository/],
  ["a/", /not a repository/],
  ["-a", /not a repository/],
  ["a___b", /not a repository/],
  ["a..b/c", /not a host|not a repository/],
  ["a:", /not a tag/],
  ["a:.x", /not a tag/],
  [`a:${"x".repeat(129)}`, /not a tag/],
  ["a@sha256:12", /not a digest/],
  [`a@${digest.toUpperCase()}`, /not a digest/],
  ["https://ghcr.io/a/b", /is a URL/],
  ["host:port/a", /not a host/],
  ["[::1/a", /not a host/],
  ["a".repeat(256), /longer than 255/],
  ["0123456789abcdef".repeat(4), /image ID/],
  ["ghcr.io/a b", /not a repository/],
  ["ghcr.io/a\n", /not a repository/],
];

for (const [given, message] of bad) {
  test(`${JSON.stringify(given.slice(0, 40))} is refused`, (t) => {
    const error = t.throws(() => parseReference(given), { instanceOf: SlimError, message });
    t.is(error.code, "CONFIG");
  });
}

test("a digest decides over a tag, and latest is the last resort", (t) => {
  t.is(tagOrDigest(parseReference(`a:t@${digest}`)), digest);
  t.is(tagOrDigest(parseReference("a:t")), "t");
  t.is(tagOrDigest(parseReference("a")), "latest");
});

test("a repository has no tag", (t) => {
  t.deepEqual(parseRepository("ghcr.io/a/b"), { host: "ghcr.io", repository: "a/b" });
  t.throws(() => parseRepository("ghcr.io/a/b:c"), { instanceOf: SlimError });
});

const part = fc.stringMatching(/^[a-z0-9]{1,8}(?:(?:[._]|__|-{1,3})[a-z0-9]{1,8}){0,2}$/);
const host = fc.oneof(
  fc.stringMatching(/^[a-z0-9]{1,8}(?:-[a-z0-9]{1,4})?\.[a-z]{2,5}(?::[1-9][0-9]{0,3})?$/),
  fc.constantFrom("localhost", "localhost:5000", "[::1]:5000", "[fe80::1]", "10.0.0.1:443"),
);
const reference = fc.record(
  {
    host,
    repository: fc.array(part, { minLength: 1, maxLength: 4 }).map((parts) => parts.join("/")),
    tag: fc.stringMatching(/^[A-Za-z0-9_][A-Za-z0-9_.-]{0,30}$/),
    digest: fc.stringMatching(/^[a-f0-9]{64}$/).map((hex) => `sha256:${hex}` as const),
  },
  { requiredKeys: ["host", "repository"] },
);

test("what is formatted reads back the same", (t) => {
  fc.assert(
    fc.property(reference, (value) => {
      t.deepEqual(parseReference(formatReference(value)), value);
    }),
  );
});

test("any text is a reference whose full form is stable, or a CONFIG error", (t) => {
  const piece = fc.oneof(fc.constantFrom("/", ":", "@", ".", "-", "_", "[", "]", "A", digest, "localhost"), part);
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.array(piece, { maxLength: 8 }).map((pieces) => pieces.join("")),
      ),
      (text) => {
        try {
          const formatted = formatReference(parseReference(text));
          t.is(formatReference(parseReference(formatted)), formatted);
        } catch (error) {
          t.true(error instanceof SlimError && error.code === "CONFIG", String(error));
        }
      },
    ),
    { numRuns: 2000 },
  );
});
