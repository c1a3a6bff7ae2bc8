import test from "ava";
import fc from "fast-check";
import { parseChallenges } from "../../../src/store/registry/challenge.ts";

const plain = (header: string) => parseChallenges(header).map(({ scheme, parameters }) => [scheme, { ...parameters }]);

// What registries are documented or were reported to send.
const known: readonly (readonly [string, string, unknown])[] = [
  [
    "Docker Hub",
    'Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:samalba/my-app:pull,push"',
    [
      [
        "bearer",
        {
          realm: "https://auth.docker.io/token",
          service: "registry.docker.io",
          scope: "repository:samalba/my-app:pull,push",
        },
      ],
    ],
  ],
  [
    "ECR",
    'Basic realm="https://1.dkr.ecr.eu-west-1.amazonaws.com/",service="ecr.amazonaws.com"',
    [["basic", { realm: "https://1.dkr.ecr.eu-west-1.amazonaws.com/", service: "ecr.amazonaws.com" }]],
  ],
  [
    "a realm with a query",
    'Bearer realm="https://x/token?a=b&c=d",error="insufficient_scope"',
    [["bearer", { realm: "https://x/token?a=b&c=d", error: "insufficient_scope" }]],
  ],
  [
    "Bearer and Basic in one header",
    'Bearer realm="https://x/t", service="s", Basic realm="a, b"',
    [
      ["bearer", { realm: "https://x/t", service: "s" }],
      ["basic", { realm: "a, b" }],
    ],
  ],
  [
    "opaque words",
    'Negotiate YII=, Basic realm="x"',
    [
      ["negotiate", {}],
      ["basic", { realm: "x" }],
    ],
  ],
  [
    "a scheme alone, twice",
    "Negotiate, NTLM",
    [
      ["negotiate", {}],
      ["ntlm", {}],
    ],
  ],
  ["escapes", 'Basic realm="a \\"b\\" \\\\c"', [["basic", { realm: 'a "b" \\c' }]]],
  ["loose spaces and no quotes", "bearer  realm = https ,service= s", [["bearer", { realm: "https", service: "s" }]]],
  ["empty list members", ', , Basic realm="x",,', [["basic", { realm: "x" }]]],
  ["the first of a repeated parameter", 'Basic realm="x", realm="y"', [["basic", { realm: "x" }]]],
  ["nothing", "", []],
  ["rubbish after a challenge", 'Basic realm="x" ;;; ', [["basic", { realm: "x" }]]],
  ["names of Object", 'Bearer __proto__="x", constructor="y"', [["bearer", { ["__proto__"]: "x", constructor: "y" }]]],
];

for (const [name, header, expected] of known) {
  test(name, (t) => {
    t.deepEqual(plain(header), expected as never);
  });
}

test("what is written as the grammar says is read back", (t) => {
  const word = fc.stringMatching(/^[a-z][a-z0-9-]{0,8}$/);
  const parameters = fc.uniqueArray(fc.tuple(word, fc.string()), {
    minLength: 1,
    maxLength: 4,
    selector: ([key]) => key,
  });
  const challenges = fc.array(fc.tuple(word, parameters), { maxLength: 4 });
  fc.assert(
    fc.property(challenges, (list) => {
      const quote = (text: string) => `"${text.replace(/["\\]/g, "\\$&")}"`;
      const header = list
        .map(([scheme, pairs]) => `${scheme} ${pairs.map(([key, value]) => `${key}=${quote(value)}`).join(", ")}`)
        .join(", ");
      const read = parseChallenges(header).map(({ scheme, parameters }) => [scheme, Object.entries(parameters)]);
      t.deepEqual(read, list as never);
    }),
  );
});

test("any text is read to an end, quickly", (t) => {
  fc.assert(
    fc.property(fc.oneof(fc.string({ maxLength: 200 }), fc.stringMatching(/^[a-z =",\\]{0,200}$/)), (header) => {
      t.true(Array.isArray(parseChallenges(header)));
    }),
    { numRuns: 2000 },
  );
  const before = Date.now();
  parseChallenges(`Basic ${'a="'.repeat(20_000)}`);
  parseChallenges(`Basic ${"a ".repeat(20_000)}`);
  parseChallenges("A".repeat(60_000));
  t.true(Date.now() - before < 2000);
});
