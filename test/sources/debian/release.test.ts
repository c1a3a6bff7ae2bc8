import test from "ava";
import { archiveKeys } from "../../../src/sources/debian/keys.ts";
import { readRelease } from "../../../src/sources/debian/release.ts";
import { clearSign, newKey } from "../../support/debian-archive.ts";
import { failsWith } from "../../support/slim-error.ts";

const hash = "a".repeat(64);
const text = `Origin: Test
Codename: trixie
Date: Mon, 01 Jun 2026 00:00:00 UTC
Valid-Until: Mon, 08 Jun 2026 00:00:00 UTC
Acquire-By-Hash: yes
MD5Sum:
 ${"b".repeat(32)} 1 main/binary-amd64/Packages.gz
SHA256:
 ${hash}      123 main/binary-amd64/Packages.gz
`;
const key = await newKey();
const expected = { keys: key.armored, codename: "trixie", now: new Date("2026-06-02"), where: "InRelease" };

test("a signed release is read", async (t) => {
  const release = await readRelease(await clearSign(text, [key]), expected);
  t.is(release.date, "2026-06-01T00:00:00Z");
  t.true(release.byHash);
  t.deepEqual([...release.files], [["main/binary-amd64/Packages.gz", { digest: `sha256:${hash}`, size: 123 }]]);
});

test("one known key is enough", async (t) => {
  const signed = await clearSign(text, [await newKey(), key]);
  t.is((await readRelease(signed, expected)).date, "2026-06-01T00:00:00Z");
});

test("a changed byte is refused", async (t) => {
  const signed = (await clearSign(text, [key])).replace("123 main", "124 main");
  t.regex(await failsWith(t, "INTEGRITY", () => readRelease(signed, expected)), /no good signature/);
});

test("another key is refused, also Debian's for a text that is not Debian's", async (t) => {
  const signed = await clearSign(text, [await newKey()]);
  await failsWith(t, "INTEGRITY", () => readRelease(signed, expected));
  await failsWith(t, "INTEGRITY", () => readRelease(signed, { ...expected, keys: archiveKeys }));
});

test("a text without a signature is refused", async (t) => {
  await failsWith(t, "INTEGRITY", () => readRelease(text, expected));
  const signed = await clearSign(text, [key]);
  await failsWith(t, "INTEGRITY", () =>
    readRelease(signed.slice(0, signed.indexOf("-----BEGIN PGP SIGNATURE")), expected),
  );
});

test("what stands outside the signed text is not read", async (t) => {
  const signed = await clearSign(text, [key]);
  for (const forged of [
    `Codename: sid\n${signed}`,
    `${signed}\nCodename: sid\nDate: Mon, 01 Jun 2099 00:00:00 UTC\n`,
  ]) {
    const outcome = await readRelease(forged, expected).catch(() => undefined);
    t.true(outcome === undefined || outcome.date === "2026-06-01T00:00:00Z");
  }
});

test("a key that had expired when it signed is refused, one that expired later is not", async (t) => {
  const short = await newKey({ date: new Date("2026-05-31"), expires: 86_400 });
  const keys = { ...expected, keys: short.armored };
  const good = await clearSign(text, [short], new Date("2026-05-31T12:00:00Z"));
  t.is((await readRelease(good, keys)).date, "2026-06-01T00:00:00Z");
  // openpgp does not sign with an expired key: the signature is made by the same key without its expiry.
  const { reformatKey } = await import("openpgp");
  const { privateKey } = await reformatKey({
    privateKey: short.secret,
    userIDs: [{ name: "A test" }],
    keyExpirationTime: 0,
    date: new Date("2026-05-31"),
    format: "object",
  });
  const late = await clearSign(text, [{ armored: "", secret: privateKey }], new Date("2026-06-01T12:00:00Z"));
  await failsWith(t, "INTEGRITY", () => readRelease(late, keys));
});

test("an expired release is refused", async (t) => {
  const signed = await clearSign(text, [key]);
  const late = { ...expected, now: new Date("2026-06-09") };
  t.regex(await failsWith(t, "INTEGRITY", () => readRelease(signed, late)), /expired at 2026-06-08/);
});

test("a release older than the lock is refused, the same one is not", async (t) => {
  const signed = await clearSign(text, [key]);
  t.is((await readRelease(signed, { ...expected, notBefore: "2026-06-01T00:00:00Z" })).date, "2026-06-01T00:00:00Z");
  const newer = { ...expected, notBefore: "2026-06-01T00:00:01Z" };
  t.regex(await failsWith(t, "INTEGRITY", () => readRelease(signed, newer)), /rolled back/);
});

test("the release of another suite is refused", async (t) => {
  const signed = await clearSign(text.replace("Codename: trixie", "Codename: sid"), [key]);
  t.regex(await failsWith(t, "INTEGRITY", () => readRelease(signed, expected)), /sid, not of trixie/);
});

test("a release without a readable date is none", async (t) => {
  for (const date of ["", "Date: yesterday\n"]) {
    const signed = await clearSign(text.replace(/^Date:.*\n/m, date), [key]);
    await failsWith(t, "DEBIAN", () => readRelease(signed, expected));
  }
});

test("Debian 12 and 13 keys ship, older ones do not", async (t) => {
  const { readKeys } = await import("openpgp");
  const users = (await readKeys({ armoredKeys: archiveKeys })).flatMap((one) => one.getUserIDs());
  t.is(users.length, 6);
  t.true(users.every((user) => /\((?:12\/bookworm|13\/trixie)\)/.test(user)));
});
