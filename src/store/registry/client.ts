import { type Context, throwIfAborted } from "../../base/context.ts";
import { SlimError } from "../../base/error.ts";
import { digestOf } from "../../image/digest.ts";
import type { Platform } from "../../image/platform.ts";
import {
  formatReference,
  parseHost,
  parseReference,
  parseRepository,
  type Reference,
  tagOrDigest,
} from "../../image/reference.ts";
import {
  type Annotations,
  type Artifact,
  type Blob,
  type Descriptor,
  type Manifest,
  mediaTypes,
} from "../../image/types.ts";
import type { Output, Store } from "../types.ts";
import { eraseLogin, storeLogin } from "./credentials.ts";
import { type Diagnosis, diagnose } from "./doctor.ts";
import type { Login, RegistryOptions } from "./options.ts";
import { artifactOf, notFound, pullTree } from "./pull.ts";
import { pushTree } from "./push.ts";
import { eachReferrer, emptyBytes, emptyDescriptor, listReferrers } from "./referrers.ts";
import { once, Repository } from "./repository.ts";
import { Session } from "./session.ts";
import { digestsOf, type Tree, treeOf } from "./tree.ts";

export type RegistryOutput = Extract<Output, { type: "registry" }>;

export interface PushOptions {
  /** Repositories that may have the same blobs (`ghcr.io/owner/base`): those of the same registry are mounted from. */
  readonly mountFrom?: readonly string[];
}

export interface CopyOptions extends PushOptions {
  /** Only the image for this platform. */
  readonly platform?: Platform;
  /**
   * What refers to it (signatures, attestations) is copied as well, from registry to registry, as far as
   * that works; with true it must, with false it is left.
   */
  readonly referrers?: boolean;
}

