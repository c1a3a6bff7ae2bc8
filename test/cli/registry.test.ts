import { appendFile, chmod, mkdir, readdir, readFile, stat, writeFile } from "node:fs/promises";
import path from "node:path";
import test, { type ExecutionContext } from "ava";
import { esbuildBinary } from "../support/esbuild-binary.ts";
import { lockedProject, workFolder } from "../support/project.ts";
import { StrictRegistry } from "../support/registry.ts";
import { type RealRegistry, run, startRegistry } from "../support/registry-server.ts";
import { type Printed, type SlimRun, slim } from "../support/slim.ts";
import { testWith } from "../support/tools.ts";

const work = workFolder(test);
const real = testWith(test, "docker-registry", "htpasswd");

const secret = "correct horse: battery";
const none = /401: UNAUTHORIZED authentication required \(no credentials were found; log in with: slim login \S+\)$/;

/** The command line of somebody whose home is in this folder, where no other credentials are found. */
function person(name: string) {
  const home = path.join(work, name);
  const env = {
    HOME: home,
    DOCKER_CONFIG: undefined,
    REGISTRY_AUTH_FILE: undefined,
    XDG_RUNTIME_DIR: undefined,
  };
  const config = path.join(home, ".docker/config.json");
  return {
    config,
    slim: (args: readonly string[], input = "", more: NodeJS.ProcessEnv = {}) =>
      slim(args, { cwd: work, env: { ...env, ...more }, input }),
  };
}

function succeeded(t: ExecutionContext, result: SlimRun): SlimRun {
  t.is(result.code, 0, result.stderr);
  return result;
}

/** It fails with one line, and says nothing else. */
function failed(t: ExecutionContext, { code, stdout, stderr }: SlimRun, line: RegExp): void {
  t.is(code, 1, stderr);
  t.is(stdout, "");
  t.regex(stderr, /^error: .+\n$/);
  t.regex(stderr.trimEnd(), line);
}

async function registryOf(t: ExecutionContext, ...options: Parameters<typeof startRegistry>): Promise<RealRegistry> {
  const registry = await startRegistry(...options);
  t.teardown(() => registry.stop());
  return registry;
}

/** A small image in an archive. */
async function smallArchive(name: string): Promise<{ archive: string; digest: string }> {
  const { file } = await esbuildBinary("x64");
  const archive = path.join(work, `${name}.tar`);
  const { code, stdout, stderr } = await slim(["build", file, "--bare", "-o", archive], { cwd: work });
  if (code !== 0) throw new Error(stderr);
  return { archive, digest: stdout.trim() };
}

real("build --push: two registries, several tags; again nothing is sent; after an edit the app alone", async (t) => {
  const { host } = await registryOf(t);
  const other = await registryOf(t);
  const { slim } = person("builder");
  const project = await lockedProject(path.join(work, "app"), { "index.js": "console.log('one');\n" });
  const refs = [`${host}/team/app:1`, `${host}/team/app:latest`, `${other.host}/elsewhere:1`];
  const build = async () => {
    const { stdout } = succeeded(
      t,
      await slim(["build", project, "--push", "--json", ...refs.flatMap((ref) => ["-t", ref])]),
    );
    return JSON.parse(stdout) as Printed;
  };
  const counts = (uploadedBlobs: number, skippedBlobs: number) => ({ uploadedBlobs, skippedBlobs, mountedBlobs: 0 });
  const first = await build();
  const layers = first.platforms[0]?.layers ?? [];
  t.deepEqual(
    layers.map(({ name }) => name),
    ["os", "node", "app"],
  );
  t.is(first.outputs.length, 2);
  for (const [index, ref] of [refs[0], refs[2]].entries()) {
    t.like(first.outputs[index], { type: "registry", ref, digest: first.digest, ...counts(4, 0) });
  }
  const answer = await fetch(`http://${host}/v2/team/app/tags/list`);
  t.deepEqual(((await answer.json()) as { tags: string[] }).tags.sort(), ["1", "latest"]);

  const second = await build();
  t.is(second.digest, first.digest);
  for (const output of second.outputs) t.like(output, { uploadedBytes: 0, ...counts(0, 4) });

  await appendFile(path.join(project, "index.js"), "console.log('two');\n");
  const third = await build();
  const app = third.platforms[0]?.layers.find(({ name }) => name === "app");
  for (const output of third.outputs) {
    if (output.type !== "registry" || app === undefined) return t.fail();
    t.like(output, counts(2, 2));
    // The layer and the config.
    t.true(output.uploadedBytes > app.size && output.uploadedBytes < app.size + 5000, String(output.uploadedBytes));
  }
  // Where the layers were pushed before is known: they are mounted into another repository.
  const moved = JSON.parse(
    succeeded(t, await slim(["build", project, "--push", "--json", "-t", `${host}/team/moved:1`])).stdout,
  ) as Printed;
  t.like(moved.outputs[0], { digest: third.digest, mountedBlobs: 4, uploadedBlobs: 0 });
  const plain = succeeded(t, await slim(["build", project, "--push", "-t", refs[0] ?? ""]));
  t.is(plain.stdout, `${host}/team/app@${third.digest}\n`);
  t.regex(plain.stderr, /: 0 blobs sent \(0 B\), 0 mounted, 4 already there$/m);
});

