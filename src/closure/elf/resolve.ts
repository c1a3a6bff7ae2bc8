import path from "node:path/posix";
import { SlimError } from "../../base/error.ts";
import { compareStrings } from "../../base/files.ts";
import type { Reason } from "../types.ts";
import { type FoundFile, findFile, type LibraryFiles, type Link, overlay } from "./files.ts";
import { type DlopenNote, type Elf, parseElf } from "./parse.ts";
import {
  candidates,
  folders,
  glibcRules,
  isMuslItself,
  isMuslLoader,
  muslPathFile,
  muslRules,
  namedPath,
  type OwnFolders,
  ownFolders,
  type SearchRules,
  type Via,
} from "./search.ts";

/** A library that is opened while the program runs. */
export interface Open {
  /** Alternatives, of which the first that is found is taken: sonames or absolute paths. */
  readonly names: readonly string[];
  /**
   * Who opens it: the path or soname of an object that is loaded; the program if left out. Where
   * that object is not loaded nothing is opened.
   */
  readonly from?: string;
  /** Nothing is wrong when it is not found. */
  readonly optional?: boolean;
}

export interface ResolveOptions {
  readonly files: LibraryFiles;
  /** Path of the program in `files`. */
  readonly program: string;
  readonly opens?: readonly Open[];
  /** Folders of `/etc/ld.so.conf` and its includes (see `loaderFolders`); musl's are read by itself. */
  readonly configured?: readonly string[];
  /** Subfolders of `glibc-hwcaps/`, the best first; none unless given, so that any processor will do. */
  readonly hwcaps?: readonly string[];
  /**
   * Asked when nothing in view satisfies a name (a soname, or a path for an interpreter): what it
   * returns joins the view for good, hidden by what was there before.
   */
  readonly missing?: (name: string, requester: LoadedObject) => Promise<LibraryFiles | undefined>;
}

/** A file that is mapped into the process. */
export interface LoadedObject {
  /** Without links. */
  readonly path: string;
  /** Links that lead to it, sorted by path. */
  readonly links: readonly Link[];
  readonly elf: Elf;
  /** How it was found first. */
  readonly via: Via;
  /** Every edge that leads here; none for the program. */
  readonly reasons: readonly Reason[];
}

/** Something that keeps the program from running. */
export interface LibraryProblem {
  readonly kind: "missing" | "version";
  /** The library that is missing, or that is there but lacks `versions`. */
  readonly name: string;
  readonly versions: readonly string[];
  /** Where that is which lacks them, or which is for another machine. */
  readonly library?: string;
  /** From the program's path over the names of libraries to `name`. */
  readonly chain: readonly string[];
  /** In one line, with the chain. */
  readonly message: string;
}

export interface Resolution {
  /** In the order of loading: the program, its interpreter, its libraries by breadth, what is opened. */
  readonly objects: readonly LoadedObject[];
  readonly problems: readonly LibraryProblem[];
  /** What objects say they can make use of but work without; not loaded. */
  readonly optional: readonly { readonly from: string; readonly note: DlopenNote }[];
}

/**
 * The files that the target's loader maps when it starts `program`, found without running anything.
 * Libraries that the program itself declares as required at run time are among them.
 * @throws SlimError `NOT_FOUND` if there is no program, `ELF` for a damaged file, or what `files` throws
 */
export async function resolveLibraries(options: ResolveOptions): Promise<Resolution> {
  const found = await findFile(options.files, options.program);
  if (found === undefined) throw new SlimError("NOT_FOUND", "no such program", { where: options.program });
  const program = new Loaded(found, await parse(found), {
    asked: options.program,
    // The kernel tells the program's place without links.
    openedAs: found.path,
    via: "program",
    loader: undefined,
  });
  return await new Loader(options, program).run();
}

function parse(found: FoundFile): Promise<Elf> {
  return found.withReader((reader) => parseElf(reader, found.path));
}

/** How an object came to be loaded. */
interface Arrival {
  readonly asked: string;
  readonly openedAs: string;
  readonly via: Via;
  readonly loader: Loaded | undefined;
}

class Loaded {
  readonly path: string;
  readonly elf: Elf;
  readonly asked: string;
  readonly via: Via;
  readonly origin: string;
  readonly loader: Loaded | undefined;
  readonly #links = new Map<string, string>();
  readonly #reasons = new Map<string, Reason>();
  #own: OwnFolders | undefined;

  constructor(found: FoundFile, elf: Elf, arrival: Arrival) {
    this.path = found.path;
    this.elf = elf;
    this.asked = arrival.asked;
    this.via = arrival.via;
    this.origin = path.dirname(arrival.openedAs);
    this.loader = arrival.loader;
    this.addLinks(found.links);
  }

  addLinks(links: readonly Link[]): void {
    for (const link of links) this.#links.set(link.path, link.target);
  }

  addReason(kind: Reason["kind"], from: string, what: string): void {
    this.#reasons.set(`${kind} ${from} ${what}`, { kind, from, what });
  }

