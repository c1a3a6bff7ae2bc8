import path from "node:path";
import { SlimError } from "../base/error.ts";
import { statOrUndefined } from "../base/files.ts";
import { formatReference, parseReference } from "../image/reference.ts";
import { archiveStore } from "./archive.ts";
import { type EngineName, engineStore } from "./engine.ts";
import { folderStore } from "./folder.ts";
import { RegistryClient, type RegistryOptions } from "./registry/index.ts";
import type { Store } from "./types.ts";

/** A store, and the name inside it that was asked for. */
export interface Source {
  readonly store: Store;
  readonly ref?: string;
}

/** A store, and the names to write to it under. */
export interface Destination {
  readonly store: Store;
  readonly refs: readonly string[];
}

/**
 * Finds the store that a source means: `oci:DIR[:NAME]`, `archive:FILE[:NAME]`, the path of either,
 * `docker:REF`, `podman:REF`, or a reference to a registry.
 * @throws SlimError `NOT_FOUND` when there is nothing at the path, `CONFIG` for a reference that is none
 */
export async function openStore(source: string, cwd: string, options: RegistryOptions = {}): Promise<Source> {
  checkNamed(source);
  const engine = engineOf(source);
  if (engine !== undefined) return { store: engineStore(engine.name), ref: engine.ref };
  const [, scheme, rest = source] = schemed.exec(source) ?? [];
  const { place, ref } = await split(path.resolve(cwd, rest));
  const found = await statOrUndefined(place);
  if (found === undefined) {
    if (scheme === undefined && !looksLikePath(source)) {
      return { store: new RegistryClient(options), ref: formatReference(parseReference(source)) };
    }
    throw new SlimError("NOT_FOUND", "no such image", {
      where: source,
      hint: "give an archive, an OCI layout folder or a reference such as ghcr.io/owner/name:tag",
    });
  }
  // Opening a pipe waits for somebody who writes to it.
  if (!found.isDirectory() && !found.isFile()) {
    throw new SlimError("CONFIG", "is neither a file nor a folder", { where: place });
  }
  const isFolder = scheme === undefined ? found.isDirectory() : scheme === "oci";
  return { store: isFolder ? folderStore(place) : archiveStore(place), ...(ref === undefined ? {} : { ref }) };
}

/**
 * Finds the store that a destination means, as for a source; what does not exist yet is a reference
 * unless it has a scheme or looks like a path.
 * @throws SlimError `CONFIG`
 */
export function openDestination(destination: string, cwd: string, options: RegistryOptions = {}): Destination {
  checkNamed(destination);
  const engine = engineOf(destination);
  if (engine !== undefined) {
    return { store: engineStore(engine.name), refs: [formatReference(parseReference(engine.ref))] };
  }
  if (destination.endsWith("/") && schemed.exec(destination) === null) {
    throw new SlimError("CONFIG", "is a folder", { where: destination, hint: `for an OCI layout: oci:${destination}` });
  }
  const [, scheme, rest = destination] = schemed.exec(destination) ?? [];
  if (scheme === undefined && !looksLikePath(destination)) {
    return { store: new RegistryClient(options), refs: [formatReference(parseReference(destination))] };
  }
  const colon = rest.indexOf(":");
  const place = path.resolve(cwd, colon > 0 ? rest.slice(0, colon) : rest);
  const refs = colon > 0 ? [rest.slice(colon + 1)] : [];
  return { store: scheme === "oci" ? folderStore(place) : archiveStore(place), refs };
}

/** What is called otherwise there; here it would be the name of a repository. */
const skopeos = new Map([
  ["oci-archive", "archive"],
  ["docker-archive", "archive"],
  ["docker-daemon", "docker"],
  ["containers-storage", "podman"],
]);

function checkNamed(text: string): void {
  if (text === "") throw new SlimError("CONFIG", "no image is named");
  if (/^(?:oci|archive|docker|podman):$/.test(text)) {
    throw new SlimError("CONFIG", "names nothing after the colon", { where: text });
  }
  const [, theirs = "", rest] = /^([a-z-]+):(.+)$/.exec(text) ?? [];
  const ours = skopeos.get(theirs);
  if (ours !== undefined)
    throw new SlimError("CONFIG", "is skopeo's word", { where: text, hint: `slim's is ${ours}:${rest}` });
}

const schemed = /^(oci|archive):(.+)$/;

/** `docker:REF`; a URL, as skopeo has it, is not meant by it. */
function engineOf(text: string): { readonly name: EngineName; readonly ref: string } | undefined {
  const [, name, ref] = /^(docker|podman):(?!\/\/)(.+)$/.exec(text) ?? [];
  return name === undefined || ref === undefined ? undefined : { name: name as EngineName, ref };
}

/** What no registry could be called, or what everybody calls a file. */
function looksLikePath(text: string): boolean {
  return /^[./~]/.test(text) || /\.(?:tar|oci|tgz|gz)$/.test(text);
}

/** A name may follow a path after a colon, where the path with the colon does not itself exist. */
async function split(whole: string): Promise<{ place: string; ref?: string }> {
  if (await statOrUndefined(whole)) return { place: whole };
  for (let at = whole.indexOf(":"); at > 0; at = whole.indexOf(":", at + 1)) {
    if (await statOrUndefined(whole.slice(0, at))) return { place: whole.slice(0, at), ref: whole.slice(at + 1) };
  }
  return { place: whole };
}
