import path from "node:path";
import { SlimError } from "../../base/error.ts";
import type { Reason } from "../types.ts";
import type { SpecifierAsk } from "./asker.ts";
import { splitSpecifier } from "./packages.ts";
import { placeOf, type Say } from "./say.ts";
import type { Site } from "./site.ts";

/** An import that cannot be found. */
interface Missing {
  readonly file: string;
  readonly ask: SpecifierAsk;
  readonly message: string;
}

/** An addon that the target cannot load, where it has nothing else. */
export interface Foreign {
  /** The folder of its package. */
  readonly folder: string;
  readonly message: string;
  readonly reason: Reason;
  /** The module that loads it, where that is known: else any of the package's. */
  readonly loader?: string;
  readonly guarded: boolean;
}

/** What cannot be loaded. Whether it is an error is known when everything is: the app may never come there. */
export class Failures {
  readonly #site: Site;
  readonly #say: Say;
  readonly #missing: Missing[] = [];
  readonly #foreign: Foreign[] = [];
  /** What a module loads without being ready for a failure. */
  readonly #relied = new Map<string, string[]>();
  /** What a module certainly loads when it runs. */
  readonly #certain = new Map<string, string[]>();
  /** Modules with a loading that may fail, and those that may end in an error by themselves. */
  readonly #trying = new Set<string>();
  readonly #throwing = new Set<string>();

  constructor(site: Site, say: Say) {
    this.#site = site;
    this.#say = say;
  }

  missing(file: string, ask: SpecifierAsk, message: string): void {
    this.#missing.push({ file, ask, message });
  }

  foreign(foreign: Foreign): void {
    this.#foreign.push(foreign);
  }

  relies(file: string, on: string): void {
    push(this.#relied, file, on);
  }

  loads(file: string, other: string): void {
    push(this.#certain, file, other);
  }

  tries(file: string): void {
    this.#trying.add(file);
  }

  throws(file: string): void {
    this.#throwing.add(file);
  }

  /**
   * @param mayRun whether the app's own code may run, and not only that of a tool
   * @param patched whether the app has a loader of its own, which may find more
   * @throws SlimError `CLOSURE` for the first import that certainly fails, or addon that is needed and cannot be loaded
   */
  settle(mayRun: (file: string) => boolean, patched: boolean): void {
    const { entry, packages, resolver, root } = this.#site;
    const relied = reached(entry, this.#relied);
    for (const foreign of this.#foreign) this.#settleForeign(foreign, relied);
    const certain = reached(entry, this.#certain);
    for (const { file, ask, message } of this.#missing) {
      const { line, column, specifier } = ask;
      const name = this.#site.relative(file);
      const where = `${name}:${line}:${column}`;
      const other = resolver.otherCase(specifier, ask.from);
      if (other !== undefined) {
        throw new SlimError(
          "CLOSURE",
          `"${specifier}" differs from the file's name only in case: it is ${path.basename(other)}`,
          { where, hint: "it works on macOS and Windows and breaks on Linux; write the name as the file has it" },
        );
      }
      const own = packages.isOwn(file);
      if (ask.certain && (certain.has(file) || (own && mayRun(file))) && !patched) {
        const split = splitSpecifier(specifier);
        const isPath = split === undefined || split.name.startsWith("#");
        const hint = isPath ? "correct the path" : `npm install ${split.name}`;
        throw new SlimError("CLOSURE", `cannot find "${specifier}": ${message.replaceAll(`${root}/`, "")}`, {
          where,
          hint,
        });
      }
      this.#say({
        code: "unresolved-import",
        severity: own ? "warning" : "info",
        message: `cannot find "${specifier}": fails here when it runs`,
        file: name,
        line,
        hint: "install it if the app needs it",
      });
    }
  }

  #settleForeign({ folder, message, reason, loader, guarded }: Foreign, relied: ReadonlySet<string>): void {
    const { machine, packages, project } = this.#site;
    const isOfPackage = (file: string) => packages.whole(file)?.folder === folder;
    const loaders = loader === undefined ? [...relied].filter(isOfPackage) : [loader];
    // Code that is ready for a failure does without; one that throws then only collects what to say.
    const isReady = (file: string) => this.#trying.has(file) && !this.#throwing.has(file);
    const needed = loaders.some((file) => relied.has(file)) && !loaders.some(isReady) && !guarded;
    const name = packages.at(folder)?.json.name ?? "NAME";
    const install = `install it for the target (npm install --os linux --cpu ${machine.arch} --libc ${machine.libc})`;
    if (needed) {
      throw new SlimError("CLOSURE", message, {
        where: reason.file === undefined ? this.#site.relative(folder) : `${reason.file}:${reason.line}`,
        hint: `${install} with Node.js ${project.target.node.split(".")[0]}, take a version of it with prebuilt binaries, or load it in a try block and --exclude ${name}`,
      });
    }
    this.#say({
      code: "foreign-addon",
      severity: "warning",
      message: `${message}; the app may do without`,
      ...placeOf(reason),
      hint: `${install}, or say with --exclude ${name} that it is not wanted`,
    });
  }
}

function push(graph: Map<string, string[]>, from: string, to: string): void {
  const list = graph.get(from);
  if (list === undefined) graph.set(from, [to]);
  else list.push(to);
}

/** What can be reached from a file. */
function reached(start: string, graph: ReadonlyMap<string, readonly string[]>): ReadonlySet<string> {
  const found = new Set<string>();
  const open = [start];
  for (let file = open.pop(); file !== undefined; file = open.pop()) {
    if (found.has(file)) continue;
    found.add(file);
    open.push(...(graph.get(file) ?? []));
  }
  return found;
}
