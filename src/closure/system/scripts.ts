import path from "node:path";
import type { Diagnostic } from "../../base/diagnostic.ts";
import { SlimError } from "../../base/error.ts";
import type { DebianPackage } from "../../sources/debian/package.ts";
import { isForPrograms } from "./for-programs.ts";

/** Commands that make what programs do not work without, out of the data of packages. */
const generators: Readonly<Record<string, string>> = {
  "aspell-autobuildhash": "dictionaries in the form that aspell reads",
  "libgvc6-config-update": "the list of plugins that dot reads",
  "locale-gen": "locales",
  "update-dictcommon-aspell": "dictionaries in the form that aspell reads",
  "update-mime-database": "the database of MIME types",
};

/** @throws SlimError `DEBIAN` when a package's script makes something that programs do not work without */
export function refuseGenerators(found: DebianPackage): void {
  const generator = found.undone.find(({ command }) => Object.hasOwn(generators, command))?.command;
  if (generator !== undefined) {
    throw new SlimError(
      "DEBIAN",
      `package ${found.name} needs its installation script, which slim does not run: it calls ${generator}, which makes ${generators[generator]}`,
      { hint: "take an image that has it installed for a base" },
    );
  }
}

/**
 * What to know about a package whose script slim does not run.
 * @param has whether the image has a file
 */
export function checkScript(found: DebianPackage, has: (place: string) => boolean): readonly Diagnostic[] {
  const account = found.undone.find(({ kind }) => kind === "account");
  const made = found.undone.flatMap(({ kind, path: place }) => {
    return kind === "file" && place !== undefined && isForPrograms(place) && !has(place) ? [place] : [];
  });
  const others = left(found, made);
  if (account === undefined || others.length > 0) return others;
  return [
    {
      code: "package-account",
      severity: "info",
      message: `package ${found.name} makes an account when it is installed, or gives it rights (${account.command}), which the image does not have`,
      hint: "its programs run as the account of the image; do not name another one in their configuration",
    },
  ];
}

/** The same of a package that only gave libraries: what else its script makes is for its own programs. */
export function checkLibraryScript(found: DebianPackage): readonly Diagnostic[] {
  return left(found, []);
}

function left({ name, undone, files }: DebianPackage, made: readonly string[]): readonly Diagnostic[] {
  const own = new Set(files.map((file) => path.posix.basename(file.path)));
  const called = undone.flatMap(({ kind, command, path: place, isSure }) => {
    const isOfPackage = kind === "program" && (own.has(command) || command.startsWith(". "));
    return isOfPackage || (kind === "file" && place === undefined && isSure) ? [command] : [];
  });
  if (made.length + called.length === 0) return [];
  const doings = [...list("calls", called), ...list("makes", made)].join(" and ");
  return [
    {
      code: "package-script",
      severity: "warning",
      message: `package ${name} ${doings} when it is installed, which slim does not do`,
      hint: "if something is missing, take an image that has the package installed for a base",
    },
  ];
}

function list(verb: string, [first, ...others]: readonly string[]): string[] {
  if (first === undefined) return [];
  return [`${verb} ${first}${others.length === 0 ? "" : ` and ${others.length} more`}`];
}
