import { execFileSync } from "node:child_process";
import { mkdir, stat, symlink, writeFile } from "node:fs/promises";
import path from "node:path";
import test, { type ExecutionContext } from "ava";
import { type BuildResult, build } from "../../src/build.ts";
import { cacheDir, canRun, compile, folderOf, imageOf, runHere } from "../support/program-image.ts";
import { failsWith } from "../support/slim-error.ts";
import { hasTool } from "../support/tools.ts";

/** The files of an image's closure below a folder. */
function filesBelow(
  closure: { entries: ReadonlyMap<string, { entry: { type: string } }> } | undefined,
  folder: string,
) {
  return [...(closure?.entries ?? [])]
    .filter(([place, { entry }]) => place.startsWith(`${folder}/`) && entry.type !== "directory")
    .map(([place]) => place);
}

const hello = `#include <stdio.h>
int main(int c, char **v) { printf("hello %s\\n", c > 1 ? v[1] : "world"); return 3; }
`;

/** One source, compiled, run here and run from its image: the answers must be equal. */
async function sameInImage(
  t: ExecutionContext,
  source: { name: string; text: string },
  command: readonly [string, ...string[]],
  args: readonly string[] = ["you"],
) {
  const folder = await folderOf(t, { [source.name]: source.text });
  compile(folder, command);
  const file = path.join(folder, "program");
  const { container, result } = await imageOf(t, { path: file });
  t.deepEqual(await container.run({ args }), runHere(file, { args }));
  return result;
}

test.serial("C: the interpreter, libc and nothing else", async (t) => {
  if (!canRun(t) || !hasTool(t, "gcc")) return;
  const result = await sameInImage(t, { name: "a.c", text: hello }, ["gcc", "-o", "program", "a.c"]);
  t.deepEqual(
    filesBelow(result.closures[0], "/usr/lib").filter((place) => place.includes(".so")),
    ["/usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2", "/usr/lib/x86_64-linux-gnu/libc.so.6"],
  );
  t.deepEqual(
    result.platforms[0]?.layers.map(({ name }) => name),
    ["os", "app"],
  );
  const reasons = result.closures[0]?.entries.get("/usr/lib/x86_64-linux-gnu/libc.so.6")?.reasons;
  t.deepEqual(reasons, [{ kind: "DT_NEEDED", from: "/app/program", what: "libc.so.6" }]);
});

test.serial("C++ with an exception", async (t) => {
  if (!canRun(t) || !hasTool(t, "g++")) return;
  const text = `#include <iostream>
#include <stdexcept>
int main() { try { throw std::runtime_error("caught"); } catch (const std::exception &e) { std::cout << e.what() << std::endl; } }`;
  await sameInImage(t, { name: "a.cc", text }, ["g++", "-o", "program", "a.cc"]);
});

test.serial("Rust with a thread and a panic", async (t) => {
  if (!canRun(t) || !hasTool(t, "rustc")) return;
  const text = `fn main() {
    let result = std::thread::spawn(|| { std::panic::catch_unwind(|| panic!("no")).is_err() }).join().unwrap();
    println!("{result} {:?}", std::env::args().nth(1));
    std::process::exit(4);
}`;
  const folder = await folderOf(t, { "a.rs": text });
  compile(folder, ["rustc", "-o", "program", "a.rs"]);
  const { container } = await imageOf(t, { path: path.join(folder, "program") });
  const [inside, outside] = [
    await container.run({ args: ["x"] }),
    runHere(path.join(folder, "program"), { args: ["x"] }),
  ];
  t.is(inside.stdout, outside.stdout);
  t.is(inside.code, 4);
});

test.serial("threads that end early: libgcc_s, which glibc opens by itself", async (t) => {
  if (!canRun(t) || !hasTool(t, "gcc")) return;
  const text = `#include <pthread.h>
#include <stdio.h>
#include <unistd.h>
static void *leave(void *x) { pthread_exit((void *)42); }
static void *wait_long(void *x) { pause(); return 0; }
int main() {
  pthread_t t; void *r;
  pthread_create(&t, 0, leave, 0); pthread_join(t, &r); printf("%ld\\n", (long)r);
  pthread_create(&t, 0, wait_long, 0); pthread_cancel(t); pthread_join(t, &r); printf("%d\\n", r == PTHREAD_CANCELED);
}`;
  const result = await sameInImage(t, { name: "a.c", text }, ["gcc", "-pthread", "-o", "program", "a.c"]);
  const entry = result.closures[0]?.entries.get("/usr/lib/x86_64-linux-gnu/libgcc_s.so.1");
  t.is(entry?.reasons[0]?.kind, "dlopen");
});

