import type { Diagnostic } from "../base/diagnostic.ts";
import type { Platform } from "../image/platform.ts";
import type { Entry } from "../layer/entry.ts";

/** The layers of an image in the order they are stacked: what changes least lies lowest. */
export const layerNames = ["os", "node", "deps", "app"] as const;
export type LayerName = (typeof layerNames)[number];

/** What a file belongs to. */
export interface Component {
  /** https://github.com/package-url/purl-spec, and the component's identity. */
  readonly purl: string;
  readonly name: string;
  readonly version?: string;
  readonly license?: string;
}

/** Why something is in the image: one edge from the thing that asked for it. */
export interface Reason {
  readonly kind:
    | "entry" // the program itself
    | "import"
    | "require"
    | "asset" // read as a file by code
    | "worker"
    | "interpreter" // PT_INTERP
    | "DT_NEEDED"
    | "DT_FILTER" // DT_AUXILIARY too
    | "dlopen"
    | "link" // the target or the carrier of a symbolic link
    | "include" // the user asked
    | "trace" // a run of the app needed it
    | "preset" // the default root file system
    | "metadata"; // package databases and licences
  /** Path in the image of the file that asked; none for what the user or a preset asked for. */
  readonly from?: string;
  /** Source file, relative to the project, and the line of the edge, where it is code. */
  readonly file?: string;
  readonly line?: number;
  /** What exactly was asked for: a specifier, a soname, the name of a preset. */
  readonly what?: string;
}

/** A module that lies inside a bundle and not as a file of its own. */
export interface BundledModule {
  /** Where it believes to be: its place under the project's root in the image. */
  readonly path: string;
  readonly purl: string;
  /** Bytes that it takes in the bundle. */
  readonly size: number;
  readonly reasons: readonly Reason[];
}

/** One path of the image and everything that is known about it. */
export interface ClosureEntry {
  readonly entry: Entry;
  readonly layer: LayerName;
  /** The component's purl. */
  readonly purl: string;
  readonly reasons: readonly Reason[];
  /** For a bundle: the modules inside. */
  readonly modules?: readonly BundledModule[];
}

/** What one kind of project, runtime or preset adds to a closure. */
export interface ClosurePart {
  readonly entries: readonly ClosureEntry[];
  readonly components: readonly Component[];
  readonly diagnostics: readonly Diagnostic[];
}

/** What lies under a closure: an image that has some of its files already. */
export interface ClosureBase {
  /** Its reference, or what it was asked for by. */
  readonly name: string;
  readonly digest: string;
  /** Regular files, and their bytes. */
  readonly files: number;
  readonly bytes: number;
  /** Its files that something in the closure asks for, by path. */
  readonly used: ReadonlyMap<string, readonly Reason[]>;
}

/** The files of the image for one platform, by path, parents first. */
export interface Closure {
  readonly platform: Platform;
  readonly base?: ClosureBase;
  readonly entries: ReadonlyMap<string, ClosureEntry>;
  readonly components: ReadonlyMap<string, Component>;
  readonly diagnostics: readonly Diagnostic[];
}
