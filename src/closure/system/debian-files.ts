import path from "node:path";
import { SlimError } from "../../base/error.ts";
import { compareStrings } from "../../base/files.ts";
import { bytesContent, type Content, type Entry } from "../../layer/entry.ts";
import type { Debian } from "../../sources/debian/debian.ts";
import { isLibraryPath } from "../../sources/debian/library.ts";
import type { DebianPackage, PackageFile } from "../../sources/debian/package.ts";
import { withReason } from "../compose.ts";
import type { ClosureEntry, ClosurePart, Component, Reason } from "../types.ts";

/** Dependencies that only installing needs. */
export const forInstalling = new Set([
  "adduser",
  "cdebconf",
  "debconf",
  "debconf-2.0",
  "dpkg",
  "init-system-helpers",
  "install-info",
  "sysvinit-utils",
  "ucf",
]);

/** The CA bundle, where OpenSSL, Go and most others look first. */
export const certificatesPath = "/etc/ssl/certs/ca-certificates.crt";

/**
 * Files taken out of Debian packages one by one, and what scanners need to know about them: for each
 * package that gave a file its `status.d` entry, the checksums of the files kept, and its copyright.
 */
export class DebianFiles {
  readonly #debian: Debian;
  readonly #architecture: string;
  readonly #entries = new Map<string, ClosureEntry>();
  readonly #packages = new Map<string, DebianPackage>();
  readonly #counts = new Map<string, number>();
  /** By path: how much its package is in the right to have it. */
  readonly #ranks = new Map<string, number>();
  readonly #checksums = new Map<string, Map<string, string>>();

  constructor(debian: Debian, architecture: string) {
    this.#debian = debian;
    this.#architecture = architecture;
  }

  /**
   * Takes a file of a package by its path, with the symbolic links on the way to it inside the package.
   * @returns the path of the file itself, or undefined when the package does not have it
   */
  async take(name: string, wanted: string, reason: Reason): Promise<{ path: string; content: Content } | undefined> {
    const found = await this.#debian.package(this.#architecture, name);
    let reasons = [reason];
    for (let at = wanted, hops = 0; hops < 16; hops += 1) {
      const file = found.files.find(({ path }) => path === at);
      if (file === undefined || file.type === "directory") return undefined;
      this.#add(found, file, reasons);
      if (file.type === "file") return { path: file.path, content: file.content };
      reasons = [{ kind: "link", from: file.path }];
      at = path.posix.resolve(path.posix.dirname(file.path), file.target);
    }
    throw new SlimError("DEBIAN", "has a loop of symbolic links", { where: `${name}: ${wanted}` });
  }

  /** Takes the files of a package that `wanted` says, and the empty folders among them. */
  async takePackage(name: string, isWanted: (path: string) => boolean): Promise<void> {
    const found = await this.#debian.package(this.#architecture, name);
    this.#keep(found);
    const parents = new Set(found.files.map((file) => path.posix.dirname(file.path)));
    for (const file of found.files) {
      // Folders that hold something are made for what they hold.
      if (!isWanted(file.path) || (file.type === "directory" && parents.has(file.path))) continue;
      this.#add(found, file, [{ kind: "include", what: `package ${name}` }]);
    }
  }

  /** Adds what a package's own scripts would make. */
  async takeMade(name: string, file: PackageFile, reason: Reason = { kind: "include", what: `package ${name}` }) {
    this.#add(await this.#debian.package(this.#architecture, name), file, [reason]);
  }