test.serial("names of accounts, hosts and services through NSS", async (t) => {
  if (!canRun(t) || !hasTool(t, "gcc")) return;
  const text = `#include <arpa/inet.h>
#include <grp.h>
#include <netdb.h>
#include <pwd.h>
#include <stdio.h>
int main(int c, char **v) {
  struct passwd *p = getpwnam("nobody"); struct group *g = getgrgid(0);
  printf("%d %s\\n", p ? (int)p->pw_uid : -1, g ? g->gr_name : "none");
  struct addrinfo hints = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM}, *found;
  int error = getaddrinfo(c > 1 ? v[1] : "slim.test", "80", &hints, &found);
  printf("%s\\n", error ? gai_strerror(error) : inet_ntoa(((struct sockaddr_in *)found->ai_addr)->sin_addr));
}`;
  const folder = await folderOf(t, { "a.c": text, hosts: "192.0.2.7 slim.test\n" });
  compile(folder, ["gcc", "-o", "program", "a.c"]);
  compile(folder, ["gcc", "-static", "-Wno-all", "-w", "-o", "static", "a.c"]);
  for (const name of ["program", "static"]) {
    const { container } = await imageOf(t, { path: path.join(folder, name) });
    const { stdout } = await container.run({ mounts: { "/etc/hosts": path.join(folder, "hosts") } });
    t.is(stdout, "65534 root\n192.0.2.7\n", name);
    // Not every runtime brings names of its own.
    t.is((await container.run({ args: ["localhost"] })).stdout, "65534 root\n127.0.0.1\n", name);
  }
});

test.serial(
  "what every Debian has comes along where a program asks for it: the locale C.UTF-8, names of services",
  async (t) => {
    if (!canRun(t) || !hasTool(t, "gcc")) return;
    const text = `#include <locale.h>
#include <netdb.h>
#include <stdio.h>
int main() {
  struct servent *s = getservbyname("https", "tcp"); struct protoent *p = getprotobyname("udp");
  printf("%d %d %s\\n", s ? ntohs(s->s_port) : 0, p ? p->p_proto : 0, setlocale(LC_ALL, "C.UTF-8"));
}`;
    const folder = await folderOf(t, { "a.c": text, "b.c": hello });
    compile(folder, ["gcc", "-o", "program", "a.c"]);
    compile(folder, ["gcc", "-static", "-w", "-o", "static", "a.c"]);
    for (const name of ["program", "static"]) {
      const { container } = await imageOf(t, { path: path.join(folder, name) });
      t.is((await container.run()).stdout, "443 17 C.UTF-8\n", name);
    }
    compile(folder, ["gcc", "-o", "other", "b.c"]);
    const { closures } = await build({ path: "other", cwd: folder, cacheDir, dryRun: true });
    t.deepEqual(
      [...(closures[0]?.entries.keys() ?? [])].filter((place) => /\/locale|\/services$/.test(place)),
      [],
    );
  },
);

test.serial("a time zone that is set, and that the image does not know, is told", async (t) => {
  if (!canRun(t) || !hasTool(t, "gcc")) return;
  const text = `#include <stdio.h>
#include <time.h>
int main() { time_t zero = 0; char hour[9]; strftime(hour, 9, "%H %Z", localtime(&zero)); puts(hour); }`;
  const folder = await folderOf(t, { "a.c": text });
  compile(folder, ["gcc", "-o", "program", "a.c"]);
  const program = path.join(folder, "program");
  const zones = ({ diagnostics }: BuildResult) => diagnostics.filter(({ code }) => code === "unknown-time-zone");
  for (const [zone, packages, said, hour] of [
    ["Asia/Tokyo", [], 1, "00 Asia"],
    ["Asia/Tokyo", ["tzdata"], 0, "09 JST"],
    ["JST-9", [], 0, "09 JST"],
  ] as const) {
    const { result, container } = await imageOf(t, { path: program, packages, env: { TZ: zone } });
    t.is(zones(result).length, said, zone);
    t.is((await container.run()).stdout, `${hour}\n`);
  }
});