real("push, copy, inspect and doctor", async (t) => {
  const { host } = await registryOf(t);
  const { slim } = person("copier");
  const { archive, digest } = await smallArchive("small");
  const ref = `${host}/small:1`;
  const pushed = succeeded(t, await slim(["push", archive, ref]));
  t.is(pushed.stdout, `${host}/small@${digest}\n`);
  t.regex(pushed.stderr, /: 2 blobs sent \(.+\), 0 mounted, 0 already there$/m);

  // Between all kinds of stores, by the names in them.
  for (const [from, to] of [
    [ref, "oci:layout:a"],
    ["oci:layout:a", "archive:named.tar:team/b:2"],
    ["named.tar:team/b:2", "./other.tar:c"],
    ["./other.tar:c:latest", `${host}/kinds:1`],
  ] as const) {
    succeeded(t, await slim(["copy", from, to]));
  }
  t.is(JSON.parse(succeeded(t, await slim(["inspect", `${host}/kinds:1`, "--json"])).stdout).digest, digest);
  failed(t, await slim(["copy", "oci:layout:b", "x.tar"]), /holds no image named b/);

  const json = succeeded(t, await slim(["copy", ref, `${host}/other:1`, "--json"]));
  t.like(JSON.parse(json.stdout).outputs[0], { digest, uploadedBlobs: 0, mountedBlobs: 2 });
  const back = path.join(work, "back.tar");
  t.is(succeeded(t, await slim(["copy", `${host}/other@${digest}`, `archive:${back}`])).stdout, `${back}\n`);
  t.true(succeeded(t, await slim(["validate", back])).stdout.startsWith(`${digest} is valid`));

  t.is(JSON.parse(succeeded(t, await slim(["inspect", ref, "--json"])).stdout).digest, digest);
  t.regex(succeeded(t, await slim(["inspect", ref])).stdout, /^ +Entrypoint: \["\/app\/esbuild"\]$/m);
  t.regex(succeeded(t, await slim(["inspect", ref])).stdout, /^ +app +\d\S* [kM]?B +sha256:/m);

  const doctor = succeeded(t, await slim(["doctor", ref]));
  t.regex(doctor.stdout, /^credentials +none: anonymous$/m);
  t.regex(doctor.stdout, /^ +push +yes /m);
  t.regex(doctor.stdout, new RegExp(`^ +pull +yes +${digest}$`, "m"));

  failed(
    t,
    await slim(["copy", `${host}/small:none`, "archive:none.tar"]),
    /: .*(?:404|no such|not found|there is no)/i,
  );
  t.false((await readdir(work)).includes("none.tar"));
  failed(t, await slim(["push", "nothing.tar", ref]), /nothing\.tar: no such image/);
  failed(t, await slim(["push", archive, "registry.invalid/a:1"]), /registry\.invalid.*the host name is not known/);
  failed(t, await slim(["push", archive, `${host}/Upper:1`]), /upper-case letters/);
  t.is((await slim(["doctor", "registry.invalid/a:1"])).code, 1);
  for (const args of [["push", archive], ["copy", ref], ["login"], ["push", archive, ref, "--nope"]]) {
    const wrong = await slim(args);
    t.is(wrong.code, 2, args.join(" "));
    t.regex(wrong.stderr, /^slim: .+; see slim \w+ --help\n$/);
  }
});

test("Ctrl-C stops at once and leaves no tag", async (t) => {
  let begun = () => {};
  const interrupt = new Promise<void>((resolve) => {
    begun = resolve;
  });
  // A registry that takes an upload and never answers it.
  const registry = await StrictRegistry.start({
    intercept: ({ method }) => {
      if (method === "PUT") begun();
      return method === "PUT";
    },
  });
  t.teardown(() => registry.stop());
  const { archive } = await smallArchive("interrupted");
  const pushing = slim(["push", archive, `${registry.host}/a:1`], { cwd: work, interrupt });
  await interrupt;
  const pressed = performance.now();
  const { code, stdout, stderr } = await pushing;
  t.is(code, 130, stderr);
  t.true(performance.now() - pressed < 5000, `${performance.now() - pressed} ms`);
  t.is(stdout, "");
  t.is(registry.repository("a").tags.size, 0);
  t.is(registry.uploads.size, 0);
});

