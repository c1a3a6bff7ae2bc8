import path from "node:path";
import { isWithin } from "../disk.ts";
import type { Reason } from "../types.ts";
import type { PathUse } from "./analyze.ts";
import type { Asker } from "./asker.ts";
import { ANY } from "./evaluate.ts";
import type { Failures } from "./failures.ts";
import { isCode, isTyped } from "./load.ts";
import { forPeople } from "./packages.ts";
import { expressionOf, folderOf } from "./patterns.ts";
import type { PlacedAsk } from "./readings.ts";
import { placeOf, type Say } from "./say.ts";
import type { Site } from "./site.ts";
import type { Uses } from "./uses.ts";

const isAddon = (file: string) => file.endsWith(".node");

/** Answers which files and folders code reads, lists, starts, hands out or names. */
export class Files {
  readonly #site: Site;
  readonly #uses: Uses;
  readonly #failures: Failures;
  readonly #say: Say;
  /** Folders of its own that the app's code hands out. */
  readonly #given = new Map<string, Reason>();
  /** Words in lists of the app's code. */
  readonly #listed: { readonly from: string; readonly name: string; readonly reason: Reason }[] = [];
  /** Their own folders that packages give to other packages. */
  readonly #lent: { readonly folder: string; readonly to: string; readonly reason: Reason }[] = [];
  /** Names that packages, by their folders, look for below a folder. */
  readonly #below = new Map<string, Set<string>>();

  constructor(site: Site, uses: Uses, failures: Failures, say: Say) {
    this.#site = site;
    this.#uses = uses;
    this.#failures = failures;
    this.#say = say;
  }

  answer(asker: Asker, ask: Extract<PlacedAsk, { type: "path" }>): void {
    const { path: asked, use } = ask;
    const { disk, root, resolver } = this.#site;
    const { file: from, own, soft } = asker;
    const reason = asker.reason(use === "start" ? "worker" : "asset", ask, asked);
    if (use === "given") {
      this.#handedOut(asker, asked, reason);
      return;
    }
    if (asked.includes(ANY)) {
      this.#pattern(from, asked, use, reason);
      return;
    }
    const place = path.resolve(asked);
    if (!isWithin(place, root)) {
      if (!soft && use !== "named" && own) this.#outside(place, reason);
      return;
    }
    if (disk.isFile(place)) {
      this.#file(from, disk.realpath(place), use, reason);
      return;
    }
    if (disk.isFolder(place)) {
      this.#folder(from, place, use, reason);
      return;
    }
    // What libraries fill in: `locales/{{lng}}.json`, `%s.txt`.
    const filled = place.replace(/\{\{.*?\}\}|\$?\{.*?\}|%[sd]|\*+/g, ANY);
    if (filled !== place) {
      this.#pattern(from, filled, use, reason);
      return;
    }
    if ((use === "read" || use === "list") && !soft && own) this.#otherCase(from, place, reason);
    // A module by its path without extension.
    if (use === "start" || use === "named") {
      const found = resolver.resolve(place, from, "require");
      if (found.type === "file" && isCode(found.file)) this.#uses.start(found.file, reason);
    }
  }

