import { execFile } from "node:child_process";
import { mkdtemp, readdir, readFile, realpath, rm, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { type Context, throwIfAborted } from "../../base/context.ts";
import { systemCode } from "../../base/error.ts";
import { type Disk, isWithin } from "./disk.ts";
import type { CompilerOptions } from "./tsconfig.ts";

/** Longer than any project takes. */
const TIMEOUT = 5 * 60 * 1000;

/**
 * The project's own TypeScript, for what only it can do: `emitDecoratorMetadata` writes down types, which are known
 * when a file's imports are. Runs as a process of its own, for since version 7 there is no other way.
 */
export class Compiler {
  readonly #context: Context;
  readonly #disk: Disk;
  readonly #root: string;
  /** What one run has made of all that its file imports, by source. */
  readonly #made = new Map<string, string>();

  constructor(context: Context, disk: Disk, root: string) {
    this.#context = context;
    this.#disk = disk;
    this.#root = root;
  }

  /** A file as modern JavaScript with a source map inside; undefined where the project has no compiler that makes it. */
  async compile(file: string, config: string, options: CompilerOptions): Promise<string | undefined> {
    const compiler = this.#compiler(path.dirname(file));
    if (compiler !== undefined && !this.#made.has(file)) await this.#run(compiler, file, config, options);
    return this.#made.get(file);
  }

  #compiler(from: string): string | undefined {
    for (let folder = from; isWithin(folder, this.#root); folder = path.dirname(folder)) {
      const place = path.join(folder, "node_modules/typescript/bin/tsc");
      if (this.#disk.isFile(place)) return place;
    }
    return undefined;
  }

  async #run(compiler: string, file: string, config: string, options: CompilerOptions): Promise<void> {
    const folder = await realpath(await mkdtemp(path.join(os.tmpdir(), "slim-tsc-")));
    try {
      const project = path.join(folder, "tsconfig.json");
      const out = path.join(folder, "out");
      const compilerOptions = { ...written, ...fields(options), rootDir: this.#root, outDir: out };
      await writeFile(project, JSON.stringify({ extends: config, files: [file], include: [], compilerOptions }));
      await this.#start([compiler, "-p", project], path.dirname(config));
      await this.#collect(out);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  }

  /** What is wrong with types is not asked here: files are there, or they are not. */
  async #start(args: readonly string[], cwd: string): Promise<void> {
    const { signal } = this.#context;
    await new Promise<void>((resolve) => {
      execFile(process.execPath, args, { cwd, signal, timeout: TIMEOUT, maxBuffer: 1 << 28 }, () => resolve());
    });
    throwIfAborted(signal);
  }

  async #collect(out: string): Promise<void> {
    const made = await readdir(out, { recursive: true, withFileTypes: true }).catch((error: unknown) => {
      if (systemCode(error) === "ENOENT") return [];
      throw error;
    });
    for (const entry of made) {
      if (!entry.isFile() || !/\.[cm]?jsx?$/.test(entry.name)) continue;
      const text = await readFile(path.join(entry.parentPath, entry.name), "utf8");
      const folder = path.join(this.#root, path.relative(out, entry.parentPath));
      for (const source of sources(entry.name)) {
        const file = path.join(folder, source);
        if (this.#disk.isFile(file)) this.#made.set(file, withNearSource(text, source));
      }
    }
  }
}

/** Types, decorators and what only TypeScript has are gone; modules and newer syntax are left to what comes after. */
const written = {
  module: "preserve",
  moduleResolution: "bundler",
  target: "esnext",
  jsx: "preserve",
  noCheck: true,
  noEmit: false,
  noEmitOnError: false,
  emitDeclarationOnly: false,
  declaration: false,
  declarationMap: false,
  composite: false,
  incremental: false,
  tsBuildInfoFile: null,
  allowImportingTsExtensions: false,
  rewriteRelativeImportExtensions: false,
  importHelpers: false,
  noEmitHelpers: false,
  removeComments: false,
  sourceMap: false,
  inlineSourceMap: true,
  inlineSources: true,
  mapRoot: null,
  sourceRoot: null,
};

/** What the project's target says of class fields holds although the target is another. */
function fields({ useDefineForClassFields, target }: CompilerOptions): { readonly useDefineForClassFields?: boolean } {
  if (typeof useDefineForClassFields === "boolean") return { useDefineForClassFields };
  const older = typeof target === "string" && /^es(?:3|5|6|20(?:1\d|2[01]))$/i.test(target);
  return older ? { useDefineForClassFields: false } : {};
}

/** Names that a compiled file may come from. */
function sources(name: string): readonly string[] {
  const stem = name.replace(/\.[cm]?jsx?$/, "");
  const extension = path.extname(name);
  return extension === ".jsx" ? [`${stem}.tsx`] : [`${stem}${extension.replace("js", "ts")}`];
}

/** With a source map that names the file beside it, and no folder of this machine. */
function withNearSource(text: string, source: string): string {
  return text.replace(/(?<=\n\/\/# sourceMappingURL=data:application\/json;base64,)[\w+/=]+\s*$/, (encoded) => {
    const map = JSON.parse(Buffer.from(encoded, "base64").toString("utf8")) as object;
    return Buffer.from(JSON.stringify({ ...map, sourceRoot: "", sources: [source] })).toString("base64");
  });
}