real("login, what is done with it, and logout; the secret is nowhere to be seen", async (t) => {
  const passwords = path.join(work, "htpasswd");
  await writeFile(passwords, await run("htpasswd", ["-Bbn", "me", secret]));
  const { host } = await registryOf(t, { auth: () => `  htpasswd: {realm: slim, path: ${passwords}}` });
  const { archive, digest } = await smallArchive("private");
  const { slim: silent, config } = person("member");
  const ref = `${host}/private:1`;
  const slim = async (args: readonly string[], input?: string) => {
    const result = await silent(args, input);
    const said = result.stdout + result.stderr;
    for (const hidden of [secret, Buffer.from(`me:${secret}`).toString("base64")]) t.false(said.includes(hidden), said);
    return result;
  };
  failed(t, await slim(["push", archive, ref]), none);
  failed(
    t,
    await slim(["login", host, "-u", "me", "--password-stdin"], "wrong\n"),
    /cannot log in: .*401.*\(check the user name and the password.*\)$/,
  );
  failed(t, await slim(["login", host, "-u", "me"]), /user name and password are both needed/);

  const login = succeeded(t, await slim(["login", host, "-u", "me", "--password-stdin", "--verbose"], `${secret}\n`));
  t.is(login.stderr, `logged in to ${host}; stored in ~/.docker/config.json\n`);
  t.is((await stat(config)).mode & 0o777, 0o600);
  t.is(succeeded(t, await slim(["push", archive, ref, "--verbose"])).stdout, `${host}/private@${digest}\n`);
  t.regex(succeeded(t, await slim(["doctor", ref])).stdout, /^credentials +.*config\.json.*$/m);

  succeeded(t, await slim(["logout", host]));
  t.deepEqual(JSON.parse(await readFile(config, "utf8")).auths ?? {}, {});
  failed(t, await slim(["inspect", ref]), none);
  t.regex((await slim(["logout", host])).stderr, /^no login for /);

  failed(t, await slim(["push", archive, ref, "--registry-config", "none.json"]), /none\.json: .*no such file/);
  const wrong = path.join(work, "wrong.json");
  await writeFile(wrong, JSON.stringify({ auths: { [host]: { username: "me", password: "outdated" } } }));
  const refused = await slim(["push", archive, ref, "--registry-config", wrong]);
  failed(t, refused, /401: UNAUTHORIZED .*\(tried with .*wrong\.json.*; log in with: slim login \S+\)$/);
  t.false(refused.stderr.includes("outdated"));
  const doctor = await slim(["doctor", ref, "--registry-config", wrong]);
  t.is(doctor.code, 1);
  t.false(doctor.stdout.includes("outdated"));
});

real("a config.json keeps what else it says, and its mode becomes the owner's alone", async (t) => {
  const passwords = path.join(work, "htpasswd-2");
  await writeFile(passwords, await run("htpasswd", ["-Bbn", "me", secret]));
  const { host } = await registryOf(t, { auth: () => `  htpasswd: {realm: slim, path: ${passwords}}` });
  const { slim, config } = person("other");
  await mkdir(path.dirname(config), { recursive: true });
  await writeFile(config, '{"psFormat":"table","auths":{"example.com":{"auth":"YTpi"}}}', { mode: 0o644 });
  succeeded(t, await slim(["login", host, "-u", "me", "--password-stdin"], secret));
  const written = JSON.parse(await readFile(config, "utf8"));
  t.like(written, { psFormat: "table", auths: { "example.com": { auth: "YTpi" } } });
  t.is(Buffer.from(written.auths[host].auth, "base64").toString(), `me:${secret}`);
  t.is((await stat(config)).mode & 0o777, 0o600);
});

real("a credential helper that is not installed: public things work, a login fails, and neither waits", async (t) => {
  const { host } = await registryOf(t);
  const passwords = path.join(work, "htpasswd-3");
  await writeFile(passwords, await run("htpasswd", ["-Bbn", "me", secret]));
  const closed = await registryOf(t, { auth: () => `  htpasswd: {realm: slim, path: ${passwords}}` });
  const { archive } = await smallArchive("helped");
  const { slim, config } = person("helpless");
  await mkdir(path.dirname(config), { recursive: true });
  await writeFile(config, JSON.stringify({ credsStore: "absent" }));
  const began = performance.now();
  succeeded(t, await slim(["push", archive, `${host}/a:1`]));
  const refused = await slim(["push", archive, `${closed.host}/a:1`]);
  t.is(refused.code, 1);
  t.regex(refused.stderr, /^warning: the configured credential helper docker-credential-absent is not installed$/m);
  t.regex(refused.stderr, /^error: .*no credentials were found.*$/m);
  failed(
    t,
    await slim(["login", host, "-u", "me", "--password-stdin"], "x"),
    /docker-credential-absent: .*not installed/,
  );
  t.true(performance.now() - began < 30_000, `${performance.now() - began} ms`);
});

