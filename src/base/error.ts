/** What went wrong, for programs. The text of an error may change, its code does not. */
export type ErrorCode =
  | "ABORTED" // the caller's AbortSignal fired
  | "ARCHIVE_UNSAFE" // a path or size in an archive that leaves its bounds
  | "AUTH" // a registry refused the credentials
  | "CACHE_DAMAGED" // a cached file no longer has its digest
  | "CONFIG" // an option or a configuration file is wrong
  | "CREDENTIAL" // a file that looks like a secret would enter the image
  | "CLOSURE" // the closure is not complete: an import, a library, an interpreter
  | "DEBIAN" // Debian's index or a package is not what it should be
  | "ENGINE" // a container engine is not there, or refused
  | "ELF" // not an ELF file, a damaged one, or one that cannot be placed
  | "INTEGRITY" // bytes do not have the digest or signature that was promised
  | "INVALID" // an image breaks a rule of its format
  | "IO" // the file system refused
  | "LOCK" // slim.lock is damaged, or would have to change although frozen
  | "NETWORK" // a host did not answer
  | "NOT_FOUND" // a path, reference or package that does not exist
  | "PLATFORM" // a platform that is unknown or not available
  | "REGISTRY" // a registry answered with an error
  | "STRICT" // a warning, where warnings fail the build
  | "SYNTAX"; // source code that does not parse

/** Where an error is and what to do about it. */
export interface ErrorDetail {
  /** A path, `path:line:column`, URL without credentials, or reference. */
  readonly where?: string | undefined;
  /** What the user can do. */
  readonly hint?: string | undefined;
  readonly cause?: unknown;
}

/**
 * The one error of slim. `message` says what is wrong; `where` and `hint` are kept apart so that
 * the command line can print one line and a program can use the parts.
 */
export class SlimError extends Error {
  readonly code: ErrorCode;
  readonly where: string | undefined;
  readonly hint: string | undefined;

  constructor(code: ErrorCode, message: string, detail: ErrorDetail = {}) {
    super(message, detail.cause === undefined ? undefined : { cause: detail.cause });
    this.name = "SlimError";
    this.code = code;
    this.where = detail.where;
    this.hint = detail.hint;
  }

  /** `where: what (hint)`, always a single line. */
  toLine(): string {
    const where = this.where === undefined ? "" : `${this.where}: `;
    const hint = this.hint === undefined ? "" : ` (${this.hint})`;
    return `${where}${this.message}${hint}`.replace(/\s*\n\s*/g, " ");
  }
}

/** The `code` of a Node.js system error (`ENOENT`, ...), or undefined. */
export function systemCode(error: unknown): string | undefined {
  if (error instanceof Error && "code" in error && typeof error.code === "string") return error.code;
  return undefined;
}

/** What a system error means, in words: the part of its message that a person can use. */
const meanings: Readonly<Record<string, string>> = {
  EACCES: "permission denied",
  EPERM: "operation not permitted",
  EROFS: "read-only file system",
  ENOENT: "no such file or directory",
  ENOTDIR: "a part of the path is not a folder",
  EISDIR: "is a folder",
  ENOSPC: "no space left on the device",
  EDQUOT: "disk quota exceeded",
  EFBIG: "file too large",
  EMFILE: "too many open files",
  ELOOP: "too many symbolic links",
  EEXIST: "already exists",
  ENOTEMPTY: "folder is not empty",
  ENAMETOOLONG: "the name is too long",
};

/** Turns what the file system threw into a SlimError that names the path; passes SlimErrors on. */
export function ioError(error: unknown, where: string, doing: string): SlimError {
  if (error instanceof SlimError) return error;
  const code = systemCode(error);
  const meaning = (code && meanings[code]) ?? (error instanceof Error ? error.message : String(error));
  return new SlimError("IO", `cannot ${doing}: ${meaning}`, {
    where,
    cause: error,
    ...(code === "ENOSPC" || code === "EDQUOT" ? { hint: "free some space and run again" } : {}),
  });
}
