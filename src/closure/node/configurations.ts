import path from "node:path";
import { isWithin } from "../disk.ts";
import type { Reason } from "../types.ts";
import { isCode } from "./load.ts";
import type { Site } from "./site.ts";
import type { Uses } from "./uses.ts";

/** How the project configures the packages it uses: they search for files and fields of their name. */
export class Configurations {
  readonly #site: Site;
  readonly #uses: Uses;
  readonly #code = new Set<string>();

  constructor(site: Site, uses: Uses) {
    this.#site = site;
    this.#uses = uses;
  }

  /** Whether a file is code that configures a package. */
  has(file: string): boolean {
    return this.#code.has(file);
  }

  /**
   * Takes `NAME.config.js`, `.NAMErc`, and `NAME` in package.json, where NAME is a package's that is in the closure, or
   * one of `words`. Says whether one is new.
   */
  find(words: ReadonlySet<string>): boolean {
    const { disk, entry, folder, packages, root } = this.#site;
    const known = this.#uses.all.size;
    const names = new Set(words);
    for (const one of this.#uses.packages) {
      const name = packages.at(one)?.json.name ?? "";
      if (one !== root) for (const part of name.replace(/^@/, "").split("/")) names.add(part);
    }
    for (const place of new Set([folder, path.dirname(entry)])) {
      for (const name of disk.names(place)) {
        const about = /^(?:\.([\w-]+)rc|([\w-]+)\.config)(?:\.\w+)*$/.exec(name);
        if (about !== null && names.has(about[1] ?? about[2] ?? "")) this.#file(path.join(place, name));
      }
      const json = packages.at(place)?.json as Readonly<Record<string, unknown>> | undefined;
      for (const [key, value] of Object.entries(json ?? {}))
        if (names.has(key) && !fields.has(key)) this.#field(place, key, value);
    }
    return this.#uses.all.size > known;
  }

  #file(file: string): void {
    const { disk, entry } = this.#site;
    if (!disk.isFile(file)) return;
    const reason: Reason = { kind: "asset", from: this.#site.image(entry), what: path.basename(file) };
    if (isCode(file)) {
      const real = disk.realpath(file);
      this.#code.add(real);
      this.#uses.start(real, reason);
    } else this.#uses.rawQuietly(file, reason);
  }

  /** Paths in a package's part of package.json. */
  #field(folder: string, key: string, value: unknown): void {
    const { disk } = this.#site;
    const manifest = path.join(folder, "package.json");
    const reason: Reason = { kind: "asset", from: this.#site.image(manifest), what: key };
    this.#uses.raw(manifest, reason);
    for (const text of stringsIn(value)) {
      const place = path.join(folder, text);
      if (!/^\.\//.test(text) || !isWithin(place, folder) || place === folder) continue;
      if (disk.isFolder(place)) this.#uses.whole(place, reason);
      else if (disk.isFile(place)) this.#uses.rawQuietly(place, reason);
    }
  }
}

/** Fields of package.json that are npm's and Node.js's own: https://docs.npmjs.com/cli/configuring-npm/package-json */
const fields = new Set(
  (
    "name version description keywords homepage bugs license author contributors funding files exports main browser " +
    "bin man directories repository scripts config dependencies devDependencies peerDependencies " +
    "peerDependenciesMeta bundleDependencies optionalDependencies overrides engines os cpu libc private " +
    "publishConfig workspaces type imports types module packageManager"
  ).split(" "),
);

function* stringsIn(value: unknown): Generator<string> {
  if (typeof value === "string") yield value;
  else if (typeof value === "object" && value !== null) for (const item of Object.values(value)) yield* stringsIn(item);
}
