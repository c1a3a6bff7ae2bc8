/** Which of Debian's two archives: they are separate trees on a mirror. */
export type Archive = "main" | "security";

/** A package as a build uses it, without the name of any host. */
export interface LockedPackage {
  readonly version: string;
  /** `pool/...`, below the root of the archive. */
  readonly filename: string;
  readonly sha256: string;
  /** Of the `.deb`, in bytes. */
  readonly size: number;
  readonly archive: Archive;
}

type ByArchitecture<T> = Readonly<Record<string, Readonly<Record<string, T>>>>;

/** Debian's part of `slim.lock`. */
export interface DebianLock {
  readonly suite: "trixie";
  /** The `Date` of the newest index that was used of each suite, ISO 8601: never moves back. */
  readonly dates: Readonly<Record<string, string>>;
  /** By Debian's architecture and the name of the package. */
  readonly packages: ByArchitecture<LockedPackage>;
  /**
   * By Debian's architecture and soname, or path: the package, where Debian's naming policy does not
   * tell it; null where there is none. So are names that packages only provide.
   */
  readonly libraries?: ByArchitecture<string | null>;
}
