import type { Diagnostic } from "../base/diagnostic.ts";
import { SlimError } from "../base/error.ts";
import type { Launch, ProgramClosure } from "../closure/closure.ts";
import { baseDigest, baseName, inheritConfig, type RunConfig } from "../image/inherit.ts";
import type { Annotations } from "../image/types.ts";
import type { BaseImage } from "../sources/base/bases.ts";
import { checkUser, type ImagePlan } from "./image-config.ts";

/** How the closure wants the image to be run. */
export function runConfig(image: ImagePlan, launch: Launch, base: BaseImage | undefined): RunConfig {
  return inheritConfig(base?.config.config, {
    ...image,
    defaultEnv: launch.env,
    entrypoint: launch.entrypoint,
    cmd: image.cmd ?? launch.cmd,
    defaultUser: "65532:65532",
    workdir: image.workdir ?? launch.workdir,
    labels: { ...aboutBase(base), ...image.labels },
  });
}

/**
 * What is taken over from a base, or not, that somebody may not expect.
 * @throws SlimError `CONFIG` for an account that the base does not know
 */
export async function checkBase(image: ImagePlan, base: BaseImage | undefined): Promise<readonly Diagnostic[]> {
  if (base === undefined) return [];
  await checkAccount(image, base);
  return diagnosticsOf(image, base);
}

async function checkAccount({ user = "" }: ImagePlan, base: BaseImage): Promise<void> {
  // Without accounts of its own the base gets those of every image.
  if (user !== "" && (await base.text("/etc/passwd")) === undefined) checkUser(user, false);
  for (const [at, place] of ["/etc/passwd", "/etc/group"].entries()) {
    const name = user.split(":")[at] ?? "";
    const known = await base.text(place);
    if (known === undefined || name === "" || /^\d+$/.test(name)) continue;
    if (known.split("\n").some((line) => line.startsWith(`${name}:`))) continue;
    throw new SlimError("CONFIG", `"${name}" is not in ${place} of ${base.where}`, {
      where: "--user",
      hint: "a name that is there, or a number",
    });
  }
}

function diagnosticsOf(image: ImagePlan, base: BaseImage): readonly Diagnostic[] {
  const { User: user = "", OnBuild: triggers } = (base.config.config ?? {}) as { User?: string; OnBuild?: unknown[] };
  const diagnostics: Diagnostic[] = [];
  if (image.user === undefined && /^(?:0|root)(?::|$)/.test(user)) {
    diagnostics.push({
      code: "base-user",
      severity: "info",
      message: `the base says that programs run as ${user}, and so this one does`,
      hint: "--user 65532:65532 takes root's rights away",
    });
  }
  if ((triggers?.length ?? 0) > 0) {
    diagnostics.push({
      code: "base-triggers",
      severity: "info",
      message: "the base has ONBUILD instructions, which are not carried out",
      hint: "do what they do before slim build",
    });
  }
  return diagnostics;
}

/** A zone by its name, which is a file; rules such as `CET-1CEST` are not. https://manpages.debian.org/tzset.3 */
const zone = /^:?([A-Za-z_]+(?:\/[\w+-]+)+)$/;

/** Says it where the image sets a time zone that nothing in it knows. Node.js knows them all by itself. */
export function checkTimeZone(image: ImagePlan, { closure, base }: ProgramClosure): readonly Diagnostic[] {
  const name = zone.exec(image.env.TZ ?? "")?.[1];
  if (name === undefined) return [];
  const place = `/usr/share/zoneinfo/${name}`;
  if (closure.entries.has(place) || base?.files.find(place) !== undefined) return [];
  return [
    {
      code: "unknown-time-zone",
      severity: "warning",
      message: `TZ is ${name}, and the image has no ${place}: most programs then say UTC`,
      hint: "--package tzdata",
    },
  ];
}

/** https://github.com/opencontainers/image-spec/blob/v1.1.1/annotations.md */
export function aboutBase(base: BaseImage | undefined): Annotations {
  if (base === undefined) return {};
  return { ...(base.name === undefined ? {} : { [baseName]: base.name }), [baseDigest]: base.digest };
}
