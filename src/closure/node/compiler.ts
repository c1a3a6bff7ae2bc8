import { execFile } from "node:child_process";
import { mkdtemp, readdir, readFile, realpath, rm, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { type Context, throwIfAborted } from "../../base/context.ts";
import { systemCode } from "../../base/error.ts";
import { type Disk, isWithin } from "../disk.ts";
import type { CompilerOptions } from "./tsconfig.ts";

/** JavaScript, and the source map to what it was made of. */
export interface Compiled {
  readonly code: string;
  /** As JSON. */
  readonly map: string;
}

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
  readonly #made = new Map<string, Compiled>();

  constructor(context: Context, disk: Disk, root: string) {
    this.#context = context;
    this.#disk = disk;
    this.#root = root;
  }

  /** A file as the project's tsconfig wants it; undefined where the project has no compiler that makes it. */
  async compile(file: string, config: string, overrides: CompilerOptions): Promise<Compiled | undefined> {
    const compiler = this.#compiler(path.dirname(file));
    if (compiler !== undefined && !this.#made.has(file)) await this.#run(compiler, file, config, overrides);
    return this.#made.get(file);
  }

  #compiler(from: string): string | undefined {
    for (let folder = from; isWithin(folder, this.#root); folder = path.dirname(folder)) {
      const place = path.join(folder, "node_modules/typescript/bin/tsc");
      if (this.#disk.isFile(place)) return place;
    }
    return undefined;
  }

  async #run(compiler: string, file: string, config: string, overrides: CompilerOptions): Promise<void> {
    const folder = await realpath(await mkdtemp(path.join(os.tmpdir(), "slim-tsc-")));
    try {
      const project = path.join(folder, "tsconfig.json");
      const out = path.join(folder, "out");
      const compilerOptions = { ...plain, ...overrides, rootDir: this.#root, outDir: out };
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
        if (this.#disk.isFile(file)) this.#made.set(file, taken(text, source));
      }
    }
  }
}

/** What a project asks of its compiler beside code. */
const plain = {
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
  sourceMap: false,
  inlineSourceMap: true,
  inlineSources: true,
  mapRoot: null,
  sourceRoot: null,
};

/** Names that a compiled file may come from. */
function sources(name: string): readonly string[] {
  const typed = name.replace(/js(x?)$/, "ts$1");
  return typed.endsWith(".ts") ? [typed, `${typed}x`] : [typed];
}

/** Code and map taken apart. The map names the file beside it, and no folder of this machine. */
function taken(text: string, source: string): Compiled {
  const [, code = text, encoded = ""] =
    /^(.*\n)\/\/# sourceMappingURL=data:application\/json;base64,([\w+/=]+)\s*$/s.exec(text) ?? [];
  const map = encoded === "" ? {} : (JSON.parse(Buffer.from(encoded, "base64").toString("utf8")) as object);
  return { code, map: JSON.stringify({ ...map, sourceRoot: "", sources: [source] }) };
}
