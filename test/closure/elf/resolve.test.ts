import { execFileSync } from "node:child_process";
import { mkdir, mkdtemp, realpath, rename, rm, symlink, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import test, { type ExecutionContext } from "ava";
import { SlimError } from "../../../src/base/error.ts";
import type { LibraryFile, LibraryFiles } from "../../../src/closure/elf/files.ts";
import { hostRoot, loaderFolders } from "../../../src/closure/elf/host.ts";
import { bytesReader } from "../../../src/closure/elf/reader.ts";
import { type Resolution, type ResolveOptions, resolveLibraries } from "../../../src/closure/elf/resolve.ts";
import { buildElf, type ElfParts } from "../../support/elf-builder.ts";
import { askLoader } from "../../support/machine-loader.ts";
import { hasTool } from "../../support/tools.ts";

const paths = ({ objects }: Resolution) => objects.map((object) => object.path);
const messages = ({ problems }: Resolution) => problems.map(({ message }) => message);

/** A view of files and links (`-> target`) by path. */
function image(files: Readonly<Record<string, ElfParts | `-> ${string}` | Uint8Array>>): LibraryFiles {
  const all = new Map<string, LibraryFile>();
  for (const [name, file] of Object.entries(files)) {
    if (typeof file === "string") all.set(name, { type: "link", target: file.slice(3) });
    else {
      const bytes = file instanceof Uint8Array ? file : buildElf(file);
      all.set(name, { type: "file", withReader: (use) => use(bytesReader(bytes)) });
    }
  }
  return { at: async (name) => all.get(name) };
}

const interpreter = "/lib64/ld-linux-x86-64.so.2";
const program = (parts: ElfParts): ElfParts => ({ type: 2, interpreter, ...parts });
const library = (soname: string, parts: ElfParts = {}): ElfParts => ({ soname, ...parts });

/** The loader and libc of a merged-/usr Debian. */
const debian = {
  "/lib": "-> usr/lib",
  "/lib64": "-> usr/lib64",
  "/usr/lib64/ld-linux-x86-64.so.2": "-> ../lib/x86_64-linux-gnu/ld-linux-x86-64.so.2",
  "/usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2": library("ld-linux-x86-64.so.2"),
  "/usr/lib/x86_64-linux-gnu/libc.so.6": library("libc.so.6", {
    needed: ["ld-linux-x86-64.so.2"],
    versions: ["libc.so.6", "GLIBC_2.2.5", "GLIBC_2.34"],
  }),
} as const;

/** A token of the loader, in its other form. */
const braced = (token: string) => `$\{${token}}`;

const resolve = (files: Parameters<typeof image>[0], options: Partial<ResolveOptions> = {}) =>
  resolveLibraries({ files: image(files), program: "/app/tool", ...options });

test("reasons, links and the way each object was found", async (t) => {
  const { objects, problems } = await resolve({
    ...debian,
    "/app/tool": program({ needed: ["libfoo.so.1", "libc.so.6"], runpath: "$ORIGIN/../opt" }),
    "/opt": "-> /srv/opt",
    "/srv/opt/libfoo.so.1": "-> libfoo.so.1.2.3",
    "/srv/opt/libfoo.so.1.2.3": library("libfoo.so.1", { needed: ["libc.so.6"] }),
  });
  t.deepEqual(problems, []);
  t.deepEqual(
    objects.map(({ path, via, links, reasons }) => ({
      path,
      via,
      links: links.map((link) => `${link.path} -> ${link.target}`),
      reasons: reasons.map(({ kind, from, what }) => `${kind} ${from} ${what}`),
    })),
    [
      { path: "/app/tool", via: "program", links: [], reasons: [] },
      {
        path: "/usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2",
        via: "interpreter",
        links: ["/lib64 -> usr/lib64", `/usr${interpreter} -> ../lib/x86_64-linux-gnu/ld-linux-x86-64.so.2`],
        reasons: [
          `interpreter /app/tool ${interpreter}`,
          "DT_NEEDED /usr/lib/x86_64-linux-gnu/libc.so.6 ld-linux-x86-64.so.2",
        ],
      },
      {
        path: "/srv/opt/libfoo.so.1.2.3",
        via: "runpath",
        links: ["/opt -> /srv/opt", "/srv/opt/libfoo.so.1 -> libfoo.so.1.2.3"],
        reasons: ["DT_NEEDED /app/tool libfoo.so.1"],
      },
      {
        path: "/usr/lib/x86_64-linux-gnu/libc.so.6",
        via: "default",
        links: ["/lib -> usr/lib"],
        reasons: ["DT_NEEDED /app/tool libc.so.6", "DT_NEEDED /srv/opt/libfoo.so.1.2.3 libc.so.6"],
      },
    ],
  );
});

test("RUNPATH hides the RPATH of the same object, whose libraries still inherit from further up", async (t) => {
  const files = {
    ...debian,
    "/app/tool": program({ needed: ["liba.so", "libb.so"], rpath: "/one" }),
    "/one/liba.so": library("liba.so", { needed: ["libb.so"], rpath: "/two", runpath: "/three" }),
    "/two/libb.so": library("libb.so"),
  };
  t.deepEqual(messages(await resolve(files)), ["libb.so is missing: /app/tool -> libb.so"]);
  // What liba needs is not looked for in the program's RPATH either, but in its RUNPATH.
  const three = { ...files, "/app/tool": program({ needed: ["liba.so"], rpath: "/one:/two" }) };
  t.deepEqual(messages(await resolve(three)), ["libb.so is missing: /app/tool -> liba.so -> libb.so"]);
  t.deepEqual(paths(await resolve({ ...three, "/three/libb.so": library("libb.so") })).slice(2), [
    "/one/liba.so",
    "/three/libb.so",
  ]);
});

test("the chain of RPATHs goes over whoever had an object loaded", async (t) => {
  const files = {
    ...debian,
    "/app/tool": program({ needed: ["liba.so"], rpath: "/one" }),
    "/one/liba.so": library("liba.so", { needed: ["libb.so"], rpath: "/two" }),
    "/two/libb.so": library("libb.so", { needed: ["libc1.so", "libc2.so"] }),
    "/one/libc1.so": library("libc1.so"),
    "/two/libc2.so": library("libc2.so"),
    "/one/libc2.so": library("libc2.so"),
  };
  t.deepEqual(paths(await resolve(files)).slice(2), ["/one/liba.so", "/two/libb.so", "/one/libc1.so", "/two/libc2.so"]);
});

test("$ORIGIN is where the link lies, $LIB is the architecture's folder, unknown tokens stay", async (t) => {
  const resolution = await resolve({
    ...debian,
    "/app/tool": program({ needed: ["liba.so"], runpath: `${braced("ORIGIN")}/$LIB:$ORIGINS:/x/$OTHER` }),
    "/app/lib/x86_64-linux-gnu/liba.so": "-> /store/liba.so",
    "/store/liba.so": library("liba.so", {
      needed: ["libb.so", "libc.so"],
      runpath: `$ORIGIN:/p/${braced("PLATFORM")}`,
    }),
    "/app/lib/x86_64-linux-gnu/libb.so": library("libb.so"),
    "/store/libb.so": library("libb.so"),
    "/p/x86_64/libc.so": library("libc.so"),
  });
  t.deepEqual(paths(resolution).slice(2), ["/store/liba.so", "/app/lib/x86_64-linux-gnu/libb.so", "/p/x86_64/libc.so"]);
});

test("files of other machines and classes are passed over, damaged ones are not", async (t) => {
  const files = {
    ...debian,
    "/app/tool": program({ needed: ["liba.so"], runpath: "/arm:/narrow:/big:/good" }),
    "/arm/liba.so": library("liba.so", { machine: 183 }),
    "/narrow/liba.so": library("liba.so", { bits: 32 }),
    "/big/liba.so": library("liba.so", { endian: "big" }),
    "/good/liba.so": library("liba.so"),
  } as const;
  t.deepEqual(paths(await resolve(files)).slice(2), ["/good/liba.so"]);
  const { "/good/liba.so": _, ...foreign } = files;
  t.deepEqual(messages(await resolve(foreign)), [
    "liba.so is missing (/big/liba.so is for another machine): /app/tool -> liba.so",
  ]);
  const error = await t.throwsAsync<SlimError>(resolve({ ...files, "/arm/liba.so": Buffer.from("INPUT(liba.so.1)") }));
  t.is(error?.toLine(), "/arm/liba.so: not an ELF file");
});

test("an object with DF_1_NODEFLIB does without the default folders", async (t) => {
  const files = { ...debian, "/app/tool": program({ needed: ["libc.so.6"], flags1: 0x800 }) };
  t.deepEqual(messages(await resolve(files)), ["libc.so.6 is missing: /app/tool -> libc.so.6"]);
  t.deepEqual(messages(await resolve(files, { configured: ["/usr/lib/x86_64-linux-gnu", "/lib"] })).length, 1);
});

test("configured folders come before the default ones, and say so", async (t) => {
  const files = {
    ...debian,
    "/app/tool": program({ needed: ["liba.so"] }),
    "/usr/local/lib/liba.so": library("liba.so"),
    "/usr/lib/liba.so": library("liba.so"),
  };
  const { objects } = await resolve(files, { configured: ["/usr/local/lib"] });
  t.deepEqual([objects.at(-1)?.path, objects.at(-1)?.via], ["/usr/local/lib/liba.so", "configuration"]);
  t.is(paths(await resolve(files)).at(-1), "/usr/lib/liba.so");
});

test("libraries for better processors only when asked for", async (t) => {
  const files = {
    ...debian,
    "/app/tool": program({ needed: ["liba.so"] }),
    "/usr/lib/glibc-hwcaps/x86-64-v3/liba.so": library("liba.so"),
    "/usr/lib/liba.so": library("liba.so"),
  };
  t.is(paths(await resolve(files)).at(-1), "/usr/lib/liba.so");
  const asked = await resolve(files, { hwcaps: ["x86-64-v4", "x86-64-v3"] });
  t.is(paths(asked).at(-1), "/usr/lib/glibc-hwcaps/x86-64-v3/liba.so");
});

test("a system that is not Debian's has lib64", async (t) => {
  const resolution = await resolve({
    "/lib64": "-> usr/lib64",
    "/usr/lib64/ld-linux-x86-64.so.2": library("ld-linux-x86-64.so.2"),
    "/usr/lib64/libc.so.6": library("libc.so.6"),
    "/opt/lib64/liba.so": library("liba.so"),
    "/app/tool": program({ needed: ["libc.so.6", "liba.so"], rpath: "/opt/$LIB" }),
  });
  t.deepEqual(paths(resolution).slice(1), [
    "/usr/lib64/ld-linux-x86-64.so.2",
    "/usr/lib64/libc.so.6",
    "/opt/lib64/liba.so",
  ]);
});

test("versions that a library lacks, with the chain; weak ones and libraries without any are no problem", async (t) => {
  const need = (...names: string[]) => [{ file: "libc.so.6", versions: names.map((name) => ({ name, weak: false })) }];
  const resolution = await resolve({
    ...debian,
    "/app/tool": program({
      needed: ["liba.so", "libc.so.6", "libplain.so"],
      rpath: "$ORIGIN",
      versionNeeds: [
        { file: "libc.so.6", versions: [{ name: "GLIBC_2.99", weak: true }] },
        { file: "libplain.so", versions: [{ name: "PLAIN_1", weak: false }] },
      ],
    }),
    "/app/liba.so": library("liba.so", {
      needed: ["libc.so.6"],
      versionNeeds: need("GLIBC_2.34", "GLIBC_2.38", "GLIBC_2.36"),
    }),
    "/app/libplain.so": library("libplain.so"),
  });
  const library6 = "/usr/lib/x86_64-linux-gnu/libc.so.6";
  t.deepEqual(resolution.problems, [
    {
      kind: "version",
      name: "libc.so.6",
      versions: ["GLIBC_2.36", "GLIBC_2.38"],
      library: library6,
      chain: ["/app/tool", "liba.so", "libc.so.6"],
      message: `${library6} does not have GLIBC_2.36, GLIBC_2.38: /app/tool -> liba.so -> libc.so.6`,
    },
  ]);
});

test("who supplies what is missing is asked once for each search, and only for what is missing", async (t) => {
  const asked: string[] = [];
  const base = image({ "/app/tool": program({ needed: ["liba.so.1", "libnone.so", "libc.so.6"] }) });
  const system = image(debian);
  const extra = image({
    "/usr/lib/x86_64-linux-gnu/liba.so.1": "-> liba.so.1.0",
    "/usr/lib/x86_64-linux-gnu/liba.so.1.0": library("liba.so.1", { needed: ["libc.so.6"] }),
  });
  const resolution = await resolveLibraries({
    files: base,
    program: "/app/tool",
    missing: async (name, requester) => {
      asked.push(`${requester.path} ${name}`);
      return name === "liba.so.1" ? extra : name.startsWith("/") ? system : undefined;
    },
  });
  t.deepEqual(asked, [`/app/tool ${interpreter}`, "/app/tool liba.so.1", "/app/tool libnone.so"]);
  t.deepEqual(messages(resolution), ["libnone.so is missing: /app/tool -> libnone.so"]);
  t.deepEqual(paths(resolution).slice(2), [
    "/usr/lib/x86_64-linux-gnu/liba.so.1.0",
    "/usr/lib/x86_64-linux-gnu/libc.so.6",
  ]);
});

test("libraries that are opened: by the caller's word, and by what objects declare", async (t) => {
  const dlopen = (...values: object[]) =>
    values.map((value) => ({ owner: "FDO", type: 0x407c0c0a, text: JSON.stringify([value]) }));
  const files = {
    ...debian,
    "/app/tool": program({ needed: ["liba.so", "libc.so.6"], rpath: "/opt" }),
    "/opt/liba.so": library("liba.so", {
      notes: dlopen(
        { soname: ["libnew.so", "libold.so"], priority: "required" },
        { soname: ["libmust.so"], priority: "required" },
        { soname: ["libnice.so"], feature: "nice" },
      ),
    }),
    "/opt/libold.so": library("libold.so", { needed: ["libdeep.so"] }),
    "/opt/libdeep.so": library("libdeep.so"),
    "/opt/libgcc_s.so.1": library("libgcc_s.so.1"),
    "/app/addon.node": library("addon.node", { needed: ["libdeep.so", "libaddon.so"], rpath: "$ORIGIN/lib" }),
    "/app/lib/libaddon.so": library("libaddon.so"),
  };
  const resolution = await resolve(files, {
    opens: [
      { from: "libc.so.6", names: ["libgcc_s.so.1"] },
      { from: "libnotthere.so", names: ["libother.so"] },
      { names: ["libmaybe.so"], optional: true },
      { names: ["/app/addon.node"] },
    ],
  });
  t.deepEqual(paths(resolution).slice(4), [
    "/opt/libgcc_s.so.1",
    "/app/addon.node",
    "/opt/libdeep.so",
    "/app/lib/libaddon.so",
    "/opt/libold.so",
  ]);
  t.deepEqual(messages(resolution), ["libmust.so is missing: /app/tool -> liba.so -> libmust.so"]);
  t.deepEqual(resolution.optional, [
    { from: "/opt/liba.so", note: { sonames: ["libnice.so"], priority: "recommended", feature: "nice" } },
  ]);
  const gcc = resolution.objects.find(({ path }) => path.endsWith("libgcc_s.so.1"));
  t.deepEqual(gcc?.reasons, [{ kind: "dlopen", from: "/usr/lib/x86_64-linux-gnu/libc.so.6", what: "libgcc_s.so.1" }]);
});

test("musl: RUNPATH is inherited, names of libc are the loader, versions do not matter", async (t) => {
  const musl = (parts: ElfParts): ElfParts => ({ type: 2, interpreter: "/lib/ld-musl-x86_64.so.1", ...parts });
  const files = {
    "/lib/ld-musl-x86_64.so.1": library("libc.musl-x86_64.so.1"),
    "/app/tool": musl({ needed: ["liba.so.1", "libc.musl-x86_64.so.1"], runpath: "$ORIGIN/lib" }),
    "/app/lib/liba.so.1": library("liba.so.1", {
      needed: ["libb.so", "libpthread.so.0"],
      versionNeeds: [{ file: "libb.so", versions: [{ name: "B_9", weak: false }] }],
    }),
    "/app/lib/libb.so": library("libb.so", { versions: ["B_1"], needed: ["libd.so"], rpath: "$ORIGIN/$LIB:/d" }),
    "/d/libd.so": library("libd.so"),
    "/usr/lib/libd.so": library("libd.so"),
    "/srv/libd.so": library("libd.so"),
  };
  const expected = ["/app/tool", "/lib/ld-musl-x86_64.so.1", "/app/lib/liba.so.1", "/app/lib/libb.so"];
  const resolution = await resolve(files);
  t.deepEqual(messages(resolution), []);
  // A token that musl does not know makes it leave the whole RPATH aside.
  t.deepEqual(paths(resolution), [...expected, "/usr/lib/libd.so"]);
  const foreign = { ...files, "/lib/libd.so": library("libd.so", { machine: 183 }) };
  t.deepEqual(messages(await resolve(foreign)), [
    "libd.so is missing (/lib/libd.so is for another machine): /app/tool -> liba.so.1 -> libb.so -> libd.so",
  ]);
  const other = { ...files, "/etc/ld-musl-x86_64.path": Buffer.from("/nowhere\n/srv:/d\n") };
  t.deepEqual(paths(await resolve(other)), [...expected, "/srv/libd.so"]);
});

test("a static program is alone", async (t) => {
  t.deepEqual(paths(await resolve({ "/app/tool": { type: 2 } })), ["/app/tool"]);
});

test("links: loops end, and nothing leaves the root", async (t) => {
  const files = {
    "/app/tool": program({ needed: ["libloop.so", "libout.so", "libnofolder.so"], rpath: "/a" }),
    "/lib64/ld-linux-x86-64.so.2": library("ld-linux-x86-64.so.2"),
    "/a/libloop.so": "-> libloop.so",
    "/a/libout.so": "-> ../../../../../b/libout.so",
    "/b/libout.so": library("libout.so"),
    "/a/libnofolder.so": "-> /b/libout.so/../libout.so",
  } as const;
  const resolution = await resolve(files);
  t.deepEqual(paths(resolution).slice(2), ["/b/libout.so"]);
  t.deepEqual(
    resolution.problems.map(({ name }) => name),
    ["libloop.so", "libnofolder.so"],
  );
});

test("no program, no interpreter", async (t) => {
  await t.throwsAsync(resolve({}), { instanceOf: SlimError, code: "NOT_FOUND" });
  const resolution = await resolve({ "/app/tool": program({}) });
  t.deepEqual(messages(resolution), [`${interpreter} is missing: /app/tool -> ${interpreter}`]);
});

interface Workshop {
  readonly folder: string;
  /** Builds `lib<name>.so` into `into`, against other libraries in `folder`. */
  lib(name: string, into: string, options?: { needs?: string[]; flags?: string[]; compiler?: string }): void;
  program(needs: string[], flags: string[], compiler?: string): string;
}

async function workshop(t: ExecutionContext): Promise<Workshop> {
  const folder = await realpath(await mkdtemp(path.join(os.tmpdir(), "slim-loader-")));
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  const build = (compiler: string, source: string, args: readonly string[]) =>
    execFileSync(
      compiler,
      ["-x", "c", "-", "-x", "none", "-Wl,--no-as-needed", "-Wl,--unresolved-symbols=ignore-all", ...args],
      {
        cwd: folder,
        input: source,
        stdio: ["pipe", "ignore", "pipe"],
      },
    );
  return {
    folder,
    lib(name, into, { needs = [], flags = [], compiler = "gcc" } = {}) {
      const all = ["-shared", "-fPIC", ...needs, ...flags, `-Wl,-soname,lib${name}.so`, "-o", `${into}/lib${name}.so`];
      build(compiler, `int ${name}(void) { return 1; }`, all);
    },
    program(needs, flags, compiler = "gcc") {
      build(compiler, "int main(void) { return 0; }", [...needs, ...flags, "-o", "bin/tool"]);
      return path.join(folder, "bin/tool");
    },
  };
}

async function agree(t: ExecutionContext, program: string): Promise<Resolution> {
  const resolution = await resolveLibraries({
    files: hostRoot("/"),
    program,
    configured: await loaderFolders("/"),
  });
  const theirs = await askLoader(["ldd", program]);
  const ours = paths(resolution).slice(1);
  t.deepEqual([...ours].sort(), [...theirs.libraries].sort());
  const missing = resolution.problems.filter(({ kind }) => kind === "missing").map(({ name }) => name);
  t.deepEqual(missing.sort(), [...theirs.notFound].sort());
  const versions = resolution.problems.flatMap((problem) => problem.versions);
  t.deepEqual(versions, theirs.versions);
  return resolution;
}

const gcc = "gcc";
const oldTags = "-Wl,--disable-new-dtags";
const newTags = "-Wl,--enable-new-dtags";
const rpath = (value: string) => `-Wl,-rpath,${value}`;

test("as the loader: RPATH leads to the libraries of libraries, RUNPATH does not", async (t) => {
  if (!hasTool(t, "gcc")) return;
  const { folder, lib, program } = await workshop(t);
  for (const name of ["bin", "one", "two"]) await mkdir(path.join(folder, name));
  lib("deep", "two");
  lib("mid", "one", { needs: ["two/libdeep.so"] });
  lib("top", "one", { needs: ["one/libmid.so"], flags: [oldTags, rpath(`${folder}/two`)] });
  const flags = [rpath(`${folder}/one`)];
  const inherited = await agree(t, program(["one/libtop.so"], [oldTags, ...flags]));
  t.deepEqual(messages(inherited), []);
  t.deepEqual(
    paths(inherited).slice(2, 3).concat(paths(inherited).slice(4)),
    ["one/libtop.so", "one/libmid.so", "two/libdeep.so"].map((name) => path.join(folder, name)),
  );
  const own = await agree(t, program(["one/libtop.so"], [newTags, ...flags]));
  t.deepEqual(messages(own), [`libmid.so is missing: ${folder}/bin/tool -> libtop.so -> libmid.so`]);
});

test("as the loader: RUNPATH $ORIGIN/../lib, through a link to the program", async (t) => {
  if (!hasTool(t, "gcc")) return;
  const { folder, lib, program } = await workshop(t);
  for (const name of ["bin", "lib"]) await mkdir(path.join(folder, name));
  lib("foo", "lib");
  const tool = program(["lib/libfoo.so"], [newTags, rpath("$ORIGIN/../lib")]);
  t.true(paths(await agree(t, tool)).includes(path.join(folder, "lib/libfoo.so")));
  await mkdir(path.join(folder, "other/place"), { recursive: true });
  await symlink("../../bin/tool", path.join(folder, "other/place/tool"));
  const linked = await resolveLibraries({ files: hostRoot("/"), program: path.join(folder, "other/place/tool") });
  t.deepEqual(messages(linked), []);
  t.deepEqual(linked.objects[0]?.links, [{ path: `${folder}/other/place/tool`, target: "../../bin/tool" }]);
  execFileSync(path.join(folder, "other/place/tool"));
});

test("as the loader: a soname that is loaded satisfies who could not find it", async (t) => {
  if (!hasTool(t, "gcc")) return;
  const { folder, lib, program } = await workshop(t);
  for (const name of ["bin", "one", "two"]) await mkdir(path.join(folder, name));
  lib("foo", "two");
  lib("user", "one", { needs: ["two/libfoo.so"] });
  const both = [newTags, rpath(`${folder}/one:${folder}/two`)];
  t.deepEqual(messages(await agree(t, program(["two/libfoo.so", "one/libuser.so"], both))), []);
  // The file has another name than the soname that it is asked for by: found by no search, but loaded.
  await rename(path.join(folder, "two/libfoo.so"), path.join(folder, "two/renamed.so"));
  t.deepEqual(messages(await agree(t, program(["two/renamed.so", "one/libuser.so"], both))), [
    `libfoo.so is missing: ${folder}/bin/tool -> libfoo.so`,
  ]);
});

test("as the loader: $LIB, files for other machines, and no default folders", async (t) => {
  if (!hasTool(t, "gcc")) return;
  const { folder, lib, program } = await workshop(t);
  const triplet = execFileSync(gcc, ["-print-multiarch"], { encoding: "utf8" }).trim();
  for (const name of ["bin", "wrong", `lib/${triplet}`]) await mkdir(path.join(folder, name), { recursive: true });
  lib("foo", `lib/${triplet}`);
  await writeFile(path.join(folder, "wrong/libfoo.so"), buildElf({ soname: "libfoo.so", machine: 8, bits: 32 }));
  const search = rpath(`$ORIGIN/../wrong:${braced("ORIGIN")}/../$LIB:$LIBS`);
  const found = await agree(t, program([`lib/${triplet}/libfoo.so`], [newTags, search]));
  t.true(paths(found).includes(path.join(folder, `lib/${triplet}/libfoo.so`)));
  const bare = await agree(t, program([`lib/${triplet}/libfoo.so`], [newTags, search, "-Wl,-z,nodefaultlib"]));
  t.deepEqual(
    bare.problems.map(({ name }) => name),
    ["libc.so.6"],
  );
});

test("as the loader: libraries that stand in for others", async (t) => {
  if (!hasTool(t, "gcc")) return;
  const { folder, lib, program } = await workshop(t);
  for (const name of ["bin", "one", "two"]) await mkdir(path.join(folder, name));
  lib("better", "two");
  const flags = ["-Wl,--auxiliary,libbetter.so", newTags, rpath(`${folder}/two`)];
  lib("foo", "one", { flags });
  const tool = program(["one/libfoo.so"], [newTags, rpath(`${folder}/one`)]);
  const found = await agree(t, tool);
  t.true(paths(found).includes(path.join(folder, "two/libbetter.so")));
  t.deepEqual(
    found.objects.find(({ path: place }) => place.endsWith("libbetter.so"))?.reasons.map(({ kind }) => kind),
    ["DT_FILTER"],
  );
  await rm(path.join(folder, "two/libbetter.so"));
  // ldd tells of it, but the program runs.
  t.deepEqual(messages(await resolveLibraries({ files: hostRoot("/"), program: tool })), []);
  execFileSync(tool);
  lib("foo", "one", { flags: flags.map((flag) => flag.replace("--auxiliary", "--filter")) });
  t.deepEqual(messages(await agree(t, tool)), [
    `libbetter.so is missing: ${folder}/bin/tool -> libfoo.so -> libbetter.so`,
  ]);
});

test("as the loader: a library that is too old", async (t) => {
  if (!hasTool(t, "gcc")) return;
  const { folder, lib, program } = await workshop(t);
  for (const name of ["bin", "lib"]) await mkdir(path.join(folder, name));
  await writeFile(path.join(folder, "old.map"), "FOO_1 { global: foo; };");
  await writeFile(path.join(folder, "new.map"), "FOO_1 { }; FOO_2 { global: foo; } FOO_1;");
  lib("foo", "lib", { flags: ["-Wl,--version-script,new.map"] });
  execFileSync(
    gcc,
    [
      "-x",
      "c",
      "-",
      "-shared",
      "-fPIC",
      "-x",
      "none",
      "lib/libfoo.so",
      "-Wl,-soname,libuser.so",
      "-o",
      "lib/libuser.so",
    ],
    {
      cwd: folder,
      input: "int foo(void); int user(void) { return foo(); }",
    },
  );
  const tool = program(["lib/libuser.so"], [oldTags, rpath("$ORIGIN/../lib")]);
  t.deepEqual(messages(await agree(t, tool)), []);
  lib("foo", "lib", { flags: ["-Wl,--version-script,old.map"] });
  t.deepEqual(messages(await agree(t, tool)), [
    `${folder}/lib/libfoo.so does not have FOO_2: ${folder}/bin/tool -> libuser.so -> libfoo.so`,
  ]);
  t.throws(() => execFileSync(tool, { stdio: "pipe" }), { message: /FOO_2/ });
});

test("as the loader: musl's", async (t) => {
  if (!hasTool(t, "musl-gcc")) return;
  const { folder, lib, program } = await workshop(t);
  for (const name of ["bin", "one", "two"]) await mkdir(path.join(folder, name));
  const compiler = "musl-gcc";
  lib("deep", "two", { compiler });
  lib("top", "one", { compiler, needs: ["two/libdeep.so"] });
  const tool = program(["one/libtop.so"], [newTags, rpath(`$ORIGIN/../one:${braced("ORIGIN")}/../two`)], compiler);
  const resolution = await resolveLibraries({ files: hostRoot("/"), program: tool });
  const loader = resolution.objects[0]?.elf.interpreter ?? "";
  t.regex(loader, /ld-musl-/);
  const theirs = await askLoader([loader, "--list", tool]);
  t.deepEqual(messages(resolution), []);
  t.deepEqual([...paths(resolution)].slice(1).sort(), [...new Set(theirs.libraries)].sort());
  t.is(resolution.objects.length, 4);
  execFileSync(tool);
  await rm(path.join(folder, "two/libdeep.so"));
  const without = await resolveLibraries({ files: hostRoot("/"), program: tool });
  t.deepEqual(messages(without), [`libdeep.so is missing: ${tool} -> libtop.so -> libdeep.so`]);
  t.deepEqual((await askLoader([loader, "--list", tool])).notFound, ["libdeep.so"]);
});

test("a folder as the root: its links stay inside, its configuration counts", async (t) => {
  const root = await mkdtemp(path.join(os.tmpdir(), "slim-root-"));
  t.teardown(() => rm(root, { recursive: true, force: true }));
  for (const name of ["app", "etc/ld.so.conf.d", "usr/lib64", "opt/lib"])
    await mkdir(path.join(root, name), { recursive: true });
  const write = (name: string, parts: ElfParts) => writeFile(path.join(root, name), buildElf(parts));
  await write("app/tool", program({ needed: ["liba.so", "libb.so"] }));
  await write("usr/lib64/ld-linux-x86-64.so.2", library("ld-linux-x86-64.so.2"));
  await symlink("/usr/lib64", path.join(root, "lib64"));
  await write("opt/lib/liba.so.1", library("liba.so.1"));
  await symlink("/opt/lib/liba.so.1", path.join(root, "opt/lib/liba.so"));
  await write("usr/lib64/libb.so.1", library("libb.so"));
  await symlink("../../../../../../../../usr/lib64/libb.so.1", path.join(root, "usr/lib64/libb.so"));
  await writeFile(
    path.join(root, "etc/ld.so.conf"),
    "# all\ninclude ld.so.conf.d/*.conf\n/usr/last\ninclude /etc/ld.so.conf\n",
  );
  await writeFile(path.join(root, "etc/ld.so.conf.d/b.conf"), "/opt/lib # here\n");
  await writeFile(path.join(root, "etc/ld.so.conf.d/a.conf"), "/opt/first=libc6\n/opt/lib/\n");
  await writeFile(path.join(root, "etc/ld.so.conf.d/c.off"), "/opt/off\n");
  const configured = await loaderFolders(root);
  t.deepEqual(configured, ["/opt/first", "/opt/lib", "/usr/last"]);
  const resolution = await resolveLibraries({ files: hostRoot(root), program: "/app/tool", configured });
  t.deepEqual(messages(resolution), []);
  t.deepEqual(paths(resolution).slice(1), [
    "/usr/lib64/ld-linux-x86-64.so.2",
    "/opt/lib/liba.so.1",
    "/usr/lib64/libb.so.1",
  ]);
  t.deepEqual(await loaderFolders(path.join(root, "app")), []);
});