  /** A file that code names from where it stands: of a list that is loaded or read, where nobody can see how. */
  neighbour(asker: Asker, ask: Extract<PlacedAsk, { type: "neighbour" }>): void {
    const { entry, packages } = this.#site;
    const { name } = ask;
    const { file: from, own } = asker;
    const reason = asker.reason("asset", ask, name);
    // Seen from the entry, too, since bundlers move code and leave files where they are.
    const places = own ? [from, entry] : [from];
    const [found] = places.flatMap((place) => this.#at(path.resolve(path.dirname(place), name), from) ?? []);
    if (found === undefined && own) this.#outside(path.resolve(path.dirname(entry), name), reason);
    if (found === undefined || found === from || /(?:package\.json|\.node)$/.test(found)) return;
    if (!isCode(found)) this.#uses.rawQuietly(found, reason);
    else if (packages.isOwn(found) && name.startsWith(".")) this.#uses.start(found, reason);
  }

  /** A name that a package looks for below some folder. */
  below({ file }: Asker, name: string): void {
    const folder = this.#site.packages.whole(file)?.folder ?? "";
    this.#below.set(folder, (this.#below.get(folder) ?? new Set()).add(name));
  }

  /** A word that is listed where the app's code hands out its folder may name a folder in that. */
  listed(asker: Asker, ask: Extract<PlacedAsk, { type: "listed" }>): void {
    const { name } = ask;
    if (!asker.soft) this.#listed.push({ from: asker.file, name, reason: asker.reason("asset", ask, name) });
  }

  /** A package gives its folder to another one, which is then there, and has what that one looks for. */
  lent(asker: Asker, ask: Extract<PlacedAsk, { type: "lent" }>): void {
    const { packages, resolver } = this.#site;
    const { path: folder, to } = ask;
    if (asker.own || packages.whole(asker.file)?.folder !== folder) return;
    const found = resolver.resolve(to, asker.file, "require");
    const taker = found.type === "file" ? packages.whole(found.file)?.folder : undefined;
    if (taker !== undefined && taker !== folder)
      this.#lent.push({ folder, to: taker, reason: asker.reason("asset", ask, folder) });
  }

  /** What a package looks for by name in a folder that it is given: `public`, `views`, `intl`. */
  handFolders(): void {
    const { disk } = this.#site;
    for (const { folder, to, reason } of this.#lent) {
      this.#uses.raw(path.join(folder, "package.json"), reason);
      for (const name of this.#below.get(to) ?? []) {
        const place = path.join(folder, name);
        // Of addons one is chosen, by other rules.
        if (name === "node_modules" || !disk.isFolder(place) || [...disk.below(place)].some(isAddon)) continue;
        this.#uses.whole(place, { ...reason, what: name });
      }
    }
    for (const { from, name, reason } of this.#listed) {
      const place = path.join(path.dirname(from), name);
      if (this.#given.get(path.dirname(from))?.file === reason.file && name !== "node_modules" && disk.isFolder(place))
        this.#uses.whole(place, reason, from);
    }
    const names = new Set([...this.#below.values()].flatMap((some) => [...some]));
    for (const [folder, reason] of this.#given) {
      for (const name of names) {
        const place = path.join(folder, name);
        if (name !== "node_modules" && this.#site.disk.isFolder(place) && !isWithin(reason.file ?? "", place))
          this.#uses.whole(place, { ...reason, kind: "asset", what: name });
      }
    }
  }

  /** The folder that code stands in, handed out. */
  #handedOut({ file, own }: Asker, folder: string, reason: Reason): void {
    const { disk, packages } = this.#site;
    if (folder !== path.dirname(file)) return;
    if (own) this.#given.set(folder, reason);
    else if (folder === packages.whole(file)?.folder) {
      // A package that is nothing but files: all of it but what is for people and tools.
      for (const one of disk.below(folder))
        if (!forPeople.test(one)) this.#uses.of(disk.realpath(one), reason).raw = true;
    }
  }

  #file(from: string, file: string, use: PathUse, reason: Reason): void {
    if (use === "start") {
      this.#failures.relies(from, file);
      this.#uses.start(file, reason);
    } else if (use === "named" && file === from) this.#uses.of(file, reason).start ||= file === this.#site.entry;
    // Typed code that is named by code which is not: a text to read.
    else if (use === "named" && isCode(file) && (isTyped(from) || !isTyped(file))) this.#uses.start(file, reason);
    else this.#uses.raw(file, reason);
  }

  #folder(from: string, folder: string, use: PathUse, reason: Reason): void {
    const { disk } = this.#site;
    if (path.basename(folder) === "node_modules") return;
    if (!isWithin(from, folder)) {
      this.#uses.whole(folder, reason, from);
      return;
    }
    // A folder around the code itself is where something is looked for, not the thing.
    if (use !== "list" || isWithin(this.#site.folder, folder)) return;
    for (const name of disk.names(folder)) {
      const file = path.join(folder, name);
      if (disk.isFile(file) && file !== from) this.#uses.rawQuietly(file, reason);
    }
  }

  #pattern(from: string, asked: string, use: PathUse, reason: Reason): void {
    const { disk, root } = this.#site;
    const folder = folderOf(asked);
    if (!isWithin(folder, root) || isWithin(from, folder) || this.#site.isWide(folder, from)) {
      if (!isWithin(from, folder) || use === "list" || this.#site.isWide(folder, from)) return;
      // Beside the code: what fits in the same folder, when something of the name is known.
      if (asked.slice(folder.length + 1).replaceAll(ANY, "") === "") return;
    }
    const expression = expressionOf(asked);
    for (const file of disk.below(folder)) {
      if (!expression.test(file) || (file === from && file !== this.#site.entry)) continue;
      if (file === from || use === "start" || this.#site.isSource(from, file))
        this.#uses.start(disk.realpath(file), reason);
      else this.#uses.rawQuietly(file, reason);
    }
  }

  #at(place: string, from: string): string | undefined {
    const { folder, resolver, root } = this.#site;
    if (!isWithin(place, root) || isWithin(folder, place)) return undefined;
    const found = resolver.resolve(place, from, "require");
    return found.type === "file" ? found.file : undefined;
  }

  /** Says it where a file beside the project is meant. */
  #outside(place: string, reason: Reason): void {
    const { disk, root } = this.#site;
    if (isWithin(place, root) || !isWithin(place, path.dirname(root)) || !disk.isFile(place)) return;
    this.#say({
      code: "outside-project",
      severity: "warning",
      message: `reads ${place}, which is outside of the project`,
      ...placeOf(reason),
      hint: "build from the folder that holds both",
    });
  }

  /** Says it where nothing of a name is there, but something of that name in another case. */
  #otherCase(from: string, place: string, reason: Reason): void {
    const other = this.#site.resolver.otherCase(`./${path.relative(path.dirname(from), place)}`, from);
    if (other === undefined) return;
    this.#say({
      code: "other-case",
      severity: "warning",
      message: `reads ${this.#site.relative(place)}, which differs from ${this.#site.relative(other)} only in case`,
      ...placeOf(reason),
      hint: "write the name as the file has it",
    });
  }
}
