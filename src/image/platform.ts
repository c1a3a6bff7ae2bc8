import { SlimError } from "../base/error.ts";

/** https://github.com/opencontainers/image-spec/blob/v1.1.1/image-index.md, `platform`. */
export interface Platform {
  readonly os: string;
  readonly architecture: string;
  readonly variant?: string;
}

/** GOARCH names that slim can build for, with the variant that the name alone means (containerd's rules). */
const architectures: Readonly<Record<string, string | undefined>> = {
  amd64: undefined,
  arm64: undefined,
  arm: "v7",
  "386": undefined,
  ppc64le: undefined,
  s390x: undefined,
  riscv64: undefined,
  loong64: undefined,
};

/** Other names of the same architectures, as `uname -m` and Node.js say them. */
const aliases: Readonly<Record<string, string>> = {
  x86_64: "amd64",
  "x86-64": "amd64",
  x64: "amd64",
  aarch64: "arm64",
  armhf: "arm",
  i386: "386",
  i686: "386",
  x86: "386",
};

/**
 * Reads `os/architecture[/variant]`, or an architecture alone (for linux).
 * `arm64/v8` is `arm64`, as containerd normalises it.
 * @throws SlimError `PLATFORM`
 */
export function parsePlatform(text: string): Platform {
  const parts = text.trim().toLowerCase().split("/");
  const [os, name, given] = parts.length === 1 ? ["linux", parts[0], undefined] : parts;
  const architecture = name === undefined ? undefined : (aliases[name] ?? name);
  if (os !== "linux" || architecture === undefined || !(architecture in architectures) || parts.length > 3) {
    throw new SlimError("PLATFORM", `unknown platform "${text}"`, {
      hint: `linux/ and one of ${Object.keys(architectures).join(", ")}`,
    });
  }
  const normal = architecture === "arm64" && given === "v8" ? undefined : given;
  const variant = normal === undefined || normal === "" ? architectures[architecture] : normal;
  if (variant !== undefined && !/^v[0-9]+$/.test(variant)) {
    throw new SlimError("PLATFORM", `unknown variant in platform "${text}"`, { hint: "for example linux/arm/v7" });
  }
  return variant === undefined ? { os, architecture } : { os, architecture, variant };
}

export function formatPlatform(platform: Platform): string {
  const { os, architecture, variant } = platform;
  return variant === undefined ? `${os}/${architecture}` : `${os}/${architecture}/${variant}`;
}

/** The linux platform of a Node.js `process.arch`: what an image for this machine would be. */
export function platformOfArch(arch: string): Platform {
  return parsePlatform(arch === "ia32" ? "386" : arch);
}

/** The variant that a name without one means, as containerd reads them; of amd64 it is `v1`. */
function level({ architecture, variant }: Platform): number {
  if (!variant) return { amd64: 1, arm: 7, arm64: 8 }[architecture] ?? 0;
  const number = Number(variant.replace(/^v/, ""));
  return Number.isNaN(number) ? Number.POSITIVE_INFINITY : number;
}

/**
 * The place of the image that runs best on a platform, or undefined where none does: the same system
 * and architecture, and the highest variant that is not above the platform's, for processors run what
 * was made for earlier ones.
 */
export function bestPlatform(offered: readonly (Platform | undefined)[], wanted: Platform): number | undefined {
  let best: number | undefined;
  for (const [place, one] of offered.entries()) {
    if (one?.os !== wanted.os || one.architecture !== wanted.architecture || level(one) > level(wanted)) continue;
    if (best === undefined || level(one) > level(offered[best] as Platform)) best = place;
  }
  return best;
}

/** The platforms of a list, for an error; attestations are for none. */
export function formatPlatforms(offered: readonly (Platform | undefined)[]): string {
  const names = offered.flatMap((one) => (one === undefined || one.os === "unknown" ? [] : [formatPlatform(one)]));
  return [...new Set(names)].join(", ") || "no image with a platform";
}
