import type { Diagnostic } from "../../base/diagnostic.ts";
import type { Reason } from "../types.ts";

/** Says something; the same is said once. */
export type Say = (diagnostic: Diagnostic) => void;

/** Where the code is that a reason speaks of. */
export function placeOf({ file, line }: Reason): Pick<Diagnostic, "file" | "line"> {
  return { ...(file === undefined ? {} : { file }), ...(line === undefined ? {} : { line }) };
}
