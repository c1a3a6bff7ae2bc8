import { readFile } from "node:fs/promises";
import { ioError, SlimError, systemCode } from "../base/error.ts";
import { writeAtomically } from "../base/files.ts";
import type { DebianLock } from "./debian/lock.ts";
import type { NodeLock } from "./node.ts";

export const LOCK_NAME = "slim.lock";

/** `slim.lock`: what a build takes from outside, exact, sorted and without the name of any host. */
export interface Lock {
  readonly lockVersion: 1;
  readonly node?: NodeLock;
  readonly debian?: DebianLock;
}

/**
 * Reads a lock, or gives undefined when there is none.
 * @throws SlimError `LOCK` when it is damaged or newer than this slim
 */
export async function readLock(file: string): Promise<Lock | undefined> {
  let text: string;
  try {
    text = await readFile(file, "utf8");
  } catch (error) {
    if (systemCode(error) === "ENOENT") return undefined;
    throw ioError(error, file, "read");
  }
  let lock: Partial<Lock> | null;
  try {
    lock = JSON.parse(text) as Partial<Lock> | null;
  } catch (cause) {
    throw new SlimError("LOCK", "is not JSON", { where: file, cause, hint: "restore it, or delete it to lock anew" });
  }
  if (lock?.lockVersion !== 1) {
    throw new SlimError("LOCK", `has lockVersion ${JSON.stringify(lock?.lockVersion)}, not 1`, {
      where: file,
      hint: "update slim, or delete the file to lock anew",
    });
  }
  return lock as Lock;
}

/** Two spaces, one fact a line, keys in the order their makers sorted them: made for review. */
export function formatLock(lock: Lock): string {
  return `${JSON.stringify(lock, null, 2)}\n`;
}

/** Writes the lock when it says something new. */
export async function writeLock(file: string, before: Lock | undefined, after: Lock): Promise<void> {
  if (before !== undefined && formatLock(before) === formatLock(after)) return;
  await writeAtomically(file, (handle) => handle.writeFile(formatLock(after)));
}
