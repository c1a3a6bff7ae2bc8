import type { ExecutionContext } from "ava";
import { type ErrorCode, SlimError } from "../../src/base/error.ts";

/** Runs what must fail with this code, and gives its one line back for a look at the words. */
export async function failsWith(t: ExecutionContext, code: ErrorCode, run: () => Promise<unknown>): Promise<string> {
  const error = await t.throwsAsync(run, { instanceOf: SlimError });
  t.is((error as SlimError | undefined)?.code, code, (error as SlimError | undefined)?.toLine());
  return (error as SlimError).toLine();
}
