import { execFile } from "node:child_process";
import { promisify } from "node:util";
import type { Implementation, TestFn } from "ava";

const run = promisify(execFile);

/** The Debian packages that bring a command; the later ones where the first does not on every release. */
const packages = {
  skopeo: ["skopeo"],
  umoci: ["umoci"],
  runc: ["runc"],
  dockerd: ["docker.io"],
  docker: ["docker.io", "docker-cli"],
  podman: ["podman"],
  containerd: ["containerd"],
  ctr: ["containerd"],
  openssl: ["openssl"],
  "qemu-aarch64-static": ["qemu-user-static", "qemu-user"],
} as const;
export type Tool = keyof typeof packages;

/** Registers a test that runs alone. */
export type Register = (title: string, implementation: Implementation<[]>) => void;

/**
 * Registers tests that need real tools and root; awaited before the first test of a file, for ava starts then. What is missing is installed; where that cannot be,
 * the tests are skipped under a title that says what is missing, and with CI=true they fail.
 */
export async function testWith(test: TestFn, ...tools: Tool[]): Promise<Register> {
  const missing = await missingTools(tools);
  if (missing.length === 0) return (title, implementation) => test.serial(title, implementation);
  const what = `${missing.join(", ")} missing`;
  if (process.env.CI === "true") return (title) => test.serial(title, (t) => t.fail(what));
  return (title, implementation) => test.skip(`${title} [skipped: ${what}]`, implementation);
}

async function missingTools(tools: readonly Tool[]): Promise<string[]> {
  if (process.platform !== "linux") return ["Linux"];
  if (process.getuid?.() !== 0) return ["root"];
  const absent = await absentOf(tools);
  if (absent.length > 0) await install(absent);
  return absentOf(tools);
}

async function absentOf(tools: readonly Tool[]): Promise<Tool[]> {
  const there = await Promise.all(tools.map(isOnPath));
  return tools.filter((_, index) => !there[index]);
}

async function isOnPath(tool: Tool): Promise<boolean> {
  return await run("sh", ["-c", 'command -v "$0"', tool]).then(
    () => true,
    () => false,
  );
}

/** One process at a time, however many test files want something; whoever waited may find it done. */
async function install(tools: readonly Tool[]): Promise<void> {
  const apt = (...args: string[]) =>
    run("flock", ["/tmp/slim-test-apt.lock", "apt-get", "-o", "DPkg::Lock::Timeout=300", "-q", ...args], {
      env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" },
      maxBuffer: 1 << 26,
    }).catch(() => undefined);
  await apt("update");
  for (const tool of tools) {
    for (const name of packages[tool]) {
      if (!(await isOnPath(tool))) await apt("install", "-y", "--no-install-recommends", name);
    }
  }
}
