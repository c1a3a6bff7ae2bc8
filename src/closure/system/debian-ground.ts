import path from "node:path";
import { libraryTriplet } from "../../sources/debian/architecture.ts";
import type { Debian } from "../../sources/debian/debian.ts";
import type { DebianPackage } from "../../sources/debian/package.ts";
import { type LibraryFile, type LibraryFiles, overlay } from "../elf/files.ts";
import type { LibraryProblem, LoadedObject } from "../elf/resolve.ts";
import type { Reason } from "../types.ts";
import { contentFile } from "./content.ts";
import type { DebianFiles } from "./debian-files.ts";
import type { PackageGround } from "./ground.ts";

/** Debian: the package that has a library, then the one that has what that needs. */
export class DebianGround implements PackageGround {
  readonly #debian: Debian;
  readonly #architecture: string;
  readonly #taken: DebianFiles;
  /** By path: the package that has it. */
  readonly #owners = new Map<string, string>();
  readonly #views = new Map<string, LibraryFiles>();
  readonly configured: readonly string[] = [];

  constructor(debian: Debian, architecture: string, taken: DebianFiles) {
    this.#debian = debian;
    this.#architecture = architecture;
    this.#taken = taken;
  }

  /** base-files, which has the links that make `/lib` and `/lib64` parts of `/usr`, and what was shown. */
  readonly files: LibraryFiles = {
    at: async (place) => {
      await this.show("base-files");
      return overlay([...this.#views.values()]).at(place);
    },
  };

  /** Where libc6 has the C library. */
  get libcPath(): string {
    return `/usr/lib/${libraryTriplet(this.#architecture)}/libc.so.6`;
  }

  async show(name: string): Promise<LibraryFiles> {
    const known = this.#views.get(name);
    if (known !== undefined) return known;
    const seen = new Map<string, LibraryFile>();
    for (const file of (await this.#package(name)).files) {
      if (file.type === "directory") continue;
      if (!this.#owners.has(file.path)) this.#owners.set(file.path, name);
      seen.set(file.path, file.type === "symlink" ? { type: "link", target: file.target } : contentFile(file.content));
    }
    const view: LibraryFiles = { at: async (place) => seen.get(place) };
    this.#views.set(name, view);
    return view;
  }

  async missing(name: string, requester: LoadedObject): Promise<LibraryFiles | undefined> {
    const soname = path.posix.basename(name);
    const owner = await this.#debian.libraryPackage(this.#architecture, soname, this.#owners.get(requester.path));
    if (owner === undefined) return undefined;
    return this.show(owner);
  }

  async take(place: string, reason: Reason): Promise<void> {
    await this.show("base-files");
    const owner = this.#owners.get(place);
    if (owner !== undefined) await this.#taken.take(owner, place, reason);
  }

  /** What was taken is there for everybody. */
  has(place: string): boolean {
    return this.#taken.hasFile(place);
  }

  async hint(problem: LibraryProblem): Promise<string> {
    if (problem.kind === "missing")
      return "Debian trixie does not have it; ship it beside the program, with an rpath of $ORIGIN, or take what this machine has with --base host";
    return "what Debian trixie has is too old, or another library; build the program on Debian 13 or older, or ship the library";
  }

  #package(name: string): Promise<DebianPackage> {
    return this.#debian.package(this.#architecture, name);
  }
}