test("doctor without a registry: what it sees on the machine", async (t) => {
  const { slim, config } = person("patient");
  const empty = path.join(work, "no-engines");
  await mkdir(empty);
  const doctor = async () => succeeded(t, await slim(["doctor"], "", { PATH: empty })).stdout;
  t.regex(await doctor(), /^engines +none answers\ncredentials +none found$/m);
  await mkdir(path.dirname(config), { recursive: true });
  const auths = { "https://index.docker.io/v1/": { auth: Buffer.from(`me:${secret}`).toString("base64") } };
  await writeFile(config, JSON.stringify({ auths, credHelpers: { "x.example": "own" } }));
  await writeFile(path.join(empty, "docker"), "#!/bin/sh\n");
  await chmod(path.join(empty, "docker"), 0o755);
  const said = await doctor();
  t.regex(said, /^engines +docker$/m);
  t.regex(said, /^credentials +x\.example \(docker-credential-own\), docker\.io \(~\/\.docker\/config\.json\)$/m);
  await writeFile(config, "{");
  t.regex(await doctor(), /^credentials +.*config\.json: is not a JSON object \(.+\)$/m);
});

real("what is wrong is said in one line", async (t) => {
  const { host } = await registryOf(t);
  const { slim } = person("mistaken");
  const { archive } = await smallArchive("fine");
  const ref = `${host}/a:1`;
  succeeded(t, await slim(["push", archive, ref]));
  const text = path.join(work, "text.yml");
  await writeFile(text, "no: archive\n");
  for (const [args, line] of [
    [["push", "", ref], /no image is named/],
    [["push", archive, ""], /"": names no repository/],
    [["push", text, ref], /text\.yml: is not a tar archive/],
    [["push", archive, ref, "--ca", text], /text\.yml: holds no certificate in PEM form/],
    [["push", archive, ref, "--mirror", "docker.io"], /--mirror: "docker\.io" is not HOST=MIRROR/],
    [["copy", ref, "oci:"], /oci:: names nothing after the colon/],
    [["copy", ref, "folder/"], /folder\/: is a folder \(for an OCI layout: oci:folder\/\)/],
    [["copy", ref, "docker-daemon:x"], /docker-daemon:x: is skopeo's word \(slim's is docker:x\)/],
    [["copy", "podman:", "x.tar"], /podman:: names nothing after the colon/],
    [["copy", ref, "x.tar", "--platform", "linux/s390x"], /is for linux\/amd64, not linux\/s390x/],
    [["copy", ref, `${host}/b:1`, "--platform", "linux/s390x"], /is for linux\/amd64, not linux\/s390x/],
    [["copy", archive, `${host}/b:1`, "--platform", "linux/s390x"], /is for linux\/amd64, not linux\/s390x/],
    [["copy", ref, "x.tar", "--referrers"], /referrers are only copied from registry to registry/],
    [["push", archive, "127.0.0.1:1/a:1"], /nothing listens there: ECONNREFUSED \(.+\)/],
  ] as const) {
    failed(t, await slim(args), line);
  }
  const login = await slim(["login", "127.0.0.1:1", "-u", "me", "--password-stdin"], "x");
  failed(t, login, /nothing listens there: ECONNREFUSED/);
});

real("what is read from a registry is looked for in its mirrors first", async (t) => {
  const { host } = await registryOf(t);
  const { slim } = person("mirrored");
  const { archive, digest } = await smallArchive("mirrored");
  succeeded(t, await slim(["push", archive, `${host}/cache/team/app:1`]));
  const mirrors = ["--mirror", `registry.invalid=${host}/none`, "--mirror", `registry.invalid=${host}/cache`];
  const read = await slim(["inspect", "registry.invalid/team/app:1", "--json", ...mirrors]);
  t.is(JSON.parse(succeeded(t, read).stdout).digest, digest);
  t.regex(read.stderr, /^warning: the mirror \S+\/none is passed over: .+\n$/);
  const copied = await slim(["copy", "registry.invalid/team/app:1", "mirrored-copy.tar", ...mirrors]);
  t.is(succeeded(t, copied).stdout, `${path.join(work, "mirrored-copy.tar")}\n`);
});
