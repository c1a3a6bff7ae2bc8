import type { Context } from "../../base/context.ts";
import type { Diagnostic } from "../../base/diagnostic.ts";
import type { NodeProject } from "./project.ts";
import { type NodeSources, trace } from "./trace.ts";
import { TRACE_NAME } from "./traced.ts";

/** What a closure has, by real places on this machine. */
export interface Known {
  /** Whether a file can be loaded from its place, or read there with the bytes it has. */
  readonly has: (file: string, how: "load" | "read") => boolean;
  /** Whether a file's code is in it. */
  readonly hasCode: (file: string) => boolean;
  /** What is said of files that a run has shown. */
  readonly diagnostics: readonly Diagnostic[];
}

/**
 * What the closure of a project has, without packing it.
 * @throws SlimError as `nodeClosure`
 */
export async function knownFiles(context: Context, project: NodeProject, sources: NodeSources): Promise<Known> {
  const { uses, modules, diagnostics } = await trace(context, project, sources);
  return {
    has: (file, how) => {
      const use = uses.get(file);
      return use !== undefined && (how === "load" || use.raw || modules.get(file)?.code === undefined);
    },
    hasCode: (file) => modules.get(file)?.code !== undefined,
    diagnostics: diagnostics.filter((diagnostic) => diagnostic.file === TRACE_NAME),
  };
}
