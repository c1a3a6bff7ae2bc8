// Installs the real tools that tests use, where this is Debian and we are root: those that are named, or
// all of them before the tests. What cannot be had is left to the tests, which say what is missing.
import { spawnSync } from "node:child_process";

/** Commands, and the Debian packages that bring them; a later one where a release does not have the first. Others have a package of their own name. */
const packages = /** @type {Readonly<Record<string, readonly string[]>>} */ ({
  containerd: ["containerd"],
  ctr: ["containerd"],
  docker: ["docker.io", "docker-cli"],
  "docker-registry": ["docker-registry"],
  dockerd: ["docker.io"],
  "g++": ["g++"],
  gcc: ["gcc"],
  go: ["golang-go"],
  htpasswd: ["apache2-utils"],
  iconv: ["libc-bin"],
  "musl-gcc": ["musl-tools"],
  nginx: ["nginx-light"],
  openssl: ["openssl"],
  podman: ["podman"],
  "qemu-aarch64-static": ["qemu-user-static", "qemu-user"],
  "qemu-arm-static": ["qemu-user-static", "qemu-user"],
  "qemu-ppc64le-static": ["qemu-user-static", "qemu-user"],
  "qemu-s390x-static": ["qemu-user-static", "qemu-user"],
  readelf: ["binutils"],
  runc: ["runc"],
  rustc: ["rustc"],
  skopeo: ["skopeo"],
  umoci: ["umoci"],
  xz: ["xz-utils"],
  zstd: ["zstd"],
});

/** @param {string} command */
const isMissing = (command) => spawnSync("sh", ["-c", 'command -v "$0"', command]).status !== 0;
/** One process at a time, however many test files want something. @param {string[]} args */
const apt = (...args) =>
  spawnSync("flock", ["/tmp/slim-test-apt.lock", "apt-get", "-o", "DPkg::Lock::Timeout=300", "-q", ...args], {
    env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" },
    stdio: "ignore",
  });

const named = process.argv.slice(2);
const missing = (named.length > 0 ? named : Object.keys(packages)).filter(isMissing);
if (missing.length > 0 && process.getuid?.() === 0 && !isMissing("apt-get")) {
  process.stdout.write(`installing ${missing.join(", ")}\n`);
  apt("update");
  for (const command of missing) {
    // One by one: a package that a release does not have keeps none of the others out.
    for (const name of packages[command] ?? [command]) {
      if (isMissing(command)) apt("install", "-y", "--no-install-recommends", name);
    }
  }
}
