import { execFileSync, spawnSync } from "node:child_process";
import test from "ava";
import fc from "fast-check";
import { compareVersions } from "../../../src/sources/debian/version.ts";

const sorted = [
  "0~~",
  "0~",
  "0-0~",
  "0",
  "0-0+b1",
  "0.0",
  "1~~",
  "1~~a",
  "1~",
  "1~rc1-1",
  "1",
  "1-1~bpo12+1",
  "1-1",
  "1-1+b1",
  "1-1.1",
  "1-2",
  "1-10",
  "1a",
  "1+dfsg-1",
  "1.0",
  "1.0-1",
  "1.0.1",
  "1.2.3-4",
  "1.09",
  "1.10",
  "2.41-12",
  "2.41-12+deb13u4",
  "20250419",
  "20250419+deb13u1",
  "0:99999999999999999999",
  "0:99999999999999999999a",
  "1:0",
  "1:1.3.dfsg+really1.3.1-1",
  "2:0~",
];

test("versions sort as in Debian's policy", (t) => {
  const order = sorted.map((a) => sorted.map((b) => Math.sign(compareVersions(a, b))));
  t.deepEqual(
    order,
    sorted.map((_, a) => sorted.map((_, b) => Math.sign(a - b))),
  );
});

test("parts that are left out are 0", (t) => {
  for (const [a, b] of [
    ["1", "0:1"],
    ["1", "1-0"],
    ["1.0", "1.000"],
    ["1-", "1-0"],
    ["1.", "1.0"],
  ] as const) {
    t.is(Math.sign(compareVersions(a, b)), 0, `${a} ${b}`);
  }
});

const version = fc
  .tuple(
    fc.option(fc.nat({ max: 3 }), { nil: undefined }),
    fc.string({ unit: fc.constantFrom(..."0019aAz~+."), maxLength: 8 }),
    fc.option(fc.string({ unit: fc.constantFrom(..."0019aZ~+."), minLength: 1, maxLength: 5 }), { nil: undefined }),
  )
  .map(
    ([epoch, upstream, revision]) =>
      `${epoch === undefined ? "" : `${epoch}:`}1${upstream}${revision === undefined ? "" : `-${revision}`}`,
  );

test("the order is an order", (t) => {
  fc.assert(
    fc.property(version, version, version, (a, b, c) => {
      const [ab, bc, ac] = [compareVersions(a, b), compareVersions(b, c), compareVersions(a, c)];
      return Math.sign(ab) === -Math.sign(compareVersions(b, a)) && !(ab <= 0 && bc <= 0 && ac > 0);
    }),
  );
  t.pass();
});

const dpkg = spawnSync("sh", ["-c", "command -v dpkg"]).status === 0 ? test : test.skip;

dpkg("dpkg orders the same", (t) => {
  const pairs = fc.sample(fc.tuple(version, version), { numRuns: 400, seed: 1 });
  const script =
    'while read -r a b; do if dpkg --compare-versions "$a" lt "$b"; then echo -1; elif dpkg --compare-versions "$a" eq "$b"; then echo 0; else echo 1; fi; done';
  const input = pairs.map(([a, b]) => `${a} ${b}\n`).join("");
  const answers = execFileSync("sh", ["-c", script], { input, encoding: "utf8", stdio: ["pipe", "pipe", "ignore"] });
  t.deepEqual(
    pairs.map(([a, b]) => `${a} ${b} ${Math.sign(compareVersions(a, b))}`),
    answers
      .trim()
      .split("\n")
      .map((answer, index) => `${pairs[index]?.join(" ")} ${answer}`),
  );
});
