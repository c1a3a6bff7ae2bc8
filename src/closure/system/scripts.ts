import path from "node:path";
import type { Diagnostic } from "../../base/diagnostic.ts";
import { SlimError } from "../../base/error.ts";
import type { DebianPackage } from "../../sources/debian/package.ts";

/**
 * Packages whose script does something that their programs do without, by the regular expression of
 * their names. Everything here was read in Debian trixie.
 */
const harmless: readonly { readonly name: RegExp; readonly why: string }[] = [
  { name: /^bash$/, why: "makes /bin/sh where there is none" },
  { name: /^ca-certificates$/, why: "makes the bundle, as slim does" },
  { name: /^dash$/, why: "tends to diversions of /bin/sh of earlier releases" },
  { name: /^libc-bin$/, why: "makes nsswitch.conf, as slim does, and caches" },
  { name: /^(?:lib)?python3[.\d]*(?:-minimal|-stdlib)?$/, why: "compiles modules ahead of time, makes local folders" },
  { name: /^nginx-common$/, why: "sets the owner of log folders and the default site" },
  { name: /^openssh-client$/, why: "gives ssh-agent a group" },
  { name: /^openssl$/, why: "links the configuration of old releases" },
  { name: /^postgresql-(?:common|client-common|\d+)$/, why: "makes an account, a folder and a database" },
  { name: /^redis-tools$/, why: "makes an account and folders to log and store to" },
  { name: /^tzdata$/, why: "asks for the local time zone; without the answer it is UTC" },
];

/** Commands that make what a program may need and the package does not hold: configuration, data. */
const making =
  /(?:^|[\s;&|(`])(?:cat\s*>|cp|install|ln|locale-gen|mkdir|mknod|mv|setcap|touch|ucf|update-(?:ca-certificates|icon-caches|mime-database|passwd))(?=\s)/m;

/** Commands that make an account, or give files to one: in an image programs run as the account of the image. */
const accounts = /(?:^|[\s;&|(`])(?:addgroup|adduser|chgrp|chown|groupadd|useradd|usermod)(?=\s)/m;

/** What debhelper writes into scripts by itself tends to services, which an image does not have. */
const generated = /^# Automatically added by dh_.*?^# End automatically added section$/gms;

/** What a package's script does that slim does not; undefined where its programs work without. */
type Undone = { readonly kind: "account" | "files" | "program"; readonly command: string } | undefined;

function undone({ name, postinst = "", files }: ScriptedPackage): Undone {
  if (harmless.some((known) => known.name.test(name))) return undefined;
  const own = postinst
    .replace(generated, "")
    .replace(/\\\n/g, " ")
    .replace(/^\s*#.*$/gm, "");
  const command = making.exec(own)?.[0].trim();
  if (command !== undefined) return { kind: "files", command };
  const program = ownProgram(own, files);
  if (program !== undefined) return { kind: "program", command: program };
  const account = accounts.exec(own)?.[0].trim();
  return account === undefined ? undefined : { kind: "account", command: account };
}

type ScriptedPackage = Pick<DebianPackage, "name" | "postinst" | "files">;

/** A program of the package that its script runs, to make an index of what is installed mostly. */
function ownProgram(script: string, files: ScriptedPackage["files"]): string | undefined {
  const programs = new Set(files.map((file) => file.path).filter((place) => /^\/usr\/s?bin\//.test(place)));
  const names = new Set([...programs].map((place) => path.posix.basename(place)));
  const commands = script.matchAll(/(?:^|[;&|(`]|\b(?:then|else|do|if)\s)[ \t]*(\/?[\w.+/-]+)(?=\s|$)/gm);
  return [...commands].map(([, command = ""]) => command).find((one) => programs.has(one) || names.has(one));
}

/**
 * What to know about a package whose script slim does not run.
 * @throws SlimError `DEBIAN` when it makes something that its programs may need
 */
export function checkScript(found: ScriptedPackage): readonly Diagnostic[] {
  const { kind, command } = undone(found) ?? {};
  if (kind === "files") {
    throw new SlimError(
      "DEBIAN",
      `package ${found.name} needs its installation script, which slim does not run: it calls ${command}`,
      { hint: "take an image that has it installed for a base, or a package that works without" },
    );
  }
  if (kind !== "account") return checkLibraryScript(found);
  return [
    {
      code: "package-account",
      severity: "info",
      message: `package ${found.name} makes an account when it is installed (${command}), which the image does not have`,
      hint: "its programs run as the account of the image; do not name another one in their configuration",
    },
  ];
}

/** The same of a package that only gave libraries: what else its script makes is for its own programs. */
export function checkLibraryScript(found: ScriptedPackage): readonly Diagnostic[] {
  const { kind, command } = undone(found) ?? {};
  if (kind !== "program") return [];
  return [
    {
      code: "package-script",
      severity: "warning",
      message: `package ${found.name} calls ${command} when it is installed, which slim does not run`,
      hint: "if something is missing, take an image that has the package installed for a base",
    },
  ];
}