  /** What a package depends on, of alternatives the one that gave a file. */
  dependenciesOf(name: string): Promise<readonly DebianPackage[]> {
    return this.#debian.dependencies(this.#architecture, name, {
      isWanted: (one) => !forInstalling.has(one),
      isPreferred: (one) => this.has(one),
    });
  }

  package(name: string): Promise<DebianPackage> {
    return this.#debian.package(this.#architecture, name);
  }

  /** Whether a path is that of a library which every program finds. */
  isLibraryPath(place: string): boolean {
    return isLibraryPath(place, this.#architecture);
  }

  /** Whether a package has such a library. */
  isLibrary({ files }: DebianPackage): boolean {
    return files.some((file) => file.type !== "directory" && this.isLibraryPath(file.path));
  }

  /** How many files a package gave. */
  count(name: string): number {
    return this.#counts.get(name) ?? 0;
  }

  /** Whether a package gave a file. */
  has(name: string): boolean {
    return this.#packages.has(name);
  }

  /** Whether a file or link was taken. */
  hasFile(place: string): boolean {
    return this.#entries.has(place);
  }

  /** Those that gave a file, in the order they did. */
  get packages(): readonly DebianPackage[] {
    return [...this.#packages.values()];
  }

  /** The roots that Mozilla trusts, in the one file that Debian's `update-ca-certificates` would make of them. */
  async takeCertificates(): Promise<void> {
    const found = await this.#debian.package(this.#architecture, "ca-certificates");
    const parts: Buffer[] = [];
    const files = found.files.filter(isCertificate).sort((a, b) => compareStrings(a.path, b.path));
    for (const file of files) {
      for await (const chunk of file.content.open()) parts.push(Buffer.from(chunk));
      if (parts.at(-1)?.at(-1) !== 0x0a) parts.push(Buffer.from("\n"));
    }
    this.#keep(found);
    this.#set({
      entry: { ...plainFile, path: certificatesPath, content: bytesContent(Buffer.concat(parts)) },
      layer: "os",
      purl: found.purl,
      reasons: [{ kind: "preset", what: "certificates" }],
    });
  }

  async #takeOsRelease(): Promise<void> {
    await this.take("base-files", "/usr/lib/os-release", { kind: "metadata", what: "os-release" });
    const link = { type: "symlink", mode: 0o777, path: "/etc/os-release", target: "../usr/lib/os-release" } as const;
    await this.takeMade("base-files", link, { kind: "link", from: "/usr/lib/os-release" });
  }

  /**
   * Everything taken, and what describes it. Nothing at all when no package gave a file.
   * @param isDebian whether the system of the image is Debian, as `os-release` then says
   * @param isInBase whether the base has a file already, where there is a base; it may describe packages, too
   */
  async part(isDebian: boolean, isInBase?: (entry: Entry) => boolean): Promise<ClosurePart> {
    if (this.#packages.size === 0) return { entries: [], components: [], diagnostics: [] };
    if (isDebian) await this.#takeOsRelease();
    // A copyright may stand in another package, which then is described as well.
    const described = new Set<string>();
    for (let next = this.#undescribed(described); next !== undefined; next = this.#undescribed(described)) {
      described.add(next.name);
      await this.#takeCopyright(next);
    }
    for (const found of this.#packages.values()) this.#describe(found, isInBase);
    return {
      entries: [...this.#entries.values()],
      components: this.packages.map(component),
      diagnostics: [],
    };
  }

  #undescribed(described: ReadonlySet<string>): DebianPackage | undefined {
    return this.packages.find(({ name }) => !described.has(name));
  }

  /** Debian lets a package share the documentation folder of another one of the same source by a link. */
  async #takeCopyright(found: DebianPackage): Promise<void> {
    const folder = `/usr/share/doc/${found.name}`;
    const reason: Reason = { kind: "metadata", what: "copyright" };
    if (await this.take(found.name, `${folder}/copyright`, reason)) return;
    const link = found.files.find((file) => file.path === folder);
    if (link?.type !== "symlink") return;
    const owner = path.posix.basename(link.target);
    this.#add(found, link, [reason]);
    await this.take(owner, `/usr/share/doc/${owner}/copyright`, { kind: "link", from: folder });
  }

  #describe(found: DebianPackage, isInBase?: (entry: Entry) => boolean): void {
    const isKept = (path: string) => isInBase?.((this.#entries.get(path) as ClosureEntry).entry) !== true;
    const sums = [...(this.#checksums.get(found.name) ?? [])]
      .filter(([path]) => isKept(path))
      .sort(([a], [b]) => compareStrings(a, b));
    const describing = (path: string, text: string): void =>
      this.#set({
        entry: { ...plainFile, path, content: bytesContent(text) },
        layer: "os",
        purl: found.purl,
        reasons: [{ kind: "metadata", what: "package database" }],
      });
    // What the base says of its files stays, whatever it is; scanners read every file there.
    const name = isInBase !== undefined ? `${found.name}_${found.version}` : found.name;
    describing(`/var/lib/dpkg/status.d/${name}`, `${found.control.trimEnd()}\n`);
    const lines = sums.map(([file, md5]) => `${md5}  ${file.slice(1)}\n`);
    describing(`/var/lib/dpkg/status.d/${name}.md5sums`, lines.join(""));
  }

  #add(found: DebianPackage, file: PackageFile, reasons: readonly Reason[]): void {
    this.#keep(found);
    const common = { path: file.path, uid: 0, gid: 0 };
    const about = { layer: "os", purl: found.purl, reasons } as const;
    const before = this.#ranks.get(file.path) ?? -Infinity;
    const rank = file.rank ?? Infinity;
    if (rank < before) return;
    this.#ranks.set(file.path, rank);
    if (!this.#entries.has(file.path)) this.#counts.set(found.name, this.count(found.name) + 1);
    if (file.type === "symlink") {
      this.#set({ entry: { ...common, type: "symlink", target: file.target }, ...about });
    } else if (file.type === "directory") {
      this.#set({ entry: { ...common, type: "directory", mode: 0o755 }, ...about });
    } else {
      this.#checksums.get(found.name)?.set(file.path, file.md5);
      // No image of slim has setuid programs.
      const mode = file.mode & 0o777;
      const entry = { ...common, type: "file", mode, content: file.content, ...sharing(file, mode) } as const;
      this.#set({ entry, ...about });
    }
  }

  #keep(found: DebianPackage): void {
    this.#packages.set(found.name, found);
    if (!this.#checksums.has(found.name)) this.#checksums.set(found.name, new Map());
  }

  #set(entry: ClosureEntry): void {
    const before = this.#entries.get(entry.entry.path);
    this.#entries.set(entry.entry.path, entry.reasons.reduce(withReason, { ...entry, reasons: before?.reasons ?? [] }));
  }
}

/**
 * Files with the same bytes are one, as Debian's own hard links are: git alone has three programs twice.
 * What scanners read stays a file of its own.
 */
function sharing({ path: place, content }: PackageFile & { type: "file" }, mode: number): { inode?: string } {
  if (content.size === 0 || place.startsWith("/usr/share/doc/")) return {};
  return { inode: `${content.digest} ${mode}` };
}

const plainFile = { type: "file", mode: 0o644, uid: 0, gid: 0 } as const;

function isCertificate(file: PackageFile): file is PackageFile & { type: "file" } {
  return (
    file.type === "file" && file.path.startsWith("/usr/share/ca-certificates/mozilla/") && file.path.endsWith(".crt")
  );
}

function component({ purl, name, version }: DebianPackage): Component {
  return { purl, name, version };
}