/** What is attached to an image. */
export interface Attachment {
  /** For example `application/vnd.cyclonedx+json`. */
  readonly artifactType: string;
  readonly blobs: readonly Blob[];
  readonly annotations?: Annotations;
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
    const name = tagOrDigest(reference);
    return this.#nearest(context, reference, async (repository) => {
      const found = await repository.headManifest(name);
      if (found === undefined) throw notFound(repository, name);
      const { digest, size, mediaType } = found;
      if (digest !== undefined && size !== undefined && mediaType !== undefined) return { mediaType, digest, size };
      return (await pullTree(repository, name)).descriptor;
    });
  }

  /**
   * Reads manifests and configs at once; layers are fetched when they are opened. With a platform, the
   * one image for it.
   * @throws SlimError `NOT_FOUND`, `PLATFORM`, `INVALID`, `INTEGRITY`, `AUTH`, `REGISTRY`, `NETWORK`
   */
  async read(context: Context, ref?: string, platform?: Platform): Promise<Artifact> {
    if (ref === undefined) throw new SlimError("CONFIG", "a registry is read by reference");
    const reference = parseReference(ref);
    return this.#nearest(context, reference, async (repository) =>
      artifactOf(repository, await pullTree(repository, tagOrDigest(reference), platform)),
    );
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
    return this.#pushTree(context, treeOf(artifact), refs, options);
  }

  /**
   * Copies from a registry to registries: manifests as they are, to any depth; blobs of the same
   * registry are mounted.
   * @throws as read and push
   */
  async copyFrom(
    context: Context,
    source: RegistryClient,
    ref: string,
    refs: readonly string[],
    options: CopyOptions = {},
  ): Promise<readonly RegistryOutput[]> {
    const reference = parseReference(ref);
    const { from, tree } = await source.#nearest(context, reference, async (from) => {
      return { from, tree: await pullTree(from, tagOrDigest(reference), options.platform) };
    });
    const outputs = await this.#pushTree(context, tree, refs, options);
    if (options.referrers === false) return outputs;
    try {
      await eachReferrer(from, digestsOf(tree), async (digest) => {
        const referrer = await pullTree(from, digest);
        const places = byRepository(refs).map(([{ host, repository }]) => `${host}/${repository}@${digest}`);
        await this.#pushTree(context, referrer, places, options);
        return digestsOf(referrer);
      });
    } catch (error) {
      throwIfAborted(context.signal);
      if (options.referrers === true || !(error instanceof SlimError)) throw error;
      const message = `not all that refers to the image was copied: ${error.toLine()}`;
      context.report({ type: "warning", message });
    }
    return outputs;
  }

  /**
   * What refers to an image: signatures, attestations, bills of materials.
   * @throws SlimError `NOT_FOUND`, `AUTH`, `REGISTRY`, `NETWORK`
   */
  async referrers(
    context: Context,
    ref: string,
    options: { readonly artifactType?: string } = {},
  ): Promise<readonly Descriptor[]> {
    const reference = parseReference(ref);
    const repository = this.#repository(context, reference, "pull");
    const digest = reference.digest ?? (await this.resolve(context, ref)).digest;
    return listReferrers(repository, digest, options.artifactType);
  }

  /**
   * Pushes an artifact that refers to an image, so that `referrers` finds it on every registry.
   * @throws as push, and SlimError `NOT_FOUND` when the image is not there
   */
  async attach(context: Context, ref: string, attachment: Attachment): Promise<Descriptor> {
    const reference = parseReference(ref);
    const repository = this.#repository(context, reference, "push");
    const { mediaType, digest, size } = await this.resolve(context, ref);
    const tree = artifactTree(attachment, { mediaType, digest, size });
    await pushTree(repository, tree, [], { mountFrom: [], parallel: this.#options.parallel ?? PARALLEL });
    return tree.descriptor;
  }

  /**
   * Checks a login with the registry and stores it where Docker would. Gives back the place, to be
   * shown. A registry that asks nobody who they are cannot check it.
   * @throws SlimError `AUTH` when it is refused; `CONFIG`, `IO`, `NETWORK`, `REGISTRY`
   */
  async login(context: Context, host: string, login: Login): Promise<string> {
    const name = parseHost(host);
    const session = new Session(name, { ...this.#options, credentials: { [name]: login } });
    await session
      .request(context, { method: "GET", to: "/v2/", scopes: [], doing: "log in", accept: [404] })
      .catch((error: unknown) => {
        throw refusedLogin(error);
      });
    const place = await storeLogin(context, this.#options, name, login);
    this.#sessions.delete(name);
    return place;
  }

  /**
   * Forgets a login; gives back the places it was removed from.
   * @throws SlimError `CONFIG`, `IO`, `AUTH` for a helper that fails
   */
  async logout(context: Context, host: string): Promise<readonly string[]> {
    const name = parseHost(host);
    this.#sessions.delete(name);
    return eraseLogin(context, this.#options, name);
  }

  /** What works with a repository, and why not. Leaves nothing behind. */
  async doctor(context: Context, ref: string): Promise<Diagnosis> {
    const reference = parseReference(ref);
    return diagnose(this.#repository(context, reference, "push"), tagOrDigest(reference));
  }

  async #pushTree(
    context: Context,
    tree: Tree,
    refs: readonly string[],
    options: PushOptions,
  ): Promise<readonly RegistryOutput[]> {
    const outputs: RegistryOutput[] = [];
    const { digest } = tree.descriptor;
    try {
      for (const [first, ...more] of byRepository(refs)) {
        const tags = tagsOf([first, ...more], tree);
        const repository = this.#repository(context, first, "push");
        const counts = await pushTree(repository, tree, tags, {
          mountFrom: mountable(options.mountFrom ?? [], first),
          parallel: this.#options.parallel ?? PARALLEL,
        });
        outputs.push({ type: "registry", ref: formatReference(first), tags, digest, ...counts });
      }
    } catch (error) {
      const done = outputs.map(({ ref }) => `${ref} has ${digest}`);
      if (done.length > 0) context.report({ type: "warning", message: `what came before the failure stands: ${done}` });
      throw error;
    }
    return outputs;
  }

  /** Reads from the first mirror that can, else from the registry itself, whose answer is final. */
  async #nearest<T>(context: Context, reference: Reference, read: (repository: Repository) => Promise<T>): Promise<T> {
    for (const mirror of this.#options.mirrors?.[reference.host] ?? []) {
      const place = placeBelow(mirror, reference.repository);
      try {
        return await read(this.#repository(context, place, "pull"));
      } catch (error) {
        throwIfAborted(context.signal);
        if (!(error instanceof SlimError)) throw error;
        context.report({ type: "warning", message: `the mirror ${mirror} is passed over: ${error.toLine()}` });
      }
    }
    try {
      return await read(this.#repository(context, reference, "pull"));
    } catch (error) {
      throw unreached(error, reference);
    }
  }

  #repository(
    context: Context,
    { host, repository }: Pick<Reference, "host" | "repository">,
    use: "pull" | "push",
  ): Repository {
    const session = this.#sessions.get(host) ?? new Session(host, this.#options);
    this.#sessions.set(host, session);
    return new Repository(context, session, repository, use);
  }
}

/** An artifact of the given type and content for a subject. https://github.com/opencontainers/image-spec/blob/v1.1.1/manifest.md#guidelines-for-artifact-usage */
function artifactTree({ artifactType, blobs, annotations }: Attachment, subject: Descriptor): Tree {
  const empty: Blob = { descriptor: emptyDescriptor, open: () => once(emptyBytes) };
  const layers = blobs.length === 0 ? [empty] : blobs;
  const content: Manifest = {
    schemaVersion: 2,
    mediaType: mediaTypes.manifest,
    artifactType,
    config: emptyDescriptor,
    layers: layers.map(({ descriptor }) => descriptor),
    subject,
    ...(annotations === undefined ? {} : { annotations }),
  };
  const bytes = Buffer.from(JSON.stringify(content));
  const descriptor = { mediaType: mediaTypes.manifest, digest: digestOf(bytes), size: bytes.length };
  return { descriptor, bytes, content, blobs: [...layers, empty], children: [] };
}

/** A name that was meant otherwise, for a file say, is shown as what it was taken for. */
function unreached(error: unknown, reference: Reference): unknown {
  if (!(error instanceof SlimError) || error.code !== "NETWORK") return error;
  const { code, message, hint, cause } = error;
  return new SlimError(code, message, { where: `${formatReference(reference)}: ${error.where}`, hint, cause });
}

/** Who has just typed a password is not told to log in. */
function refusedLogin(error: unknown): unknown {
  if (!(error instanceof SlimError) || error.code !== "AUTH") return error;
  const hint = "check the user name and the password; many registries want a token in its place";
  return new SlimError(error.code, error.message, { where: error.where, cause: error.cause, hint });
}

/** A mirror is a host, or a path on one, below which another host's repositories are. */
function placeBelow(mirror: string, repository: string): Pick<Reference, "host" | "repository"> {
  const [, hostname = "", path = ""] = /^(?:https?:\/\/)?([^/]*)\/*(.*?)\/*$/.exec(mirror) ?? [];
  const name = path === "" ? repository : `${path}/${repository}`;
  // Which host stands before it does not matter to a path.
  return { host: parseHost(hostname), repository: parseRepository(`localhost/${name}`, mirror).repository };
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