  own(rules: SearchRules): OwnFolders {
    this.#own ??= ownFolders(rules, this.elf, this.origin);
    return this.#own;
  }

  /** From the program to this object. */
  get chain(): string[] {
    const names: string[] = [];
    for (let one: Loaded | undefined = this; one !== undefined; one = one.loader) {
      names.push(one.loader === undefined ? one.path : one.asked);
    }
    return names.reverse();
  }

  toObject(): LoadedObject {
    const links = [...this.#links].map(([link, target]) => ({ path: link, target }));
    links.sort((a, b) => compareStrings(a.path, b.path));
    return { path: this.path, links, elf: this.elf, via: this.via, reasons: [...this.#reasons.values()] };
  }
}

/** What is read of musl's path file, in bytes. */
const MAX_PATH_FILE = 64 * 1024;

/** Bounds for what a hostile program asks for; each is many times what any known program does. */
const MAX_OBJECTS = 4096;
const MAX_LOOKS = 250_000;

/** One process being set up. */
class Loader {
  readonly #options: ResolveOptions;
  readonly #program: Loaded;
  readonly #views: LibraryFiles[];
  /** By real path, in the order of loading. */
  readonly #objects = new Map<string, Loaded>();
  /** By every name that the loader would recognise an object by. */
  readonly #names = new Map<string, Loaded>();
  /** What was found for another machine, by its name. */
  readonly #foreign = new Map<string, string>();
  readonly #problems = new Map<string, LibraryProblem>();
  #rules: SearchRules;
  #looks = 0;
  #interpreter: Loaded | undefined;

  constructor(options: ResolveOptions, program: Loaded) {
    this.#options = options;
    this.#program = program;
    this.#views = [options.files];
    this.#rules = this.#isMusl ? muslRules(undefined) : this.#glibcRules();
  }

  get #isMusl(): boolean {
    return isMuslLoader(this.#program.elf.interpreter);
  }

  #glibcRules(): SearchRules {
    const { configured = [], hwcaps = [] } = this.#options;
    return glibcRules(this.#program.elf, this.#interpreter?.path, configured, hwcaps);
  }

  async run(): Promise<Resolution> {
    this.#add(this.#program, [this.#program.path]);
    await this.#loadInterpreter();
    await this.#loadNeeded(this.#program);
    for (const open of this.#options.opens ?? []) await this.#open(open);
    // Objects that join while this goes on are visited too.
    for (const object of this.#objects.values()) await this.#openRequired(object);
    if (!this.#isMusl) this.#checkVersions();
    const objects = [...this.#objects.values()];
    return {
      objects: objects.map((object) => object.toObject()),
      problems: [...this.#problems.values()],
      optional: objects.flatMap((object) =>
        object.elf.dlopen
          .filter(({ priority }) => priority !== "required")
          .map((note) => ({ from: object.path, note })),
      ),
    };
  }

  /** The interpreter, and what its place and its path file tell of where it looks. */
  async #loadInterpreter(): Promise<void> {
    const name = this.#program.elf.interpreter;
    if (name === undefined) return;
    const search = () => this.#firstSuitable([{ path: name, via: "interpreter" }]);
    this.#interpreter = await this.#obtain(name, this.#program, search);
    if (this.#interpreter === undefined) this.#addMissing(name, this.#program);
    this.#interpreter?.addReason("interpreter", this.#program.path, name);
    this.#rules = this.#isMusl ? muslRules(await this.#muslFolders(name)) : this.#glibcRules();
  }

  async #muslFolders(interpreter: string): Promise<string[] | undefined> {
    const found = await findFile(overlay(this.#views), muslPathFile(interpreter));
    const bytes = await found?.withReader((reader) => reader.read(0, Math.min(reader.size, MAX_PATH_FILE)));
    return bytes === undefined ? undefined : folders(new TextDecoder().decode(bytes));
  }

  /** Breadth first: all that `start` needs, then all that these need. */
  async #loadNeeded(start: Loaded): Promise<void> {
    const queue = [start];
    const seen = new Set(queue);
    for (const object of queue) {
      for (const { name, kind, optional } of this.#namedBy(object)) {
        const library = await this.#load(name, object);
        if (library === undefined && !optional) this.#addMissing(name, object);
        library?.addReason(kind, object.path, name);
        if (library === undefined || seen.has(library)) continue;
        seen.add(library);
        queue.push(library);
      }
    }
  }

  /** What an object cannot be loaded without, and what stands in for it; musl knows the former alone. */
  #namedBy({ elf }: Loaded): { name: string; kind: Reason["kind"]; optional: boolean }[] {
    const filters = this.#isMusl ? [] : elf.filters;
    return [
      ...elf.needed.map((name) => ({ name, kind: "DT_NEEDED", optional: false }) as const),
      ...filters.map((one) => ({ ...one, kind: "DT_FILTER" }) as const),
    ];
  }

  async #open({ names, from, optional = false }: Open): Promise<void> {
    const opener = from === undefined ? this.#program : (this.#objects.get(from) ?? this.#names.get(from));
    if (opener === undefined) return;
    for (const name of names) {
      const library = await this.#load(name, opener);
      if (library === undefined) continue;
      library.addReason("dlopen", opener.path, name);
      return await this.#loadNeeded(library);
    }
    if (!optional && names[0] !== undefined) this.#addMissing(names[0], opener);
  }

  async #openRequired(object: Loaded): Promise<void> {
    for (const { priority, sonames } of object.elf.dlopen) {
      if (priority === "required") await this.#open({ names: sonames, from: object.path });
    }
  }

  /** The object of that name: the one that is loaded already, or else the first that fits. */
  async #load(name: string, requester: Loaded): Promise<Loaded | undefined> {
    if (this.#isMusl && isMuslItself(name)) return this.#interpreter;
    const known = this.#names.get(name);
    if (known !== undefined) return known;
    return await this.#obtain(name, requester, () => {
      if (!name.includes("/")) return this.#firstSuitable(candidates(this.#rules, name, requester));
      const place = namedPath(this.#rules, name, requester);
      return this.#firstSuitable(place === undefined ? [] : [{ path: place, via: "path" }]);
    });
  }

  /** Searches, and once more with what the caller adds to the view. */
  async #obtain(
    name: string,
    requester: Loaded,
    search: () => Promise<Suitable | undefined>,
  ): Promise<Loaded | undefined> {
    let suitable = await search();
    if (suitable === undefined) {
      const addition = await this.#options.missing?.(name, requester.toObject());
      if (addition === undefined) return undefined;
      if (!this.#views.includes(addition)) this.#views.push(addition);
      suitable = await search();
    }
    if (suitable === undefined) return undefined;
    const { found, elf, openedAs, via } = suitable;
    const same = this.#objects.get(found.path);
    same?.addLinks(found.links);
    const object = same ?? new Loaded(found, elf, { asked: name, openedAs, via, loader: requester });
    this.#add(object, [name, openedAs]);
    return object;
  }

  /** glibc passes over files of another class or machine, but not over damaged ones; musl over neither. */
  async #firstSuitable(places: Iterable<{ readonly path: string; readonly via: Via }>): Promise<Suitable | undefined> {
    const files = overlay(this.#views);
    for (const { path: openedAs, via } of places) {
      this.#looks += 1;
      if (this.#looks > MAX_LOOKS) throw this.#tooMuch("asks for too many paths");
      const found = await findFile(files, openedAs);
      if (found === undefined) continue;
      const elf = this.#objects.get(found.path)?.elf ?? (await parse(found));
      if (isSameMachine(elf, this.#program.elf)) return { found, elf, openedAs, via };
      this.#foreign.set(path.basename(openedAs), openedAs);
      if (this.#isMusl) return undefined;
    }
    return undefined;
  }

  #add(object: Loaded, names: readonly string[]): void {
    this.#objects.set(object.path, object);
    if (this.#objects.size > MAX_OBJECTS) throw this.#tooMuch("needs too many libraries");
    // musl knows objects by the name they were asked for, glibc also by the one they give themselves.
    const all = !this.#isMusl && object.elf.soname !== undefined ? [...names, object.elf.soname] : names;
    for (const name of all) if (!this.#names.has(name)) this.#names.set(name, object);
  }

  #tooMuch(message: string): SlimError {
    return new SlimError("ELF", message, { where: this.#program.path });
  }

  #addMissing(name: string, requester: Loaded): void {
    if (this.#problems.has(name)) return;
    const chain = [...requester.chain, name];
    const foreign = this.#foreign.get(path.basename(name));
    const what = foreign === undefined ? "is missing" : `is missing (${foreign} is for another machine)`;
    const message = `${name} ${what}: ${chain.join(" -> ")}`;
    const library = foreign === undefined ? {} : { library: foreign };
    this.#problems.set(name, { kind: "missing", name, versions: [], ...library, chain, message });
  }

  /**
   * As glibc does before it starts the program. A library without any versions satisfies all.
   * musl does not look at versions.
   */
  #checkVersions(): void {
    for (const object of this.#objects.values()) {
      for (const { file, versions } of object.elf.versionNeeds) {
        const library = this.#names.get(file);
        if (library === undefined || library.elf.versions.length === 0) continue;
        const defined = new Set(library.elf.versions);
        const lacking = versions.filter(({ name, weak }) => !weak && !defined.has(name)).map(({ name }) => name);
        if (lacking.length === 0) continue;
        lacking.sort(compareStrings);
        const chain = [...object.chain, file];
        const message = `${library.path} does not have ${lacking.join(", ")}: ${chain.join(" -> ")}`;
        this.#problems.set(`${object.path} ${file}`, {
          kind: "version",
          name: file,
          versions: lacking,
          library: library.path,
          chain,
          message,
        });
      }
    }
  }
}

interface Suitable {
  readonly found: FoundFile;
  readonly elf: Elf;
  readonly openedAs: string;
  readonly via: Via;
}

function isSameMachine(a: Elf, b: Elf): boolean {
  return a.bits === b.bits && a.endian === b.endian && a.machine === b.machine;
}
