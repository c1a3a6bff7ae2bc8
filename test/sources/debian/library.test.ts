import test from "ava";
import { parsePlatform } from "../../../src/image/platform.ts";
import { debianArchitecture } from "../../../src/sources/debian/architecture.ts";
import { libraryPackageNames } from "../../../src/sources/debian/library.ts";
import { linkStaysInside, mergedPath } from "../../../src/sources/debian/paths.ts";

test("a package is named after the soname of its library", (t) => {
  const expected: Record<string, string> = {
    "libfoo.so.6": "libfoo6",
    "libfoo-1.2.so.3": "libfoo-1.2-3",
    "libdb-5.3.so": "libdb-5.3",
    "libgcc_s.so.1": "libgcc-s1",
    "libstdc++.so.6": "libstdc++6",
    "libX11.so.6": "libx11-6",
    "libGL.so.1": "libgl1",
    "libssl.so.3": "libssl3",
  };
  for (const [soname, name] of Object.entries(expected)) t.deepEqual(libraryPackageNames(soname), [name, `${name}t64`]);
});

test("glibc's libraries and loaders are in libc6", (t) => {
  for (const soname of [
    "libc.so.6",
    "libm.so.6",
    "libpthread.so.0",
    "libresolv.so.2",
    "libnss_dns.so.2",
    "ld-linux-x86-64.so.2",
    "ld-linux-aarch64.so.1",
    "ld-linux-armhf.so.3",
    "ld64.so.1",
    "ld-linux-riscv64-lp64d.so.1",
  ]) {
    t.deepEqual(libraryPackageNames(soname), ["libc6"], soname);
  }
});

test("what is no soname names no package", (t) => {
  for (const soname of ["", "libfoo", "../x.so.1", "lib foo.so.1", "libfoo.so.1\t"])
    t.deepEqual(libraryPackageNames(soname), []);
});

test("architectures have Debian's names", (t) => {
  const names = ["amd64", "amd64/v2", "arm64", "arm", "arm/v6", "386", "ppc64le", "s390x", "riscv64", "loong64"].map(
    (text) => debianArchitecture(parsePlatform(`linux/${text}`)),
  );
  t.deepEqual(names, ["amd64", "amd64", "arm64", "armhf", undefined, "i386", "ppc64el", "s390x", "riscv64", undefined]);
});

test("paths move to the merged /usr, its links stay", (t) => {
  t.is(mergedPath("/lib/x86_64-linux-gnu/libc.so.6", false), "/usr/lib/x86_64-linux-gnu/libc.so.6");
  t.is(mergedPath("/sbin", true), "/usr/sbin");
  t.is(mergedPath("/lib", false), "/lib");
  t.is(mergedPath("/library/x", false), "/library/x");
});

test("a link may not climb above the root", (t) => {
  t.true(linkStaysInside("/usr/lib64/ld.so", "../lib/ld.so"));
  t.true(linkStaysInside("/a/b", "../../usr/../c".slice(3)));
  t.true(linkStaysInside("/a/b", "/etc/x"));
  t.false(linkStaysInside("/a/b", "../../x"));
  t.false(linkStaysInside("/a/b", "/../x"));
  t.false(linkStaysInside("/a", "b/../../a"));
});