test.serial("libraries beside the program keep their places: RUNPATH, and links", async (t) => {
  if (!canRun(t) || !hasTool(t, "gcc")) return;
  const folder = await folderOf(t, {
    "a.c": "int answer(void); int main() { return answer(); }",
    "b.c": "int deep(void); int answer(void) { return deep() * 6; }",
    "c.c": "int deep(void) { return 7; }",
  });
  for (const name of ["bin", "lib", "other/deep"]) await mkdir(path.join(folder, name), { recursive: true });
  compile(folder, ["gcc", "-shared", "-fPIC", "-Wl,-soname,libdeep.so.1", "-o", "other/deep/libdeep.so.1.2", "c.c"]);
  await symlink("libdeep.so.1.2", path.join(folder, "other/deep/libdeep.so.1"));
  await symlink(path.join(folder, "other/deep"), path.join(folder, "lib/deep"));
  compile(folder, [
    "gcc",
    "-shared",
    "-fPIC",
    "-Wl,-soname,libanswer.so",
    "-o",
    "lib/libanswer.so",
    "b.c",
    "other/deep/libdeep.so.1",
    "-Wl,-rpath,$ORIGIN/deep",
  ]);
  const link = ["-Wl,-rpath,$ORIGIN/../lib", "-Wl,-rpath-link,other/deep"];
  compile(folder, ["gcc", "-o", "bin/program", "a.c", "lib/libanswer.so", ...link]);
  const { container, result } = await imageOf(t, { path: path.join(folder, "bin/program") });
  t.is((await container.run()).code, 42);
  t.deepEqual(filesBelow(result.closures[0], "/app"), [
    "/app/bin/program",
    "/app/lib/deep",
    "/app/lib/libanswer.so",
    "/app/other/deep/libdeep.so.1",
    "/app/other/deep/libdeep.so.1.2",
  ]);
  const told = result.diagnostics.filter(({ code }) => code === "own-library").map(({ file }) => file);
  t.deepEqual(told.sort(), ["/app/lib/libanswer.so", "/app/other/deep/libdeep.so.1.2"]);
  t.notRegex(
    JSON.stringify([...(result.closures[0]?.entries.values() ?? [])].map(({ reasons }) => reasons)),
    /slim-sources/,
  );
});

test.serial("a chain of RPATHs, which the libraries of libraries inherit", async (t) => {
  if (!canRun(t) || !hasTool(t, "gcc")) return;
  const folder = await folderOf(t, {
    "a.c": "int one(void); int main() { return one(); }",
    "b.c": "int two(void); int one(void) { return two() + 1; }",
    "c.c": "int two(void) { return 2; }",
  });
  for (const name of ["x", "y"]) await mkdir(path.join(folder, name));
  compile(folder, ["gcc", "-shared", "-fPIC", "-Wl,-soname,libtwo.so", "-o", "y/libtwo.so", "c.c"]);
  // libone does not say where libtwo is: the program's RPATH does, since it is not a RUNPATH.
  compile(folder, ["gcc", "-shared", "-fPIC", "-Wl,-soname,libone.so", "-o", "x/libone.so", "b.c", "-Ly", "-ltwo"]);
  const rpath = ["-Wl,--disable-new-dtags", "-Wl,-rpath,$ORIGIN/x:$ORIGIN/y", "-Wl,-rpath-link,y"];
  compile(folder, ["gcc", "-o", "program", "a.c", "-Lx", "-lone", ...rpath]);
  const { container, result } = await imageOf(t, { path: path.join(folder, "program") });
  t.is((await container.run()).code, 3);
  t.deepEqual(filesBelow(result.closures[0], "/app"), ["/app/program", "/app/x/libone.so", "/app/y/libtwo.so"]);
});

test.serial("musl, with its loader from Debian", async (t) => {
  if (!canRun(t) || !hasTool(t, "musl-gcc")) return;
  const result = await sameInImage(t, { name: "a.c", text: hello }, ["musl-gcc", "-o", "program", "a.c"]);
  t.false(result.closures[0]?.entries.has("/usr/lib/x86_64-linux-gnu/libc.so.6"));
  t.true(result.closures[0]?.entries.has("/usr/lib/ld-musl-x86_64.so.1"));
});

