import path from "node:path";
import { SlimError } from "../base/error.ts";
import type { Annotations } from "../image/types.ts";
import type { BuildOptions } from "./options.ts";
import type { Manifest } from "./project.ts";

/** What the image says about itself and how it is run, as far as the closure does not decide it. */
export interface ImagePlan {
  /** Seconds since the epoch: the time of the image and of all its files. */
  readonly epoch: number;
  readonly env: Readonly<Record<string, string>>;
  /** Undefined where the base decides, and by default. */
  readonly user: string | undefined;
  readonly workdir: string | undefined;
  /** `8080/tcp` */
  readonly ports: readonly string[];
  readonly cmd: readonly string[] | undefined;
  readonly labels: Annotations;
  readonly annotations: Annotations;
}

/**
 * @param isBased whether another image lies under this one, which may have accounts of its own
 * @throws SlimError `CONFIG`
 */
export function planImage(
  options: BuildOptions,
  manifest: Manifest,
  environment: Readonly<Record<string, string | undefined>>,
  isBased = false,
): ImagePlan {
  const epoch = readEpoch(environment.SOURCE_DATE_EPOCH);
  const described = describe(manifest, epoch);
  for (const name of Object.keys(options.env ?? {})) {
    if (!/^[^=\s]+$/.test(name))
      throw new SlimError("CONFIG", `"${name}" is not the name of a variable`, { where: "--env" });
  }
  return {
    epoch,
    env: options.env ?? {},
    user: options.user === undefined ? undefined : checkUser(options.user, isBased),
    workdir: checkWorkdir(options.workdir),
    ports: (options.expose ?? []).map(readPort),
    cmd: options.cmd,
    labels: { ...described, ...options.labels },
    annotations: { ...described, ...options.annotations },
  };
}

/** https://reproducible-builds.org/specs/source-date-epoch/ */
function readEpoch(text: string | undefined): number {
  if (text === undefined || text === "") return 0;
  const epoch = Number(text);
  // The largest time that the eleven octal digits of a tar header hold.
  if (/^\d+$/.test(text) && epoch <= 0o77777777777) return epoch;
  throw new SlimError("CONFIG", `SOURCE_DATE_EPOCH is "${text}", not a number of seconds`, { where: "environment" });
}

const accounts = ["root", "nobody", "nonroot"];

/** @throws SlimError `CONFIG` for what is no account */
export function checkUser(user: string, isBased: boolean): string {
  const parts = user.split(":");
  const isName = (part: string) => (isBased ? /^[a-z_][a-z0-9_-]*$/i.test(part) : accounts.includes(part));
  const known = parts.every((part) => /^\d{1,10}$/.test(part) || isName(part));
  if (known && parts.length <= 2) return user;
  throw new SlimError("CONFIG", `"${user}" is not an account of the image`, {
    where: "--user",
    hint: `a number, uid:gid, or one of ${accounts.join(", ")}`,
  });
}

function checkWorkdir(workdir: string | undefined): string | undefined {
  if (workdir === undefined || path.posix.isAbsolute(workdir)) return workdir;
  throw new SlimError("CONFIG", `"${workdir}" is not absolute`, { where: "--workdir", hint: "for example /app" });
}

function readPort(text: string): string {
  const [, from, to, protocol = "tcp"] = /^(\d{1,5})(?:-(\d{1,5}))?(?:\/(tcp|udp|sctp))?$/.exec(text) ?? [];
  const valid = [from, to ?? from].every((port) => Number(port) >= 1 && Number(port) <= 65535);
  if (from !== undefined && valid) return `${from}${to === undefined ? "" : `-${to}`}/${protocol}`;
  throw new SlimError("CONFIG", `"${text}" is not a port`, { where: "--expose", hint: "for example 8080 or 53/udp" });
}

/** https://github.com/opencontainers/image-spec/blob/v1.1.1/annotations.md */
function describe(manifest: Manifest, epoch: number): Annotations {
  const entries = {
    created: new Date(epoch * 1000).toISOString().replace(".000Z", "Z"),
    title: manifest.name,
    version: manifest.version,
    description: manifest.description,
    licenses: typeof manifest.license === "string" ? manifest.license : undefined,
    url: typeof manifest.homepage === "string" ? manifest.homepage : undefined,
    source: sourceUrl(manifest.repository),
  };
  const known = Object.entries(entries).filter(([, value]) => typeof value === "string" && value !== "");
  return Object.fromEntries(known.map(([name, value]) => [`org.opencontainers.image.${name}`, value as string]));
}

/** The address of a repository in any of package.json's forms, without credentials. */
function sourceUrl(repository: unknown): string | undefined {
  const given =
    typeof repository === "object" && repository !== null && "url" in repository ? repository.url : repository;
  if (typeof given !== "string") return undefined;
  const hosts: Readonly<Record<string, string>> = {
    github: "github.com",
    gitlab: "gitlab.com",
    bitbucket: "bitbucket.org",
  };
  const [, host = "github", name] = /^(?:(github|gitlab|bitbucket):)?([\w.-]+\/[\w.-]+)$/.exec(given) ?? [];
  if (name !== undefined) return `https://${hosts[host]}/${name}`;
  const url = given
    .replace(/^git\+/, "")
    .replace(/^git:\/\//, "https://")
    .replace(/^(?:ssh:\/\/)?git@([^:/]+)[:/]/, "https://$1/")
    .replace(/\.git$/, "");
  return URL.canParse(url) ? url.replace(/\/\/[^/@]*@/, "//") : undefined;
}
