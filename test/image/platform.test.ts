import test from "ava";
import { formatPlatform, parsePlatform, platformOfArch } from "../../src/image/platform.ts";

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
