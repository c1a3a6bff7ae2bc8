import test from "ava";
import { planImage } from "../../src/plan/image-config.ts";

const source = (repository: unknown) =>
  planImage({}, { repository }, {}).annotations["org.opencontainers.image.source"];

for (const [given, expected] of [
  ["owner/name", "https://github.com/owner/name"],
  ["github:owner/name", "https://github.com/owner/name"],
  ["gitlab:owner/name", "https://gitlab.com/owner/name"],
  ["bitbucket:owner/name", "https://bitbucket.org/owner/name"],
  ["https://example.com/owner/name.git", "https://example.com/owner/name"],
  ["git+https://example.com/owner/name.git", "https://example.com/owner/name"],
  ["git://example.com/owner/name.git", "https://example.com/owner/name"],
  ["git@example.com:owner/name.git", "https://example.com/owner/name"],
  ["git+ssh://git@example.com/owner/name.git", "https://example.com/owner/name"],
  ["https://user:secret@example.com/owner/name", "https://example.com/owner/name"],
  ["not an address", undefined],
  [42, undefined],
] as const) {
  test(`the source of ${given} is ${expected}`, (t) => {
    t.is(source(given), expected);
    t.is(source({ type: "git", url: given }), expected);
  });
}

test("SOURCE_DATE_EPOCH is a number of seconds that a tar can hold", (t) => {
  t.is(planImage({}, {}, {}).epoch, 0);
  t.is(planImage({}, {}, { SOURCE_DATE_EPOCH: "1700000000" }).epoch, 1700000000);
  for (const text of ["-1", "1.5", "now", "99999999999999"]) {
    t.throws(() => planImage({}, {}, { SOURCE_DATE_EPOCH: text }), { code: "CONFIG" }, text);
  }
});
