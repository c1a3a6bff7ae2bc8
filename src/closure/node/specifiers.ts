import path from "node:path";
import { pathToFileURL } from "node:url";
import { compareStrings } from "../../base/files.ts";
import { isWithin } from "../disk.ts";
import type { Reason } from "../types.ts";
import type { Asker, SpecifierAsk } from "./asker.ts";
import type { Carriers } from "./carriers.ts";
import { ANY, pathOfUrl } from "./evaluate.ts";
import type { Failures } from "./failures.ts";
import { isCode, isForeign } from "./load.ts";
import { splitSpecifier } from "./packages.ts";
import { expressionOf, folderOf, readable } from "./patterns.ts";
import type { PlacedAsk } from "./readings.ts";
import type { Style } from "./resolve.ts";
import { placeOf, type Say } from "./say.ts";
import type { Site } from "./site.ts";
import { TRACE_NAME } from "./traced.ts";
import type { Uses } from "./uses.ts";

type UnknownAsk = Extract<PlacedAsk, { type: "unknown" }>;

/** Answers what code loads by a specifier: one that it writes out, a pattern, or one that only a run knows. */
export class Specifiers {
  readonly #site: Site;
  readonly #uses: Uses;
  readonly #carriers: Carriers;
  readonly #failures: Failures;
  readonly #say: Say;
  /** Modules of packages that load what they are told to, by name. */
  readonly #open: { readonly asker: Asker; readonly style: Style }[] = [];
  /** Undeclared packages, by the folder that should declare them: said at the first import. */
  readonly #undeclared = new Set<string>();

  constructor(site: Site, uses: Uses, carriers: Carriers, failures: Failures, say: Say) {
    this.#site = site;
    this.#uses = uses;
    this.#carriers = carriers;
    this.#failures = failures;
    this.#say = say;
  }

  answer(asker: Asker, ask: SpecifierAsk): void {
    if (ask.specifier.includes(ANY)) this.#pattern(asker, ask);
    else this.#exact(asker, ask);
  }

  /** What no reading of the code can tell: any of the drivers that the project has for the package. */
  unknown(asker: Asker, ask: UnknownAsk): void {
    const { style, guarded } = ask;
    this.#peers(asker, ask);
    if (!asker.own) this.#open.push({ asker, style });
    if (guarded) this.#failures.tries(asker.file);
    this.#warnUnknown(asker, ask, `what ${style === "import" ? "import()" : "require()"} loads here`);
  }

  /** What the app names and a package loads, as the package finds it: hoisted folders make the difference. */
  handNames(names: ReadonlySet<string>): void {
    for (const { asker, style } of this.#open) {
      const { file } = asker;
      for (const name of names) {
        const found = this.#site.resolver.resolve(name, file, style);
        if (found.type !== "file" || found.base === undefined) continue;
        asker.means(name, style, found);
        const reason: Reason = {
          kind: "require",
          from: this.#site.image(file),
          file: this.#site.relative(file),
          what: name,
        };
        this.#uses.module(found.file, reason, true);
      }
    }
  }

  #exact(asker: Asker, ask: SpecifierAsk): void {
    const { specifier, type, guarded } = ask;
    const { file, soft } = asker;
    const style: Style = type === "import" || type === "dynamic" ? "import" : "require";
    const reason = asker.reason(style, ask, specifier);
    const found = this.#carriers.onTarget(this.#site.resolver.resolve(specifier, ask.from, style));
    if (found.type === "builtin") return;
    if (guarded) this.#failures.tries(file);
    if (found.type === "missing") {
      this.#refusing(ask, reason);
      if (!soft && !guarded && type !== "resolve") this.#failures.missing(file, ask, found.message);
      return;
    }
    if (guarded && this.#site.isExcluded(found.file)) return;
    this.#checkDeclared(asker, specifier, reason);
    if (found.file.endsWith(".node") && this.#carriers.refuses(found.file, asker, ask, reason)) return;
    if (!guarded && !soft) this.#failures.relies(file, found.file);
    asker.means(specifier, style, found);
    if (ask.certain && !soft) this.#failures.loads(file, found.file);
    // Whoever makes a module of it reads it from disk.
    if (type === "require" && isForeign(found.file)) this.#uses.raw(found.file, reason);
    // What `require.resolve` gives may be loaded, started or read.
    if (type === "resolve" && isCode(found.file)) this.#uses.start(found.file, reason);
    else if (type !== "resolve" && (style === "require" || isCode(found.file) || /\.(?:json|node)$/.test(found.file)))
      this.#uses.module(found.file, reason, soft);
    else this.#uses.raw(found.file, reason);
  }

  /** The error for a path that a package does not export is made from its package.json. */
  #refusing({ specifier, from }: SpecifierAsk, reason: Reason): void {
    const name = splitSpecifier(specifier)?.name;
    const folder = name === undefined ? undefined : this.#site.find(name, path.dirname(from));
    if (folder !== undefined && this.#site.packages.at(folder)?.json.exports !== undefined)
      this.#uses.raw(path.join(folder, "package.json"), reason);
  }

  #checkDeclared({ file, own, soft }: Asker, specifier: string, reason: Reason): void {
    const { packages } = this.#site;
    const name = splitSpecifier(specifier)?.name;
    if (soft || name === undefined || !own) return;
    const scope = packages.whole(file);
    if (scope === undefined || scope.json.name === name) return;
    const { dependencies, devDependencies, optionalDependencies, peerDependencies } = scope.json;
    for (const list of [dependencies, devDependencies, optionalDependencies, peerDependencies])
      if (list?.[name] !== undefined) return;
    if (this.#site.find(name, path.dirname(file)) === undefined) return; // an alias
    const once = `${scope.folder}\n${name}`;
    if (this.#undeclared.has(once)) return;
    this.#undeclared.add(once);
    this.#say({
      code: "undeclared-import",
      severity: "warning",
      message: `${name} is not declared in ${this.#site.relative(path.join(scope.folder, "package.json"))}`,
      ...placeOf(reason),
      hint: `npm install ${name}`,
    });
  }

