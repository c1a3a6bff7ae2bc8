import { existsSync, lstatSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import path from "node:path";
import test from "ava";
import fc from "fast-check";
import { bytesContent } from "../../../src/layer/entry.ts";
import type { PackageFile } from "../../../src/sources/debian/package.ts";
import { type Installation, readPostinst } from "../../../src/sources/debian/postinst.ts";

const plain = (place: string): PackageFile => {
  return { type: "file", path: place, mode: 0o644, content: bytesContent(place), md5: "" };
};

/** What a script makes: `place -> target` for a link, `place/` for a folder, and for a file where its bytes are from. */
async function made({ made: files }: Installation): Promise<string[]> {
  const text = async (file: PackageFile) => {
    if (file.type === "directory") return `${file.path}/`;
    if (file.type === "symlink") return `${file.path} -> ${file.target} (${file.rank})`;
    const parts: Uint8Array[] = [];
    for await (const part of file.content.open()) parts.push(part);
    return `${file.path}: ${Buffer.concat(parts)}`;
  };
  return Promise.all(files.map(text));
}

const undone = ({ undone: all }: Installation) =>
  all.map(({ kind, command, path: place, isSure }) =>
    `${isSure ? "" : "perhaps "}${kind}: ${command} ${place ?? ""}`.trim(),
  );

const run = (script: string, files: readonly string[] = []) =>
  readPostinst(`#!/bin/sh\nset -e\n${script}`, files.map(plain));

test("links of update-alternatives, by way of /etc/alternatives, with those that come along and are there", async (t) => {
  const script = `
if [ "$1" = "configure" ]; then
  for name in one two; do
    update-alternatives --quiet \\
      --install /usr/bin/\${name} \${name} /usr/bin/\${name}-real 84 \\
      --slave /usr/share/man/man1/\${name}.1.gz \${name}.1.gz /usr/share/man/man1/\${name}-real.1.gz \\
      --slave /usr/share/\${name} \${name}-data /usr/share/\${name}-real
  done
  update-alternatives --remove-all old || true
fi`;
  const found = run(script, ["/usr/bin/one-real", "/usr/share/one-real", "/usr/share/man/man1/one-real.1.gz"]);
  t.deepEqual(await made(found), [
    "/etc/alternatives/one -> /usr/bin/one-real (84)",
    "/usr/bin/one -> /etc/alternatives/one (84)",
    "/etc/alternatives/one-data -> /usr/share/one-real (84)",
    "/usr/share/one -> /etc/alternatives/one-data (84)",
    // What it is for comes with another package.
    "/etc/alternatives/two -> /usr/bin/two-real (84)",
    "/usr/bin/two -> /etc/alternatives/two (84)",
  ]);
  t.deepEqual(found.undone, []);
});

test("copies of the package's own files, text, folders, and nothing where a system keeps what passes", async (t) => {
  const script = `
PREFIX=/etc/thing
make_all() {
  local file
  file="$PREFIX/\${2:-thing}.conf"
  [ -e "$file" ] || cp -a /usr/share/thing/default.conf "$file"
  cp /usr/share/thing/default.conf $PREFIX
  install -m 644 -o root /usr/share/thing/default.conf /var/lib/thing/copy
  ucf --three-way "/usr/share/thing/default.conf" /etc/default/thing
}
case "$1" in
  abort-*|triggered) mkdir /never ;;
  configure)
    install -d -m 755 /etc/thing /var/lib/thing
    make_all "$@"
    mkdir -p /run/thing /var/log/thing /tmp/x
    cat > /etc/thing/lines <<-EOF
\tone
\ttwo
\tEOF
    echo "some text" > /etc/thing/text
    ln -sf ../thing.conf /etc/thing/link
    mv /etc/thing/text /etc/thing/moved
  ;;
  *) exit 1 ;;
esac
exit 0
mkdir /never/either`;
  const found = run(script, ["/usr/share/thing/default.conf"]);
  t.deepEqual((await made(found)).sort(), [
    "/etc/default/thing: /usr/share/thing/default.conf",
    "/etc/thing/",
    "/etc/thing/default.conf: /usr/share/thing/default.conf",
    "/etc/thing/lines: one\ntwo\n",
    "/etc/thing/link -> ../thing.conf (0)",
    "/etc/thing/moved: some text\n",
    "/etc/thing/thing.conf: /usr/share/thing/default.conf",
    "/var/lib/thing/",
    "/var/lib/thing/copy: /usr/share/thing/default.conf",
  ]);
  t.deepEqual(found.undone, []);
});

test("what a package has is not replaced, and nothing is made outside or below a file", async (t) => {
  const script = `
ln -s x /usr/bin/there
mkdir /usr/bin/there/below
ln -s ../../../../out /etc/out
echo x > /usr/bin/there`;
  const found = run(script, ["/usr/bin/there"]);
  t.deepEqual(await made(found), []);
});

test("branches: a first installation, on no running system", async (t) => {
  const script = `
if [ -n "$2" ] && dpkg --compare-versions "$2" lt 1.0; then mkdir /of-upgrade; fi
if dpkg --compare-versions "$2" lt-nl 1.0; then mkdir /of-upgrade; fi
if [ -d /run/systemd/system ]; then mkdir /of-systemd; fi
if ! [ -f /etc/thing.conf ] && [ -z "$2" -o "$2" = new ]; then mkdir /of-first; else mkdir /of-other; fi
test "$1" != configure || mkdir /of-configure
[ "$1" = remove ] && mkdir /of-remove
fresh() { [ -z "$2" ]; }
if fresh "$@"; then mkdir /of-function; fi`;
  t.deepEqual(await made(run(script)), ["/of-first/", "/of-configure/", "/of-function/"]);
});

test("what only the running system would tell is assumed, and what is not known is said", async (t) => {
  const script = `
. /usr/share/debconf/confmodule
db_get thing/answer
if [ "$RET" = yes ]; then mkdir /perhaps; fi
adduser --system thing
chown thing /perhaps
update-thing --all
if some-check; then thing-tool; fi
sed -e s/a/b/ /etc/thing > /etc/thing.conf
systemctl daemon-reload || true
x=$(thing --where)
cp "$x" /etc/thing.copy
cp /usr/share/other/file /etc/other.copy
[ -z "$x" ] && exit 0
late-tool`;
  const found = run(script);
  t.deepEqual(await made(found), ["/perhaps/"]);
  t.deepEqual(undone(found), [
    "account: adduser",
    "program: update-thing",
    "program: some-check",
    "perhaps program: thing-tool",
    "file: sed > /etc/thing.conf",
    "file: cp /etc/thing.copy",
    "file: cp /etc/other.copy",
    "perhaps program: late-tool",
  ]);
  t.is(found.undone.find((one) => one.path === "/etc/other.copy")?.from, "/usr/share/other/file");
});

test("a script that is not understood is one that is not done, and none runs for ever", async (t) => {
  t.deepEqual(undone(readPostinst("#!/usr/bin/perl\nprint 1;", [])), ["program: #!/usr/bin/perl"]);
  for (const script of ["if true; then", "case x in", "echo 'x", "cat <<EOF\nx", "f() {", "echo $(", "((", ")"]) {
    t.deepEqual(undone(run(script)), ["program: #!/bin/sh"], script);
  }
  t.deepEqual(undone(run("f() { f; }\nf\nmkdir /x")), []);
  t.deepEqual(await made(run(`${"for a in 1 2 3 4 5 6 7 8 9; do\n".repeat(12)}:\n${"done\n".repeat(12)}mkdir /x`)), []);
  t.deepEqual(undone(run("( ".repeat(200) + ") ".repeat(200))), ["program: #!/bin/sh"]);
});

test("no script, however strange, is a defect", (t) => {
  const shell =
    "if then fi else elif case in esac ;; for do done while { } ( ) $( ` \" ' \\ \n ; && || | ! $x x:-y} ${ <<EOF EOF cat > /etc/x ln -s";
  const others =
    "update-alternatives --install /usr/bin/a a /usr/bin/b 10 x= [ ] -e test f() $1 # & 2>&1 $((1+2)) __proto__";
  const piece = fc.constantFrom(...`${shell} ${others}`.split(" "));
  const scripts = fc.oneof(
    fc.array(piece, { maxLength: 60 }).map((pieces) => pieces.join(" ")),
    fc.string({ unit: "binary", maxLength: 200 }),
  );
  fc.assert(fc.property(scripts, (script) => void run(script)));
  for (const name of ["__proto__", "constructor", "toString"]) t.truthy(run(`${name} -s x`));
  for (const deep of ["(", "$(", "if ", "{ ", "! ", "${a:-", '"$(']) t.truthy(run(`${deep.repeat(20_000)}x`));
});

test("the alternatives of this machine are those that its scripts make", (t) => {
  const folder = "/var/lib/dpkg/info";
  if (!existsSync(folder) || !existsSync("/etc/alternatives")) {
    t.log("not a Debian system");
    t.pass();
    return;
  }
  const best = new Map<string, { rank: number; targets: string[] }>();
  for (const name of readdirSync(folder).filter((file) => file.endsWith(".postinst"))) {
    const listed = readFileSync(path.join(folder, name.replace(/postinst$/, "list")), "utf8").split("\n");
    const files = listed.filter((place) => existsSync(place) && !lstatSync(place).isDirectory()).map(plain);
    for (const file of readPostinst(readFileSync(path.join(folder, name), "utf8"), files).made) {
      if (file.type !== "symlink" || !file.path.startsWith("/etc/alternatives/")) continue;
      const { rank, targets } = best.get(file.path) ?? { rank: -1, targets: [] };
      const own = file.rank ?? 0;
      if (own >= rank)
        best.set(file.path, { rank: own, targets: own === rank ? [...targets, file.target] : [file.target] });
    }
  }
  t.true(best.size > 0);
  t.log(`${best.size} alternatives`);
  for (const [link, { targets }] of best) {
    // What comes along with another one has no file, and an administrator may have chosen.
    const state = path.join("/var/lib/dpkg/alternatives", path.basename(link));
    if (!existsSync(state) || !readFileSync(state, "utf8").startsWith("auto\n")) continue;
    t.true(targets.includes(readlinkSync(link)), `${link} -> ${readlinkSync(link)}, not ${targets}`);
  }
});
