import path from "node:path";
import { globExpression } from "../../base/glob.ts";
import { isWithin } from "../disk.ts";
import type { Reason } from "../types.ts";
import type { Asker, TextAsk } from "./asker.ts";
import { isCode, isDeclaration } from "./load.ts";
import { splitSpecifier } from "./packages.ts";
import type { Site } from "./site.ts";
import type { Uses } from "./uses.ts";

/** Answers strings in the app's own code: names of packages, files and folders are handed around like this. */
export class Texts {
  readonly #site: Site;
  readonly #uses: Uses;
  readonly #named = new Set<string>();
  readonly #words = new Set<string>();

  constructor(site: Site, uses: Uses) {
    this.#site = site;
    this.#uses = uses;
  }

  /** Packages that are named. */
  get named(): ReadonlySet<string> {
    return this.#named;
  }

  /** Plain words that are handed on. */
  get words(): ReadonlySet<string> {
    return this.#words;
  }

  answer(asker: Asker, ask: TextAsk): void {
    const { text, argument } = ask;
    if (asker.soft) this.#data(text, asker.reason("asset", ask, text));
    else if (text.length === 0 || text.length > 200 || /[\s\0:?<>|]/.test(text)) return;
    else if (text.includes("*")) this.#glob(asker.file, text, asker.reason("asset", ask, text));
    else if (!this.#package(asker, ask)) {
      if (argument && /^[\w-]+$/.test(text)) this.#words.add(text);
      if (argument || /\/|\.\w+$/.test(text)) this.#place(asker, ask, asker.reason("asset", ask, text));
    }
  }

  /** Whether it is the name of a package that the app declares. */
  #package(asker: Asker, ask: TextAsk): boolean {
    const { packages, resolver } = this.#site;
    const { text } = ask;
    const name = splitSpecifier(text)?.name;
    const json = packages.whole(asker.file)?.json;
    if (name === undefined) return false;
    const declared = json?.dependencies?.[name] ?? json?.optionalDependencies?.[name] ?? json?.peerDependencies?.[name];
    if (declared === undefined) return false;
    const found = resolver.resolve(text, asker.file, "require");
    if (found.type !== "file" || this.#site.isExcluded(found.file)) return true;
    asker.means(text, "require", found);
    this.#uses.module(found.file, asker.reason("require", ask, text), true);
    this.#named.add(text);
    return true;
  }

  /** A file or folder by its path from the working directory. */
  #place({ file: from }: Asker, { text, argument, taken }: TextAsk, reason: Reason): void {
    const { disk, folder, packages, root } = this.#site;
    const place = path.resolve(folder, text);
    if (isWithin(folder, place) || !isWithin(place, root) || path.basename(place) === "node_modules") return;
    if (disk.isFile(place)) {
      if (path.basename(place) === "package.json" || (!text.includes("/") && (!text.includes(".") || isCode(text))))
        return;
      if (isCode(text)) this.#uses.start(disk.realpath(place), reason);
      else this.#uses.raw(disk.realpath(place), reason);
    } else if (disk.isFolder(place) && !isWithin(from, place) && path.basename(place) !== ".git") {
      // Written as a path it is one; as an argument it may be any word.
      const word = packages.at(place) !== undefined || path.basename(place).startsWith(".");
      if (!text.startsWith("./") && (word || text.startsWith("..") || !(argument || (!taken && text.includes("/")))))
        return;
      this.#uses.whole(place, reason, from);
    }
  }

  /** Files that a glob names, from the working directory or from where the code stands. */
  #glob(from: string, glob: string, reason: Reason): void {
    const { disk, folder, root } = this.#site;
    const last = glob.slice(glob.lastIndexOf("/") + 1);
    // `*.entity.js` says what is meant, `*.js` only does so in a folder.
    const telling = /[\w-]+[.*{]/.test(last) || !/\.\{?\*?[cm]?[jt]s/.test(last);
    // `*/*` names nothing; it is a media type.
    if (!/^[\w./*{},@-]+$/.test(glob) || !/\w/.test(glob) || !/[./]/.test(glob) || glob === last) return;
    if (/^(?:\.\/)?\*/.test(glob) && !telling) return;
    for (const base of new Set([folder, path.dirname(from)])) {
      const start = path.join(base, glob.slice(0, glob.search(/[*{]/)).replace(/[^/]*$/, ""));
      if (!isWithin(start, root) || start.includes("node_modules")) continue;
      const expression = globExpression(path.join(base, glob));
      for (const file of disk.below(start)) {
        if (!expression.test(file) || isDeclaration(file)) continue;
        if (file === from || this.#site.isSource(from, file)) this.#uses.start(disk.realpath(file), reason);
        else this.#uses.rawQuietly(file, reason);
      }
    }
  }

  /** In code of the app that may never run, as in what a framework wrote: data, by its path from the working directory. */
  #data(text: string, reason: Reason): void {
    const { disk, folder } = this.#site;
    if (!/^[\w@.-][\w@./ -]*\.\w+$/.test(text) || text.length > 200) return;
    const place = path.resolve(folder, text);
    if (isWithin(place, folder) && path.basename(place) !== "package.json" && disk.isFile(place) && !isCode(place))
      this.#uses.rawQuietly(place, reason);
  }
}
