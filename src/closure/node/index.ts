import type { Context } from "../../base/context.ts";
import type { Diagnostic } from "../../base/diagnostic.ts";
import { Assembly, typed } from "./assembly.ts";
import type { NodeClosure, NodeProject } from "./project.ts";
import { type NodeSources, type Trace, trace } from "./trace.ts";

export type { NodeClosure, NodeProject } from "./project.ts";

/**
 * Every file that the app needs to run, with the reasons: its JavaScript as one bundle in which each module keeps
 * its place, and beside it what has to be a file.
 * @throws SlimError `CLOSURE` for an import that cannot be found, `SYNTAX` for code that does not parse,
 *   `CREDENTIAL` for a file that looks like a secret and is used by the code, `NOT_FOUND` for a missing entry
 * @param sources where packages for the target come from that are not installed here, and what was read before
 */
export async function nodeClosure(
  context: Context,
  project: NodeProject,
  sources: NodeSources = {},
): Promise<NodeClosure> {
  const traced = await trace(context, project, sources);
  const down = project.mode === "bundle" ? stepDown(traced) : undefined;
  const assembly = new Assembly(project, traced);
  if (project.mode === "bundle" && down === undefined) await assembly.bundle();
  else await assembly.files();
  return assembly.closure(down === undefined ? [] : [down]);
}

/** Why this app cannot be a bundle, where it cannot. */
function stepDown({ modules, packages, registersHooks, uses, entry }: Trace): Diagnostic | undefined {
  const says = (message: string): Diagnostic => ({
    code: "files-mode",
    severity: "info",
    message: `${message}: the files are shipped`,
    hint: "nothing to do; --mode files says the same",
  });
  if (registersHooks && [...modules.values()].some((module) => module.kind === "module" && packages.isOwn(module.file)))
    return says("the app registers hooks for ES modules, which see only files");
  // Its place is taken by what starts the bundle.
  if (uses.get(entry)?.raw && !typed(entry)) return says("the app reads its own entry");
  return undefined;
}