test.serial("Go: static, and with cgo; --trim leaves the build information", async (t) => {
  if (!canRun(t) || !hasTool(t, "go") || !hasTool(t, "gcc")) return;
  t.timeout(300_000);
  const go = (lines: string) => `package main\n${lines}\n`;
  const folder = await folderOf(t, {
    "go.mod": "module example.test/program\n",
    "static/main.go": go('import "fmt"\nfunc main() { fmt.Println("static") }'),
    "cgo/main.go": go(
      '// int answer(void) { return 42; }\nimport "C"\nimport "fmt"\nfunc main() { fmt.Println(C.answer()) }',
    ),
  });
  const env = { ...process.env, GOFLAGS: "-mod=mod", GOTOOLCHAIN: "local", GOPROXY: "off" };
  const compileGo = (name: string, cgo: string) =>
    execFileSync("go", ["build", "-o", `${name}-program`, `./${name}`], {
      cwd: folder,
      env: { ...env, CGO_ENABLED: cgo },
      stdio: "pipe",
    });
  compileGo("static", "0");
  compileGo("cgo", "1");
  for (const name of ["static", "cgo"]) {
    const file = path.join(folder, `${name}-program`);
    const { container, result } = await imageOf(t, { path: file, trim: true });
    t.deepEqual(await container.run(), runHere(file), name);
    const inside = path.join(container.root, "app", `${name}-program`);
    t.true((await stat(inside)).size < (await stat(file)).size);
    const about = (program: string) =>
      execFileSync("go", ["version", "-m", program], { encoding: "utf8" }).replaceAll(program, "");
    t.is(about(inside), about(file));
    t.is(result.closures[0]?.entries.has("/usr/lib/x86_64-linux-gnu/libc.so.6"), name === "cgo");
  }
});

test.serial("a static program: alone with --bare, some 130 kB more with what programs expect", async (t) => {
  if (!canRun(t) || !hasTool(t, "gcc")) return;
  const folder = await folderOf(t, { "a.c": hello });
  compile(folder, ["gcc", "-static", "-o", "program", "a.c"]);
  const file = path.join(folder, "program");
  const bare = await imageOf(t, { path: file, bare: true, base: "scratch" });
  t.deepEqual(
    bare.result.platforms[0]?.layers.map(({ name, files }) => [name, files]),
    [["app", 1]],
  );
  t.deepEqual(await bare.container.run({ args: ["you"] }), runHere(file, { args: ["you"] }));
  const whole = await imageOf(t, { path: file });
  const more = (whole.result.platforms[0]?.size ?? 0) - (bare.result.platforms[0]?.size ?? 0);
  t.true(more > 0 && more <= 150_000, `${more} bytes`);
  t.log(`${more} bytes more`);
});

test.serial("what was put behind a program is not cut off, and that is said", async (t) => {
  if (!hasTool(t, "gcc")) return;
  const folder = await folderOf(t, { "a.c": hello });
  compile(folder, ["sh", "-c", "gcc -o program a.c && echo payload >> program"]);
  const file = path.join(folder, "program");
  const { diagnostics, closures } = await build({ path: file, trim: true, cwd: folder, cacheDir, dryRun: true });
  t.deepEqual(
    diagnostics.map(({ code, file: place }) => [code, place]),
    [["not-trimmed", "/app/program"]],
  );
  const entry = closures[0]?.entries.get("/app/program")?.entry;
  t.is(entry?.type === "file" ? entry.content.size : 0, (await stat(file)).size);
});

test.serial("libraries of this machine and of a sysroot", async (t) => {
  if (!canRun(t) || !hasTool(t, "gcc")) return;
  const folder = await folderOf(t, { "a.c": hello });
  compile(folder, ["gcc", "-o", "program", "a.c"]);
  const file = path.join(folder, "program");
  const host = await imageOf(t, { path: file, base: "host" });
  t.deepEqual(await host.container.run({ args: ["you"] }), runHere(file, { args: ["you"] }));
  t.deepEqual(
    host.result.diagnostics.map(({ code, severity }) => [code, severity]),
    [["host-libraries", "warning"]],
  );
  // The libraries of the other image are a system too.
  const sysroot = await imageOf(t, { path: file, sysroot: host.container.root });
  t.deepEqual(await sysroot.container.run({ args: ["you"] }), runHere(file, { args: ["you"] }));
  t.deepEqual(sysroot.result.diagnostics, []);
  const empty = await folderOf(t, {});
  const message = await failsWith(t, "CLOSURE", () =>
    build({ path: file, sysroot: empty, cwd: folder, cacheDir, dryRun: true }),
  );
  t.regex(message, /ld-linux-x86-64\.so\.2 is missing: .*program -> .*Debian has it in libc6: leave out --sysroot/);
});

