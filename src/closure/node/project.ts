import type { Platform } from "../../image/platform.ts";
import type { ClosurePart } from "../types.ts";
import type { Libc } from "./addons.ts";
import type { TracedFile } from "./traced.ts";

/** A Node.js app and what it is built for. */
export interface NodeProject {
  /** Absolute folder on disk that becomes `/app`: the workspace's root when modules are hoisted there. */
  readonly root: string;
  /** The project's own folder, `root` or below it: where the program is started, and where paths of options begin. */
  readonly folder: string;
  /** Relative to `root`, with `/`: JavaScript or TypeScript of any extension. */
  readonly entry: string;
  /** Modules that Node.js loads before the entry, as its options name them in `folder`. */
  readonly preloads: readonly { readonly option: "--require" | "--import"; readonly specifier: string }[];
  /** What the entry is started with: files and folders of the project among it belong to the app. */
  readonly args: readonly string[];
  /** Of the app, for its component. */
  readonly name: string;
  readonly version?: string;
  /** `node` is an exact version, `libc` what it is made for: glibc when left out. */
  readonly target: {
    readonly node: string;
    readonly platform: Platform;
    readonly libc?: Libc;
    /** Whether a program of this name is found in the image. */
    readonly hasProgram?: (name: string) => boolean;
  };
  /** NODE_ENV as the image sets it; none where it may be anything. */
  readonly nodeEnv?: string;
  readonly mode: "bundle" | "files";
  /** Ship source maps of what is compiled, and have Node.js use them. */
  readonly sourcemap: boolean;
  /** Packages that stay as the files they are, whole. */
  readonly external: readonly string[];
  /** Globs of files to add, relative to `folder`. */
  readonly include: readonly string[];
  /** Globs of files, or names of packages, to leave out. */
  readonly exclude: readonly string[];
  /** Files that a run of the app needed. */
  readonly traced: readonly TracedFile[];
}

export interface NodeClosure extends ClosurePart {
  /** Path in the image of the file that node is started with. */
  readonly entrypoint: string;
  /** Options of Node.js that stand before it. */
  readonly nodeOptions: readonly string[];
}

/** Where the project's root lies in the image. */
export const APP = "/app";

/** `process.arch` of the target. */
export function nodeArch(platform: Platform): string {
  return (
    { amd64: "x64", "386": "ia32", ppc64le: "ppc64", loong64: "loong64" }[platform.architecture] ??
    platform.architecture
  );
}
