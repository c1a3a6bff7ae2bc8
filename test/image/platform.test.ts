import test from "ava";
import {
  bestPlatform,
  formatPlatform,
  type Platform,
  parsePlatform,
  platformOfArch,
} from "../../src/image/platform.ts";

for (const [text, expected] of [
  ["linux/amd64", "linux/amd64"],
  ["amd64", "linux/amd64"],
  ["x86_64", "linux/amd64"],
  ["Linux/AArch64", "linux/arm64"],
  ["linux/arm64/v8", "linux/arm64"],
  ["linux/arm", "linux/arm/v7"],
  ["linux/arm/v6", "linux/arm/v6"],
  ["linux/386", "linux/386"],
  ["linux/riscv64", "linux/riscv64"],
] as const) {
  test(`${text} is ${expected}`, (t) => t.is(formatPlatform(parsePlatform(text)), expected));
}

for (const text of [
  "",
  "linux",
  "linux/",
  "linux/vax",
  "windows/amd64",
  "linux/arm/x",
  "linux/arm/v7/more",
  "linux/constructor",
]) {
  test(`"${text}" is no platform`, (t) => {
    t.throws(() => parsePlatform(text), { code: "PLATFORM" });
  });
}

test("what Node.js calls an architecture", (t) => {
  t.is(formatPlatform(platformOfArch("x64")), "linux/amd64");
  t.is(formatPlatform(platformOfArch("ia32")), "linux/386");
});

test("an image runs where its system and architecture are, and its variant is not above", (t) => {
  const best = (wanted: string, ...offered: string[]) => {
    const platforms = offered.map((text) => (text === "" ? undefined : parseOffered(text)));
    const place = bestPlatform(platforms, parsePlatform(wanted));
    return place === undefined ? undefined : offered[place];
  };
  t.is(best("linux/arm64", "linux/amd64", "linux/arm64/v8"), "linux/arm64/v8");
  t.is(best("linux/arm64/v8", "linux/arm64"), "linux/arm64");
  t.is(best("linux/arm/v7", "linux/arm/v5", "linux/arm/v6"), "linux/arm/v6");
  t.is(best("linux/arm/v7", "linux/arm/v6", "linux/arm"), "linux/arm");
  t.is(best("linux/arm/v6", "linux/arm/v7"), undefined);
  t.is(best("linux/amd64", "linux/amd64/v3", "linux/amd64/v2"), undefined);
  t.is(best("linux/amd64", "linux/amd64/v3", "linux/amd64/v1"), "linux/amd64/v1");
  t.is(best("linux/arm64", "linux/arm64/odd"), undefined);
  t.is(best("linux/amd64", "", "unknown/unknown", "windows/amd64", "linux/386"), undefined);
});

/** As an index has it, before it is normalised. */
function parseOffered(text: string): Platform {
  const [os = "", architecture = "", variant] = text.split("/");
  return { os, architecture, ...(variant === undefined ? {} : { variant }) };
}