test.serial("what is missing or too old is told with the chain to it", async (t) => {
  if (!hasTool(t, "gcc")) return;
  const folder = await folderOf(t, {
    "a.c": "int one(void); int main() { return one(); }",
    "b.c": "int two(void); int one(void) { return two(); }",
    "c.c": "int two(void) { return 2; }",
    map: "SLIM_9 { global: two; };",
  });
  compile(folder, ["gcc", "-shared", "-fPIC", "-Wl,-soname,libslimtwo.so.1", "-o", "libslimtwo.so.1", "c.c"]);
  compile(folder, [
    "gcc",
    "-shared",
    "-fPIC",
    "-Wl,-soname,libone.so",
    "-o",
    "libone.so",
    "b.c",
    "./libslimtwo.so.1",
    "-Wl,-rpath,$ORIGIN/nowhere",
  ]);
  compile(folder, ["gcc", "-o", "program", "a.c", "./libone.so", "-Wl,-rpath,$ORIGIN", "-Wl,-rpath-link,."]);
  const missing = await failsWith(t, "CLOSURE", () => build({ path: "program", cwd: folder, cacheDir, dryRun: true }));
  t.regex(
    missing,
    /libslimtwo\.so\.1 is missing: \/app\/program -> libone\.so -> libslimtwo\.so\.1 \(Debian trixie does not have it/,
  );
  const scratch = await failsWith(t, "CLOSURE", () =>
    build({ path: "program", base: "scratch", cwd: folder, cacheDir, dryRun: true }),
  );
  t.regex(scratch, /Debian has it in libc6/);
  // zlib has had no such version yet.
  compile(folder, [
    "gcc",
    "-shared",
    "-fPIC",
    "-Wl,-soname,libz.so.1",
    "-Wl,--version-script,map",
    "-o",
    "libz.so",
    "c.c",
  ]);
  compile(folder, ["sh", "-c", "echo 'int two(void); int main() { return two(); }' > d.c && gcc -o old d.c -L. -lz"]);
  const old = await failsWith(t, "CLOSURE", () => build({ path: "old", cwd: folder, cacheDir, dryRun: true }));
  t.regex(old, /libz\.so\.[0-9.]+ does not have SLIM_9: \/app\/old -> libz\.so\.1 \(/);
});

test.serial("what a program opens by name: beside it, of a package, or told", async (t) => {
  if (!canRun(t) || !hasTool(t, "gcc")) return;
  const main = (names: string) => `#include <dlfcn.h>
int main() { const char *names[] = {${names}}; int found = 0;
for (int i = 0; i < sizeof names / sizeof *names; i++) if (dlopen(names[i], RTLD_NOW)) found++; return found; }`;
  const folder = await folderOf(t, {
    "a.c": main('"$ORIGIN/../plugins/p.so", "libbeside.so", "libz.so.1", ".abi3.so"'),
    "b.c": "int answer(void) { return 42; }",
    "c.c": main('"%s/plugin.so"'),
  });
  for (const name of ["bin", "plugins"]) await mkdir(path.join(folder, name));
  for (const name of ["p.so", "libbeside.so"]) compile(folder, ["gcc", "-shared", "-o", `plugins/${name}`, "b.c"]);
  compile(folder, ["gcc", "-o", "bin/program", "a.c", "-Wl,-rpath,$ORIGIN/../plugins"]);
  compile(folder, ["gcc", "-o", "bin/computed", "c.c"]);
  const file = path.join(folder, "bin/program");
  const opened = ({ diagnostics }: Pick<BuildResult, "diagnostics">) =>
    diagnostics.filter(({ code }) => code === "opened-library").map((one) => `${one.file} ${one.message}`);
  const alone = await imageOf(t, { path: file });
  t.is((await alone.container.run()).code, 2);
  t.deepEqual(opened(alone.result), [
    "/app/bin/program can open libz.so.1 by name while it runs, which the image does not have",
  ]);
  const whole = await imageOf(t, { path: file, packages: ["zlib1g"] });
  t.is((await whole.container.run()).code, 3);
  t.deepEqual(opened(whole.result), []);
  // Other languages write no zero behind a text.
  await writeFile(path.join(folder, "d.c"), main('"libz.so.1zlibVersion"'));
  compile(folder, ["gcc", "-o", "bin/packed", "d.c"]);
  const packed = await build({ path: "bin/packed", cwd: folder, cacheDir, dryRun: true });
  t.regex(opened(packed).join(), /can open libz\.so\.1 by name/);
  const computed = await build({ path: "bin/computed", cwd: folder, cacheDir, dryRun: true });
  t.regex(opened(computed).join(), /can open %s\/plugin\.so by name/);
});

test.serial("a program that has commands run by a shell is told so", async (t) => {
  if (!canRun(t) || !hasTool(t, "gcc")) return;
  const folder = await folderOf(t, { "a.c": '#include <stdlib.h>\nint main() { return system("exit 3") >> 8; }' });
  compile(folder, ["gcc", "-o", "program", "a.c"]);
  const { diagnostics } = await build({ path: "program", cwd: folder, cacheDir, dryRun: true });
  t.deepEqual(
    diagnostics.map(({ code, severity, message, hint }) => [code, severity, message, hint]),
    [
      [
        "missing-shell",
        "info",
        "/app/program can have commands run by /bin/sh, which is not in the image",
        "--package dash adds it",
      ],
    ],
  );
  const whole = await imageOf(t, { path: path.join(folder, "program"), packages: ["dash"] });
  t.is((await whole.container.run()).code, 3);
  t.false(whole.result.diagnostics.some(({ code }) => code === "missing-shell"));
});

test.serial("encodings that a program or a library of it may convert from are told", async (t) => {
  if (!hasTool(t, "gcc")) return;
  const text = '#include <iconv.h>\nint one(void) { return iconv_open("UTF-8", "KOI8-R") != (iconv_t)-1; }';
  const folder = await folderOf(t, { "a.c": "int one(void); int main() { return one(); }", "b.c": text });
  compile(folder, ["gcc", "-shared", "-fPIC", "-o", "libone.so", "b.c"]);
  compile(folder, ["gcc", "-o", "program", "a.c", "-L.", "-lone", "-Wl,-rpath,$ORIGIN"]);
  const { diagnostics } = await build({ path: "program", cwd: folder, cacheDir, dryRun: true });
  const told = diagnostics.filter(({ code }) => code === "encodings").map(({ message }) => message);
  t.deepEqual(told, ["/app/libone.so converts text; encodings other than UTF-8 and ASCII are not in the image"]);
});

test.serial("what a program notes that it can open is taken where it has to be, else told once", async (t) => {
  if (!canRun(t) || !hasTool(t, "gcc")) return;
  const program = (priority: string) => `#include <dlfcn.h>
__attribute__((used, section(".note.dlopen"), aligned(4))) static const struct { unsigned n, d, t; char name[4]; char json[128]; }
note = { 4, 128, 0x407c0c0a, "FDO", "[{\\"soname\\":[\\"libz.so.1\\"],\\"feature\\":\\"zip\\",\\"priority\\":\\"${priority}\\"}]" };
int main() { return dlopen("libz.so.1", RTLD_NOW) ? 7 : 0; }`;
  const folder = await folderOf(t, { "required.c": program("required"), "recommended.c": program("recommended") });
  for (const name of ["required", "recommended"]) compile(folder, ["gcc", "-o", name, `${name}.c`]);
  const required = await imageOf(t, { path: path.join(folder, "required") });
  t.deepEqual([(await required.container.run()).code, required.result.diagnostics], [7, []]);
  const recommended = await imageOf(t, { path: path.join(folder, "recommended") });
  t.is((await recommended.container.run()).code, 0);
  t.deepEqual(
    recommended.result.diagnostics.map(({ code, message }) => [code, message]),
    [
      [
        "optional-library",
        "/app/recommended can make use of libz.so.1 for zip (recommended), which is not in the image",
      ],
    ],
  );
});

test.serial("files that the user adds lie beside the program as in the project, and it starts there", async (t) => {
  if (!canRun(t) || !hasTool(t, "gcc")) return;
  const text = `#include <stdio.h>
int main(void) { char line[99]; FILE *f = fopen("templates/a.txt", "r"); if (!f) return 1; puts(fgets(line, 99, f)); return 0; }`;
  const folder = await folderOf(t, {
    "main.c": text,
    "templates/a.txt": "from a file",
    "templates/b.bak": "",
    "other/readme.txt": "",
    "data/.env": "TOKEN=1",
    "data/deep/c.json": "{}",
    "secret.key": "-----BEGIN PRIVATE KEY-----",
  });
  await symlink("/etc/hostname", path.join(folder, "data/link"));
  compile(folder, ["gcc", "-static", "-o", "program", "main.c"]);
  compile(folder, ["gcc", "-static", "-o", "other/program", "main.c"]);
  const call = { cwd: folder, path: "program", exclude: ["**/*.bak"] };
  const include = ["templates", "data/**", "secret.key", "prog*", "none/*"];
  const { container, result } = await imageOf(t, { ...call, include });
  t.deepEqual(filesBelow(result.closures[0], "/app"), [
    "/app/data/deep/c.json",
    "/app/program",
    "/app/secret.key",
    "/app/templates/a.txt",
  ]);
  t.deepEqual(
    result.diagnostics.map(({ code, message }) => `${code}: ${message}`),
    [
      "credential-left-out: data/.env looks like a secret and is left out",
      "outside-project: data/link is a link out of the project and is left out",
      "include-nothing: --include none/* fits no file",
    ],
  );
  t.deepEqual(await container.run(), { stdout: "from a file\n", stderr: "", code: 0 });
  const below = { ...call, cwd: path.join(folder, "templates"), path: "../program", cacheDir, dryRun: true };
  for (const out of ["../secret.key", ".."]) {
    const error = await failsWith(t, "CONFIG", () => build({ ...below, include: [out] }));
    t.regex(error, /--include \S+: leads out of the project/);
  }
  const twice = await failsWith(t, "CONFIG", () =>
    build({ ...call, cacheDir, dryRun: true, path: "other/program", include: ["*"] }),
  );
  t.regex(twice, /--include \S+\/program: \/app\/program is the place of the program/);
});

test.serial("what is no program of Linux is said in one line", async (t) => {
  const folder = await folderOf(t, {
    "a.exe": "MZ\x90\0",
    "a.sh": "#!/bin/sh -e\necho\n",
    "a.wasm": "\0asm\x01",
    cli: "#!/usr/bin/env -S node --no-warnings\n",
    empty: "",
    text: "text",
    "liba.a": "!<arch>\n",
  });
  await writeFile(path.join(folder, "mac"), Buffer.from("cffaedfe0c000001", "hex"));
  await writeFile(path.join(folder, "fat"), Buffer.from("cafebabe00000002", "hex"));
  const said = async (name: string) => failsWith(t, "CONFIG", () => build({ path: name, cwd: folder, dryRun: true }));
  t.regex(await said("a.exe"), /a program for Windows/);
  t.regex(await said("mac"), /a program for macOS/);
  t.regex(await said("fat"), /a program for macOS/);
  t.regex(await said("a.sh"), /a script for \/bin\/sh -e \(/);
  t.regex(await said("a.wasm"), /WebAssembly/);
  t.regex(await said("empty"), /is empty/);
  t.regex(await said("liba.a"), /a static library/);
  t.regex(await said("text"), /not something slim can build/);
  t.regex(await said("cli"), /a script for Node\.js whose name does not say .*ends in \.js/);
  // Nobody may ever write to it.
  compile(folder, ["mkfifo", "pipe"]);
  t.regex(await said("pipe"), /is neither a file nor a folder/);
});

test.serial("options of Node.js apps are refused for binaries and packages", async (t) => {
  if (!hasTool(t, "gcc")) return;
  const folder = await folderOf(t, { "a.c": hello });
  compile(folder, ["gcc", "-o", "program", "a.c"]);
  const refused = (call: object) =>
    failsWith(t, "CONFIG", () => build({ cwd: folder, cacheDir, dryRun: true, ...call }));
  t.regex(await refused({ path: "program", external: ["x"] }), /--external: means nothing here: this is a binary/);
  t.regex(await refused({ packages: ["jq"], entry: "/usr/bin/jq", mode: "files" }), /--mode: means nothing here/);
});
