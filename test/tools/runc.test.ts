import { execFile } from "node:child_process";
import path from "node:path";
import { promisify } from "node:util";
import test from "ava";
import { Container, changeSpec } from "../support/container.ts";
import { workFolder } from "../support/project.ts";
import { checkout, slimBuild } from "../support/slim.ts";
import { testWith } from "../support/tools.ts";

const run = promisify(execFile);
const real = testWith(test.serial, "root", "umoci", "runc");
const work = workFolder(test);
const bundle = path.join(work, "bundle");
const request = "fetch('http://127.0.0.1:8080/').then(async (r) => console.log(await r.text()))";

test.before(async () => {
  const layout = path.join(work, "layout");
  await slimBuild(["examples/express", "-o", layout, "--format", "oci-layout", "-t", "express:1"], { cwd: checkout });
});

real("umoci unpacks the Express example into a bundle", async (t) => {
  await run("umoci", ["unpack", "--image", `${path.join(work, "layout")}:1`, bundle]);
  await changeSpec(bundle, (spec) => {
    t.deepEqual(spec.process.user, { uid: 65532, gid: 65532 } as never);
    t.is(spec.process.cwd, "/app");
    t.is(spec.process.args[0], "/usr/local/bin/node");
  });
});

for (const signal of ["TERM", "INT"]) {
  real(
    `runc runs it with a read-only root as user 65532; it answers, and SIG${signal} ends it within a second`,
    async (t) => {
      const container = new Container(bundle);
      try {
        await container.printed("listening on 8080");
        const answer = JSON.parse(await container.exec("/usr/local/bin/node", "-e", request));
        t.like(answer, { hello: "world", uid: 65532 });
        t.regex(answer.node, /^v24\./);
        const { took, code } = await container.kill(signal);
        t.true(took < 1000, `${took} ms`);
        t.not(code, 0);
      } finally {
        await container.remove();
      }
    },
  );
}

real("the root cannot be written, and the program cannot leave its account", async (t) => {
  const script = `
    const fs = require("node:fs");
    const tries = { root: () => fs.writeFileSync("/app/x", ""), tmp: () => fs.writeFileSync("/tmp/x", ""), setuid: () => process.setuid(0) };
    for (const [name, act] of Object.entries(tries)) try { act(); console.log(name, "worked"); } catch (error) { console.log(name, error.code); }
    console.log(process.getuid(), process.getgid(), process.cwd());`;
  const container = new Container(bundle);
  try {
    await container.printed("listening on 8080");
    t.is(
      await container.exec("/usr/local/bin/node", "-e", script),
      "root EROFS\ntmp EROFS\nsetuid EPERM\n65532 65532 /app\n",
    );
    await container.kill("TERM");
  } finally {
    await container.remove();
  }
});
