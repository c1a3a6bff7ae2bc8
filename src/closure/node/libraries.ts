import path from "node:path";
import { SlimError } from "../../base/error.ts";
import { isGlibc } from "../../sources/debian/library.ts";
import { isWithin } from "../disk.ts";
import type { LibraryFiles } from "../elf/files.ts";
import { hostRoot } from "../elf/host.ts";
import { withFile } from "../elf/reader.ts";
import { resolveLibraries } from "../elf/resolve.ts";
import type { Site } from "./site.ts";
import type { Uses } from "./uses.ts";

/** Libraries of the project: where addons look for them, as the target's loader does. */
export class Libraries {
  readonly #site: Site;
  readonly #uses: Uses;
  readonly #files: LibraryFiles;

  constructor(site: Site, uses: Uses) {
    this.#site = site;
    this.#uses = uses;
    this.#files = projectFiles(site);
  }

  /** Takes what an addon needs of the project; what else it needs is for the ground to bring, or to miss. */
  async bring(addon: string): Promise<void> {
    const { disk } = this.#site;
    for (const { path: place, links, reasons } of await this.#needs(addon)) {
      const [reason] = reasons;
      if (reason === undefined) continue;
      // A link is followed here: in the image the library lies where it is looked for.
      const asked = links.map((link) => link.path).filter((link) => disk.isFile(link));
      const from = this.#site.image(reason.from ?? addon);
      for (const file of asked.length > 0 ? asked : [place]) this.#uses.raw(file, { ...reason, from });
    }
  }

  async #needs(addon: string) {
    try {
      const { objects } = await resolveLibraries({ files: this.#files, program: addon });
      return objects.filter((object) => object.path !== addon);
    } catch (error) {
      // Said when the addon is put on its ground.
      if (error instanceof SlimError && error.code === "ELF") return [];
      throw error;
    }
  }
}

/** Packages that came for the target are seen where they would lie. glibc is never the project's: it is one with its loader. */
function projectFiles(site: Site): LibraryFiles {
  const machine = hostRoot("/");
  return {
    at: async (place) => {
      if (!isWithin(place, site.root) || isGlibc(path.basename(place)) || site.isExcluded(place)) return undefined;
      const found = await machine.at(place);
      if (found !== undefined || !site.disk.isFile(place)) return found;
      return { type: "file", withReader: (use) => withFile(site.disk.source(place), use) };
    },
  };
}
