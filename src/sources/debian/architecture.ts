import { SlimError } from "../../base/error.ts";
import type { Platform } from "../../image/platform.ts";

/** Debian's architectures by what OCI calls them, and the folder of their libraries. https://wiki.debian.org/Multiarch/Tuples */
const architectures: Readonly<Record<string, { readonly name: string; readonly triplet: string }>> = {
  amd64: { name: "amd64", triplet: "x86_64-linux-gnu" },
  arm64: { name: "arm64", triplet: "aarch64-linux-gnu" },
  arm: { name: "armhf", triplet: "arm-linux-gnueabihf" },
  "386": { name: "i386", triplet: "i386-linux-gnu" },
  ppc64le: { name: "ppc64el", triplet: "powerpc64le-linux-gnu" },
  s390x: { name: "s390x", triplet: "s390x-linux-gnu" },
  riscv64: { name: "riscv64", triplet: "riscv64-linux-gnu" },
};

/** What Debian calls the architecture of a platform, or undefined where it has none (armhf needs ARMv7). */
export function debianArchitecture(platform: Platform): string | undefined {
  const { os, architecture, variant } = platform;
  if (os !== "linux" || (architecture === "arm" && (variant === "v5" || variant === "v6"))) return undefined;
  return architectures[architecture]?.name;
}

/** The name of OCI for an architecture of Debian, or undefined where it has none. */
export function ociArchitecture(architecture: string): string | undefined {
  return Object.entries(architectures).find(([, { name }]) => name === architecture)?.[0];
}

/** @throws SlimError `PLATFORM` */
export function libraryTriplet(architecture: string): string {
  const found = Object.values(architectures).find(({ name }) => name === architecture);
  if (found === undefined) throw new SlimError("PLATFORM", `Debian has no architecture "${architecture}"`);
  return found.triplet;
}
