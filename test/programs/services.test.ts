import { execFileSync } from "node:child_process";
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import net from "node:net";
import os from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import test, { type ExecutionContext } from "ava";
import { canRun, imageOf, runImage } from "../support/program-image.ts";
import { hasTool } from "../support/tools.ts";

/** A folder that the account of the image may write into. */
async function openFolder(t: ExecutionContext): Promise<string> {
  const folder = await mkdtemp(path.join(os.tmpdir(), "slim-service-"));
  await chmod(folder, 0o777);
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/** What a server on this machine answers, as soon as it answers. */
async function ask(port: number, request: string): Promise<string> {
  for (let tries = 100; ; tries -= 1) {
    try {
      return await new Promise<string>((resolve, reject) => {
        const socket = net.connect(port, "127.0.0.1", () => socket.end(request));
        const parts: Buffer[] = [];
        socket.on("data", (part) => parts.push(part));
        socket.once("error", reject).once("close", () => resolve(Buffer.concat(parts).toString()));
      });
    } catch (error) {
      if (tries === 0) throw error;
      await sleep(100);
    }
  }
}

async function freePort(): Promise<number> {
  const server = net.createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

test.serial("curl: HTTPS with a certificate authority of our own, and not without it", async (t) => {
  if (!canRun(t) || !hasTool(t, "openssl")) return;
  const folder = await openFolder(t);
  const subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"];
  const files = ["-keyout", "key.pem", "-out", "ca.pem"];
  execFileSync("openssl", ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", ...subject, ...files], {
    cwd: folder,
    stdio: "pipe",
  });
  await chmod(path.join(folder, "ca.pem"), 0o644);
  const [key, cert] = await Promise.all(["key.pem", "ca.pem"].map((name) => readFile(path.join(folder, name))));
  const server = createServer({ key, cert } as never, (_, response) => response.end("secret\n")).listen(0, "127.0.0.1");
  t.teardown(() => server.close());
  await new Promise((resolve) => server.once("listening", resolve));
  const url = `https://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  const { container } = await imageOf(t, { packages: ["curl"], entry: "/usr/bin/curl" });
  const common = { hostNetwork: true, mounts: { "/mnt": folder } };
  const trusted = await container.run({ ...common, args: ["-sS", "--cacert", "/mnt/ca.pem", url] });
  t.deepEqual(trusted, { stdout: "secret\n", stderr: "", code: 0 });
  const unknown = await container.run({ ...common, args: ["-sS", url] });
  t.is(unknown.code, 60);
  t.regex(unknown.stderr, /certificate/);
});

test.serial("nginx serves a file", async (t) => {
  if (!canRun(t)) return;
  const folder = await openFolder(t);
  const port = await freePort();
  await writeFile(path.join(folder, "index.html"), "<p>served</p>\n");
  const conf = `daemon off; pid /tmp/nginx.pid; error_log stderr; events {}
http { access_log off; client_body_temp_path /tmp/b; proxy_temp_path /tmp/p; fastcgi_temp_path /tmp/f; uwsgi_temp_path /tmp/u; scgi_temp_path /tmp/s;
include /etc/nginx/mime.types; server { listen 127.0.0.1:${port}; root /mnt; } }`;
  await writeFile(path.join(folder, "nginx.conf"), conf);
  const { container } = await imageOf(t, { packages: ["nginx", "nginx-common"], entry: "/usr/sbin/nginx" });
  const common = { hostNetwork: true, mounts: { "/mnt": folder } };
  const running = container.run({ ...common, args: ["-c", "/mnt/nginx.conf"] });
  const answer = await ask(port, "GET / HTTP/1.0\r\n\r\n");
  t.regex(answer, /^HTTP\/1\.1 200 OK\r\n.*Content-Type: text\/html\r\n.*\r\n\r\n<p>served<\/p>\n$/s);
  await container.stop();
  t.is((await running).code, 0);
});

test.serial("redis-server answers", async (t) => {
  if (!canRun(t)) return;
  const folder = await openFolder(t);
  const port = await freePort();
  const { container } = await imageOf(t, { packages: ["redis-server", "redis-tools"], entry: "/usr/bin/redis-server" });
  const args = ["--port", String(port), "--bind", "127.0.0.1", "--dir", "/mnt", "--save", ""];
  const running = container.run({ args, hostNetwork: true, mounts: { "/mnt": folder } });
  t.is(await ask(port, "SET name slim\r\nGET name\r\nQUIT\r\n"), "+OK\r\n$4\r\nslim\r\n+OK\r\n");
  await container.stop();
  t.is((await running).code, 0);
});

test.serial("postgres makes a database and answers a query", async (t) => {
  if (!canRun(t)) return;
  t.timeout(300_000);
  const folder = await openFolder(t);
  await mkdir(path.join(folder, "data"));
  execFileSync("chown", ["65532:65532", path.join(folder, "data")]);
  execFileSync("chmod", ["700", path.join(folder, "data")]);
  const packages = ["postgresql-17", "postgresql-common", "dash", "tzdata"];
  const initdb = { packages, entry: "/usr/lib/postgresql/17/bin/initdb" };
  const mounts = { "/mnt": folder };
  const made = await runImage(t, initdb, { args: ["-D", "/mnt/data", "--locale=C", "--no-sync"], mounts });
  t.is(made.code, 0, made.stderr);
  const postgres = { packages, entry: "/usr/lib/postgresql/17/bin/postgres" };
  const stdin = "select 6 * 7 as answer;\n";
  const ran = await runImage(t, postgres, { args: ["--single", "-D", "/mnt/data", "postgres"], mounts, stdin });
  t.regex(ran.stdout, /answer = "42"/);
});
