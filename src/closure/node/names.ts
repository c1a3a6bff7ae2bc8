import { initSync, parse } from "cjs-module-lexer";
import { compareStrings } from "../../base/files.ts";
import type { Module } from "./module.ts";
import type { Trace } from "./trace.ts";

let ready = false;

/** The names that an import of a CommonJS module can use, as Node.js finds them: by reading, not by running. */
export function namesOf(trace: Trace, module: Module): readonly string[] {
  if (!ready) {
    initSync();
    ready = true;
  }
  const names = new Set<string>();
  collect(trace, module, names, new Set());
  return [...names].filter((name) => name !== "default" && name !== "module.exports").sort(compareStrings);
}

function collect(trace: Trace, module: Module, names: Set<string>, seen: Set<string>): void {
  if (seen.has(module.file) || module.code === undefined) return;
  seen.add(module.file);
  let found: ReturnType<typeof parse>;
  try {
    found = parse(module.code.text);
  } catch {
    return; // Node.js takes it as a module without names
  }
  for (const name of found.exports) names.add(name);
  for (const specifier of found.reexports) {
    const resolution = trace.resolver.resolve(specifier, module.file, "require");
    const target = resolution.type === "file" ? trace.modules.get(resolution.file) : undefined;
    if (target !== undefined) collect(trace, target, names, seen);
  }
}
