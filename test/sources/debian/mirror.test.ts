import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import test, { type ExecutionContext } from "ava";
import { findRoots } from "../../../src/sources/debian/mirror.ts";
import { failsWith } from "../../support/slim-error.ts";

/** A folder like /etc/apt with these files. */
async function apt(t: ExecutionContext, files: Readonly<Record<string, string>>): Promise<string> {
  const folder = await mkdtemp(path.join(os.tmpdir(), "slim-apt-"));
  t.teardown(() => rm(folder, { recursive: true }));
  for (const [name, text] of Object.entries(files)) {
    await mkdir(path.dirname(path.join(folder, name)), { recursive: true });
    await writeFile(path.join(folder, name), text);
  }
  return folder;
}

test("what is configured comes before the environment, and that before apt", async (t) => {
  const folder = await apt(t, { "sources.list": "deb http://apt.test/debian bookworm main" });
  const env = { SLIM_DEBIAN_MIRROR: "https://env.test/debian/" };
  t.is((await findRoots("http://given.test/debian", env, folder)).main, "http://given.test/debian");
  t.is((await findRoots(undefined, env, folder)).main, "https://env.test/debian");
  t.is((await findRoots(undefined, {}, folder)).main, "http://apt.test/debian");
});

test("the security archive is beside the main one, unless it is named", async (t) => {
  t.is((await findRoots("http://m.test/debian", {})).security, "http://m.test/debian-security");
  t.is((await findRoots("file:///srv/debian", {})).security, "file:///srv/debian-security");
  t.is(
    (await findRoots("http://m.test/archive/debian/20260101T000000Z/", {})).security,
    "http://m.test/archive/debian-security/20260101T000000Z",
  );
  const env = { SLIM_DEBIAN_SECURITY_MIRROR: "http://s.test/updates" };
  t.is((await findRoots("http://m.test/debian", env)).security, "http://s.test/updates");
});

test("one-line sources: Debian's own entries, not those of others", async (t) => {
  const folder = await apt(t, {
    "sources.list": [
      "# deb http://comment.test/debian bookworm main",
      "deb cdrom:[Debian]/ bookworm main",
      "deb-src http://source.test/debian bookworm main",
      "deb http://ubuntu.test/ubuntu noble main",
      "deb http://vendor.test/linux/debian bookworm stable",
      "deb http://vendor.test/apt stable main",
      "deb http://vendor.test/debian nodistro main",
      "deb [arch=amd64 signed-by=/k] http://good.test/debian/ bookworm main contrib # ours",
      "deb http://sec.test/debian-security bookworm-security main",
    ].join("\n"),
  });
  t.deepEqual(await findRoots(undefined, {}, folder), {
    main: "http://good.test/debian",
    security: "http://sec.test/debian-security",
  });
});

test("deb822 sources: several, disabled ones, comments", async (t) => {
  const folder = await apt(t, {
    "sources.list.d/a.sources":
      "Types: deb\nURIs: http://off.test/debian\nSuites: trixie\nComponents: main\nEnabled: no\n",
    "sources.list.d/b.sources":
      "Types: deb deb-src\n# a comment\nURIs: http://good.test/debian\nSuites: trixie trixie-updates\nComponents: main\n\nTypes: deb\nURIs:\n http://sec.test/debian-security\nSuites: trixie-security\nComponents: main\n",
    "sources.list.d/c.sources.disabled": "Types: deb\nURIs: http://c.test/debian\nSuites: trixie\nComponents: main\n",
  });
  t.deepEqual(await findRoots(undefined, {}, folder), {
    main: "http://good.test/debian",
    security: "http://sec.test/debian-security",
  });
});

test("no mirror is an error that names the variable", async (t) => {
  const folder = await apt(t, {});
  t.regex(await failsWith(t, "CONFIG", () => findRoots(undefined, {}, folder)), /SLIM_DEBIAN_MIRROR/);
});

test("a mirror must be a URL without credentials, which are not shown", async (t) => {
  await failsWith(t, "CONFIG", () => findRoots("ftp://m.test/debian", {}));
  await failsWith(t, "CONFIG", () => findRoots("m.test/debian", {}));
  t.notRegex(await failsWith(t, "CONFIG", () => findRoots("http://me:hunter2@m.test/debian", {})), /hunter2|me:/);
});
