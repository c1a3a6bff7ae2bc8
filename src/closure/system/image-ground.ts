import path from "node:path";
import type { BaseImage } from "../../sources/base/bases.ts";
import { isGlibc } from "../../sources/debian/library.ts";
import { withReason } from "../compose.ts";
import { findFile, type LibraryFile, type LibraryFiles, overlay } from "../elf/files.ts";
import { configuredFolders } from "../elf/host.ts";
import { parseElf } from "../elf/parse.ts";
import type { LibraryProblem, LoadedObject } from "../elf/resolve.ts";
import { isMuslLoader } from "../elf/search.ts";
import type { ClosureEntry, ClosurePart, Reason } from "../types.ts";
import { withContent } from "./content.ts";
import type { DebianGround } from "./debian-ground.ts";
import type { PackageGround } from "./ground.ts";

/** Where systems keep the certificates they trust in one file, in the order in which Go looks for it. */
const bundles = [
  "/etc/ssl/certs/ca-certificates.crt",
  "/etc/pki/tls/certs/ca-bundle.crt",
  "/etc/ssl/ca-bundle.pem",
  "/etc/pki/tls/cacert.pem",
  "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
  "/etc/ssl/cert.pem",
];

/**
 * An image under the program: what it has is there and not taken; what it lacks comes from Debian as far
 * as it goes with the C library of the image, for there is one in a process and it is the image's.
 */
export class ImageGround implements PackageGround {
  readonly base: BaseImage;
  /** The C library of the image; undefined where it has none. */
  readonly libc: "glibc" | "musl" | undefined;
  readonly configured: readonly string[];
  /** Files of the base that something in the image asks for, by path. */
  readonly used = new Map<string, readonly Reason[]>();
  readonly #libcPath: string;
  readonly #debian: DebianGround | undefined;
  /** Links to what came from Debian, where a folder of the base stands in for a link of Debian's. */
  readonly #links = new Map<string, ClosureEntry>();
  /** What the image itself has. */
  readonly own: LibraryFiles;
  #addsDebian = false;

  private constructor(base: BaseImage, configured: readonly string[], debian: DebianGround | undefined) {
    this.base = base;
    this.configured = configured;
    const { libc, place } = findLibc(base);
    this.libc = libc;
    this.#libcPath = place;
    this.#debian = debian;
    this.own = filesOf(base);
  }

  /** @param debian what brings what the base lacks */
  static async open(base: BaseImage, debian: DebianGround | undefined): Promise<ImageGround> {
    // Without its cache a loader does not look there.
    const configured = base.files.find("/etc/ld.so.cache") === undefined ? [] : await configuredOf(base);
    return new ImageGround(base, configured, debian);
  }

