/**
 * What can be asked of a build: by a program, by a configuration file or on the command line. A value
 * given later in that order replaces one given earlier; what is left out is found in the project, or
 * has the default of the design.
 */
export interface BuildOptions {
  /**
   * A folder with a package.json, a JS/TS entry file, an ELF file, or a folder of ELF files for several
   * platforms. Default: the current folder.
   */
  readonly path?: string;
  /** Programs instead of a path, one for each platform: `dist/app-arm64`, or `linux/arm64=dist/app-arm64`. */
  readonly binaries?: readonly string[];
  /**
   * What the image is for: `linux/amd64`, or several separated by commas. Default: the platforms of
   * binaries, else this machine's.
   */
  readonly platform?: string;
  /**
   * What is under the program: an image of any store (a reference, or the path of an archive or layout),
   * or else only libraries: `debian` (default), `host` for this machine's, or `scratch` for none.
   */
  readonly base?: string;
  /** A folder to take libraries from. */
  readonly sysroot?: string;
  /** Debian packages to add, by file. */
  readonly packages?: readonly string[];
  /** The Node.js runtime: a version or range, the path of a `node` binary, or `host` for the running one. */
  readonly node?: string;
  /**
   * The program's first file, relative to the project; the name of the program among those of a folder;
   * or, absolute and without a path, a program of a package.
   */
  readonly entry?: string;
  /** Arguments after the entrypoint. */
  readonly cmd?: readonly string[];
  /** Environment variables of the image. */
  readonly env?: Readonly<Record<string, string>>;
  /** `uid[:gid]` or a name. Default `65532:65532`. */
  readonly user?: string;
  /** Absolute. */
  readonly workdir?: string;
  /** Ports: `8080`, `53/udp`. */
  readonly expose?: readonly string[];
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
  /** References that name the image in every output. */
  readonly tags?: readonly string[];
  /** A binary alone, without accounts, certificates and folders around it. */
  readonly bare?: boolean;
  /** One artifact (`bundle`, the default), or the traced files. */
  readonly mode?: "bundle" | "files";
  /** Globs of files to add, relative to the project. */
  readonly include?: readonly string[];
  /** Globs of files, or names of packages, to leave out. */
  readonly exclude?: readonly string[];
  /** Packages that stay as the files they are, whole. */
  readonly external?: readonly string[];
  /** Cut symbols and debug information off a binary. */
  readonly trim?: boolean;
  /** Ship source maps. */
  readonly sourcemap?: boolean;
  /** Of the layers: `gzip` (default), or `zstd`, which is smaller but not read by the oldest engines. */
  readonly compression?: string;
  /** 1 to 9 for gzip, default 6; 1 to 19 for zstd, default 3. */
  readonly compressionLevel?: number;
  /** Fail rather than change `slim.lock`. */
  readonly frozen?: boolean;
  /** Warnings fail the build. */
  readonly strict?: boolean;
  /** The URL of a Debian archive, instead of the one the machine's apt uses. */
  readonly debianMirror?: string;
}

type Kind = "string" | "boolean" | "number" | "list" | "record";

/** The form of every option, to check what comes from files and programs without types. */
export const optionKinds: { readonly [Name in keyof Required<BuildOptions>]: Kind } = {
  path: "string",
  binaries: "list",
  platform: "string",
  base: "string",
  sysroot: "string",
  packages: "list",
  node: "string",
  entry: "string",
  cmd: "list",
  env: "record",
  user: "string",
  workdir: "string",
  expose: "list",
  labels: "record",
  annotations: "record",
  tags: "list",
  bare: "boolean",
  mode: "string",
  include: "list",
  exclude: "list",
  external: "list",
  trim: "boolean",
  sourcemap: "boolean",
  compression: "string",
  compressionLevel: "number",
  frozen: "boolean",
  strict: "boolean",
  debianMirror: "string",
};
