// Before the tests: the real tools they use, in one go, where this is Debian and we are root. What
// cannot be had is left to the tests, which say what is missing.
import { spawnSync } from "node:child_process";

/** Commands, and the Debian packages that bring them. */
const tools = /** @type {const} */ ([
  ["containerd", "containerd"],
  ["docker-registry", "docker-registry"],
  ["dockerd", "docker.io"],
  ["g++", "g++"],
  ["gcc", "gcc"],
  ["htpasswd", "apache2-utils"],
  ["musl-gcc", "musl-tools"],
  ["nginx", "nginx-light"],
  ["openssl", "openssl"],
  ["podman", "podman"],
  ["qemu-aarch64-static", "qemu-user-static"],
  ["readelf", "binutils"],
  ["runc", "runc"],
  ["skopeo", "skopeo"],
  ["umoci", "umoci"],
  ["zstd", "zstd"],
]);
/** @param {string} command */
const has = (command) => spawnSync("sh", ["-c", 'command -v "$0"', command]).status === 0;
const missing = tools.filter(([command]) => !has(command));
if (missing.length > 0 && process.getuid?.() === 0 && has("apt-get")) {
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  /** @param {string[]} args */
  const apt = (...args) => spawnSync("apt-get", ["-q", ...args], { env, stdio: "ignore" });
  process.stdout.write(`installing ${missing.map(([command]) => command).join(", ")}\n`);
  apt("update");
  // One by one: a package that a release does not have keeps none of the others out.
  for (const [, name] of missing) apt("install", "-y", "--no-install-recommends", name);
}
