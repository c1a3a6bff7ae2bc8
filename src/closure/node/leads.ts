import path from "node:path";
import type { Lead } from "./pack.ts";
import { splitSpecifier } from "./packages.ts";
import type { Trace } from "./trace.ts";

/** What a bundle knows of resolution. */
interface Leads {
  readonly leads: readonly Lead[];
  /** Of paths that are no module's own. */
  readonly aliases: ReadonlyMap<string, string>;
}

/**
 * Where each name that the code loads by leads in the bundle, and from which other paths modules are reached.
 * @param root the folder that lies at `/app`
 * @param placed the path of a file in the image, below that
 */
export function leadsOf(trace: Trace, root: string, placed: (file: string) => string): Leads {
  const { modules, carried, packages, resolver } = trace;
  const leads = carried.map(
    ({ specifier, style, target, base = "" }): Lead => ({
      style,
      specifier,
      base: relativeTo(root, base),
      path: placed(target),
    }),
  );
  // Names without a node_modules folder: of the package itself, its `imports`, or a tsconfig's aliases.
  const scopeOf = (file: string, specifier: string) => {
    const own = packages.of(file);
    const inside = specifier.startsWith("#") || splitSpecifier(specifier)?.name === own?.json.name;
    return inside && own !== undefined ? own.folder : root;
  };
  const aliases = new Map<string, string>();
  const known = new Set([...modules.keys()].map(placed));
  const named = new Map<string, { readonly base: string; readonly name: string }>();
  for (const { file, edges } of modules.values()) {
    for (const { specifier, style, target, base } of edges) {
      const to = placed(target);
      if (!known.has(to)) continue;
      if (/^\.{0,2}\/|^\.\.?$/.test(specifier)) {
        const place = relativeTo(root, path.resolve(path.dirname(file), specifier));
        const folder = /(?:^|\/)(?:\.\.?)?$/.test(specifier);
        if (!folder && (place === to || (style === "require" && leadsByName(place, to, known)))) continue;
        aliases.set(folder ? `${place}/` : place, to);
      } else if (!specifier.startsWith("file:")) {
        leads.push({ style, specifier, base: relativeTo(root, base ?? scopeOf(file, specifier)), path: to });
        const name = splitSpecifier(specifier)?.name;
        if (base !== undefined && name !== undefined) named.set(`${base}\n${name}`, { base, name });
      }
    }
  }
  // A package by its bare name, which code may compute, where anything of it is there.
  for (const { base, name } of named.values()) {
    for (const style of ["require", "import"] as const) {
      const found = resolver.resolve(name, path.join(base, "package.json"), style);
      if (found.type === "file" && modules.has(found.file))
        leads.push({ style, specifier: name, base: relativeTo(root, base), path: placed(found.file) });
    }
  }
  return { leads, aliases };
}

export function relativeTo(root: string, file: string): string {
  return path.relative(root, file).split(path.sep).join("/");
}

/** Whether the bootstrap gets from one path to the other by trying extensions, as `require` does. */
function leadsByName(place: string, to: string, known: ReadonlySet<string>): boolean {
  for (const extension of ["", ".js", ".json", ".node"])
    if (known.has(place + extension)) return place + extension === to;
  for (const extension of [".js", ".json", ".node"])
    if (known.has(`${place}/index${extension}`)) return `${place}/index${extension}` === to;
  return false;
}