  #pattern(asker: Asker, ask: SpecifierAsk): void {
    const { specifier } = ask;
    const reason = asker.reason("require", ask, specifier);
    const absolute = specifier.startsWith("file:")
      ? pathOfUrl(specifier)
      : specifier.startsWith("/")
        ? specifier
        : specifier.startsWith(".")
          ? path.join(path.dirname(ask.from), specifier)
          : undefined;
    if (absolute === undefined) {
      this.#inPackage(asker, ask, reason);
      return;
    }
    if (this.#site.isWide(folderOf(absolute), asker.file)) {
      this.#warnUnknown(asker, ask, `which file "${readable(this.#site.short(specifier))}" is`);
      return;
    }
    const style: Style = ask.type === "dynamic" ? "import" : "require";
    for (const place of this.#fitting(absolute, asker.file, style === "require")) {
      const file = this.#site.disk.realpath(place);
      asker.means(pathToFileURL(place).href, style, { type: "file", file });
      this.#uses.module(file, reason, !asker.own);
    }
  }

  /** A package by name, and a file in it by what is unknown: `moment/locale/*`. */
  #inPackage(asker: Asker, ask: SpecifierAsk, reason: Reason): void {
    const { specifier, from } = ask;
    const style: Style = ask.type === "dynamic" ? "import" : "require";
    const known = specifier.split(ANY)[0] ?? "";
    const expression = expressionOf(specifier);
    let mapped = false;
    for (const asked of this.#site.resolver.names(known, from, style)) {
      const found = expression.test(asked) ? this.#site.resolver.resolve(asked, from, style) : undefined;
      if (found?.type !== "file") continue;
      mapped = true;
      asker.means(asked, style, found);
      this.#uses.module(found.file, reason, !asker.own);
    }
    if (mapped) {
      // What has no file ends in an error that names one.
      this.#refusing(ask, reason);
      return;
    }
    const name = splitSpecifier(known)?.name;
    const folder =
      name !== undefined && known.includes("/", known.startsWith("@") ? known.indexOf("/") + 1 : 0)
        ? this.#site.find(name, path.dirname(from))
        : undefined;
    if (name === undefined || folder === undefined) {
      this.#warnUnknown(asker, ask, `which module "${readable(specifier)}" is`);
      return;
    }
    for (const file of this.#fitting(path.join(folder, specifier.slice(name.length)), asker.file, true)) {
      for (const asked of spellings(name + file.slice(folder.length))) {
        const found = this.#site.resolver.resolve(asked, from, style);
        if (found.type === "file" && found.base !== undefined) asker.means(asked, style, found);
      }
      this.#uses.module(this.#site.disk.realpath(file), reason, true);
    }
  }

  /** Modules whose path fits a pattern; `loose` where it may be left open how the name ends. */
  *#fitting(pattern: string, from: string, loose: boolean): Generator<string> {
    const folder = folderOf(pattern);
    if (!isWithin(folder, this.#site.root) || this.#site.isWide(folder, from)) return;
    const expression = expressionOf(pattern, loose ? "(?:\\.[cm]?[jt]sx?|\\.json|\\.node|/index\\.[jt]s)?" : "");
    for (const file of this.#site.disk.below(folder)) {
      if (
        expression.test(file) &&
        (isCode(file) || /\.(?:json|node)$/.test(file)) &&
        !(file.endsWith(".node") && this.#site.misfit(file) !== undefined)
      )
        yield file;
    }
  }

  /** Drivers: the peers of a package that the project declares, where the package names one at run time. */
  #peers(asker: Asker, ask: UnknownAsk): void {
    const { packages, resolver, folder } = this.#site;
    const { file, own } = asker;
    if (own) return;
    const { dependencies, optionalDependencies } = packages.at(folder)?.json ?? {};
    for (const name of Object.keys(packages.whole(file)?.json.peerDependencies ?? {}).sort(compareStrings)) {
      if ((dependencies?.[name] ?? optionalDependencies?.[name]) === undefined) continue;
      const found = resolver.resolve(name, file, ask.style);
      if (found.type !== "file") continue;
      asker.means(name, ask.style, found);
      this.#uses.module(found.file, asker.reason("require", ask, name), true);
    }
  }

  /** Says what is not known, unless a run has shown it. */
  #warnUnknown(asker: Asker, ask: PlacedAsk, what: string): void {
    const { folder, project } = this.#site;
    const from = path.relative(folder, asker.file).split(path.sep).join("/");
    const shown = project.traced.some((one) => one.how === "load" && one.from === from);
    asker.warn(ask, {
      code: "unknown-require",
      message: `${what} is known only when it runs`,
      ...(shown
        ? { severity: "info", hint: `${TRACE_NAME} has what a run has loaded` }
        : { hint: "add the files with --include, or let slim trace -- COMMAND note what a run loads" }),
    });
  }
}

/** What `require` takes for a file: its name, the name without the extension, the folder of an index. */
function spellings(name: string): readonly string[] {
  const short = name.replace(/\.(?:js|json|node)$/, "");
  return [...new Set([name, short, short.replace(/\/index$/, "")])];
}