  readonly files: LibraryFiles = {
    at: async (place) => {
      const found = (await this.own.at(place)) ?? this.#linkAt(place);
      return found ?? (this.#addsDebian ? this.#debian?.files.at(place) : undefined);
    },
  };

  has(place: string): boolean {
    return this.base.files.find(place) !== undefined;
  }

  /** The certificates that the image trusts. */
  get certificates(): string | undefined {
    return bundles.find((place) => this.base.files.find(place)?.type === "file");
  }

  /** Whether the system of the image is the Debian that was added to it. */
  get isDebian(): boolean {
    return this.#addsDebian && !this.has("/etc/os-release") && !this.has("/usr/lib/os-release");
  }

  async show(name: string): Promise<LibraryFiles> {
    this.#addsDebian = true;
    return (await this.#debian?.show(name)) ?? { at: async () => undefined };
  }

  async missing(name: string, requester: LoadedObject): Promise<LibraryFiles | undefined> {
    if (this.#debian === undefined || (await this.#isForeign(this.#debian, name))) return undefined;
    const view = await this.#debian.missing(name, requester);
    if (view === undefined) return undefined;
    this.#addsDebian = true;
    const files = overlay([this.files, view]);
    if (!name.startsWith("/") || (await findFile(files, name)) !== undefined) return files;
    // A folder of the base where Debian has a link into /usr.
    const merged = await findFile(files, `/usr${name}`);
    if (merged !== undefined) this.#addLink(name, merged.path, requester);
    return files;
  }

  async take(place: string, reason: Reason): Promise<void> {
    const link = this.#links.get(place);
    if (link !== undefined) this.#links.set(place, withReason(link, reason));
    else if (this.base.files.at(place) === undefined) await this.#debian?.take(place, reason);
    else this.used.set(place, [...(this.used.get(place) ?? []), reason]);
  }

  async hint(problem: LibraryProblem): Promise<string> {
    const { where } = this.base;
    if (problem.kind === "version") return `what ${where} has is too old: take a newer base, or build for this one`;
    if (this.libc === "musl" && isGlibc(path.posix.basename(problem.name))) {
      return `${where} has musl, which runs nothing that was made for glibc: take what was made for musl, or another base`;
    }
    if (this.libc === "musl") return `${where} has musl, for which Debian has no libraries: take a base that has it`;
    if (isMuslLoader(problem.name) || problem.name.startsWith("libc.musl-")) {
      return `${where} does not have musl: take what was made for glibc, or another base`;
    }
    return `neither ${where} nor Debian trixie has it; ship it beside the program, with an rpath of $ORIGIN`;
  }

  part(): ClosurePart {
    return { entries: [...this.#links.values()], components: [], diagnostics: [] };
  }

  /** Whether a library goes with another C library, or is a part of another version of it. */
  async #isForeign(debian: DebianGround, name: string): Promise<boolean> {
    const soname = path.posix.basename(name);
    if (this.libc === "musl") return true;
    if (isMuslLoader(name) || soname.startsWith("libc.musl-")) return this.libc !== undefined;
    if (this.libc === undefined || !isGlibc(soname)) return false;
    const own = await glibcVersion(this.own, this.#libcPath);
    return own === undefined || own !== (await glibcVersion(await debian.show("libc6"), debian.libcPath));
  }

  #linkAt(place: string): LibraryFile | undefined {
    const link = this.#links.get(place)?.entry;
    return link?.type === "symlink" ? { type: "link", target: link.target } : undefined;
  }

  #addLink(place: string, target: string, requester: LoadedObject): void {
    this.#links.set(place, {
      entry: { type: "symlink", path: place, target, uid: 0, gid: 0 },
      layer: "os",
      purl: "pkg:generic/slim-rootfs",
      reasons: [{ kind: "interpreter", from: requester.path, what: place }],
    });
  }
}

function filesOf({ files, content }: BaseImage): LibraryFiles {
  return {
    at: async (place) => {
      const found = files.at(place);
      if (found === undefined) return undefined;
      if (found.type === "link") return { type: "link", target: found.target };
      if (found.type !== "file") return { type: "folder" };
      return { type: "file", withReader: async (use) => withContent(await content(found), use) };
    },
  };
}

/** The newest version that glibc's library has symbols of, which is its own. */
async function glibcVersion(files: LibraryFiles, place: string): Promise<number | undefined> {
  const found = await findFile(files, place);
  const elf = await found?.withReader((reader) => parseElf(reader, place));
  const minors = (elf?.versions ?? []).flatMap((name) => /^GLIBC_2\.(\d+)$/.exec(name)?.[1] ?? []).map(Number);
  return minors.length === 0 ? undefined : Math.max(...minors);
}

/** The C library of an image, or its loader where that is one with it. */
function findLibc({ files }: BaseImage): { libc: ImageGround["libc"]; place: string } {
  const places = files.paths().filter((place) => /^\/(?:usr\/)?lib[^/]*\//.test(place));
  // What passes for glibc on a musl system (gcompat) does not have its library.
  const glibc = places.find((place) => place.endsWith("/libc.so.6") && files.find(place)?.type === "file");
  if (glibc !== undefined) return { libc: "glibc", place: glibc };
  const musl = places.find((place) => isMuslLoader(place));
  return musl === undefined ? { libc: undefined, place: "" } : { libc: "musl", place: musl };
}

function configuredOf({ files, text }: BaseImage): Promise<string[]> {
  return configuredFolders({
    names: async (folder) => files.names(folder),
    text: async (place) => (await text(place)) ?? "",
  });
}
