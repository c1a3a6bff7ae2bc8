import type { Context } from "../../base/context.ts";
import { SlimError } from "../../base/error.ts";
import type { Platform } from "../../image/platform.ts";
import {
  formatReference,
  parseReference,
  parseRepository,
  type Reference,
  tagOrDigest,
} from "../../image/reference.ts";
import type { Artifact, Descriptor } from "../../image/types.ts";
import type { Output, Store } from "../types.ts";
import type { RegistryOptions } from "./options.ts";
import { artifactOf, notFound, pullTree } from "./pull.ts";
import { pushTree } from "./push.ts";
import { Repository } from "./repository.ts";
import { Session } from "./session.ts";
import { type Tree, treeOf } from "./tree.ts";

export type RegistryOutput = Extract<Output, { type: "registry" }>;

export interface PushOptions {
  /** Repositories that may have the same blobs (`ghcr.io/owner/base`): those of the same registry are mounted from. */
  readonly mountFrom?: readonly string[];
}

const PARALLEL = 4;

/** All registries as one store. Keeps connections and tokens, so one client should serve a whole program. */
export class RegistryClient implements Store {
  readonly #options: RegistryOptions;
  readonly #sessions = new Map<string, Session>();

  constructor(options: RegistryOptions = {}) {
    this.#options = options;
  }

  /**
   * What a reference stands for now, without reading it.
   * @throws SlimError `NOT_FOUND`, `AUTH`, `REGISTRY`, `NETWORK`
   */
  async resolve(context: Context, ref: string): Promise<Descriptor> {
    const reference = parseReference(ref);
    const repository = this.repository(context, reference, "pull");
    const name = tagOrDigest(reference);
    const found = await repository.headManifest(name);
    if (found === undefined) throw notFound(repository, name);
    const { digest, size, mediaType } = found;
    if (digest !== undefined && size !== undefined && mediaType !== undefined) return { mediaType, digest, size };
    return (await pullTree(repository, name)).descriptor;
  }

  /**
   * Reads manifests and configs at once; layers are fetched when they are opened. With a platform, the
   * one image for it.
   * @throws SlimError `NOT_FOUND`, `PLATFORM`, `INVALID`, `INTEGRITY`, `AUTH`, `REGISTRY`, `NETWORK`
   */
  async read(context: Context, ref?: string, platform?: Platform): Promise<Artifact> {
    if (ref === undefined) throw new SlimError("CONFIG", "a registry is read by reference");
    const reference = parseReference(ref);
    const repository = this.repository(context, reference, "pull");
    return artifactOf(repository, await pullTree(repository, tagOrDigest(reference), platform));
  }

  /**
   * Pushes to one repository, under one or more tags.
   * @throws as push, and SlimError `CONFIG` when the references name several repositories
   */
  async write(context: Context, artifact: Artifact, refs: readonly string[]): Promise<Output> {
    const [output, ...others] = await this.push(context, artifact, refs);
    if (output === undefined || others.length > 0) {
      throw new SlimError("CONFIG", "one repository is written to at a time", { where: refs.join(" ") });
    }
    return output;
  }

  /**
   * Pushes to every repository that the references name, one after another, each with all its tags.
   * Only what a registry lacks is sent.
   * @throws SlimError `CONFIG`, `AUTH`, `REGISTRY`, `NETWORK`, `INTEGRITY`, or what opening a blob throws
   */
  async push(
    context: Context,
    artifact: Artifact,
    refs: readonly string[],
    options: PushOptions = {},
  ): Promise<readonly RegistryOutput[]> {
    return this.pushTree(context, treeOf(artifact), refs, options);
  }

  protected async pushTree(
    context: Context,
    tree: Tree,
    refs: readonly string[],
    options: PushOptions,
  ): Promise<readonly RegistryOutput[]> {
    const outputs: RegistryOutput[] = [];
    for (const [first, ...more] of byRepository(refs)) {
      const tags = tagsOf([first, ...more], tree);
      const repository = this.repository(context, first, "push");
      const { answers: _, ...counts } = await pushTree(repository, tree, tags, {
        mountFrom: mountable(options.mountFrom ?? [], first),
        parallel: this.#options.parallel ?? PARALLEL,
      });
      outputs.push({ type: "registry", ref: formatReference(first), digest: tree.descriptor.digest, ...counts });
    }
    return outputs;
  }

  /** @internal */
  repository(
    context: Context,
    { host, repository }: Pick<Reference, "host" | "repository">,
    use: "pull" | "push",
  ): Repository {
    const session = this.#sessions.get(host) ?? new Session(host, this.#options);
    this.#sessions.set(host, session);
    return new Repository(context, session, repository, use);
  }
}

type Group = [Reference, ...Reference[]];

/** References grouped by where they lead, in the order they were given. */
function byRepository(refs: readonly string[]): readonly Group[] {
  const groups = new Map<string, Group>();
  for (const reference of refs.map(parseReference)) {
    const key = `${reference.host}/${reference.repository}`;
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [reference]);
    else group.push(reference);
  }
  return [...groups.values()];
}

/** The tags to set: `latest` for a bare name, none for a digest, which must be the right one. */
function tagsOf(references: readonly Reference[], { descriptor }: Tree): readonly string[] {
  return references.flatMap((reference) => {
    if (reference.digest !== undefined && reference.digest !== descriptor.digest) {
      throw new SlimError("CONFIG", `what is pushed has the digest ${descriptor.digest}`, {
        where: formatReference(reference),
      });
    }
    if (reference.digest !== undefined) return reference.tag === undefined ? [] : [reference.tag];
    return [tagOrDigest(reference)];
  });
}

function mountable(names: readonly string[], { host, repository }: Reference): readonly string[] {
  const known = names.map((name) => parseRepository(name)).filter((one) => one.host === host);
  return [...new Set(known.map((one) => one.repository))].filter((name) => name !== repository);
}
