import path from "node:path";
import { SlimError } from "../../base/error.ts";
import { globExpression } from "../../base/glob.ts";
import { Disk, isWithin } from "../disk.ts";
import { abiOf, type Machine, misfit } from "./addons.ts";
import { isTyped } from "./load.ts";
import { Packages } from "./packages.ts";
import { APP, type NodeProject, nodeArch } from "./project.ts";
import { Resolver } from "./resolve.ts";
import { TsConfigs } from "./tsconfig.ts";

/** The project as it lies on the builder's disk, seen by the target. Folders and files have their real names. */
export class Site {
  readonly project: NodeProject;
  readonly disk = new Disk();
  readonly root: string;
  readonly folder: string;
  readonly entry: string;
  readonly machine: Machine;
  readonly packages: Packages;
  readonly configs: TsConfigs;
  readonly resolver: Resolver;

  /** @throws SlimError `NOT_FOUND` */
  constructor(project: NodeProject) {
    this.project = project;
    this.root = this.disk.realpath(project.root);
    this.folder = this.disk.realpath(project.folder);
    const entry = path.join(this.root, project.entry);
    if (!this.disk.isFile(entry))
      throw new SlimError("NOT_FOUND", "there is no such entry file", { where: project.entry });
    this.entry = this.disk.realpath(entry);
    const { node, platform, libc = "glibc" } = project.target;
    this.machine = { arch: nodeArch(platform), abi: abiOf(node), libc };
    const { name, version } = project;
    const purl = `pkg:npm/${encodeURIComponent(name)}${version === undefined ? "" : `@${version}`}`;
    this.packages = new Packages(this.disk, this.root, { purl, name, ...(version === undefined ? {} : { version }) });
    this.configs = new TsConfigs(this.disk, this.root);
    this.resolver = new Resolver(this.disk, this.packages, this.root, node, this.configs.aliases);
  }

  /** A file's name in messages. */
  relative(file: string): string {
    return path.relative(this.root, file).split(path.sep).join("/");
  }

  /** A place that a message speaks of, without what is before the project. */
  short(place: string): string {
    return place.startsWith(`${this.root}/`) ? place.slice(this.root.length + 1) : place;
  }

  /** A file's path in the image. */
  image(file: string): string {
    return `${APP}/${this.relative(file)}`;
  }

  /** The target, in messages. */
  get target(): string {
    const { arch, libc } = this.machine;
    return libc === "glibc" ? `linux ${arch}` : `linux ${arch} with ${libc}`;
  }

  isExcluded(file: string): boolean {
    return this.project.exclude.some(
      (pattern) =>
        globExpression(pattern, true).test(this.relative(file)) || this.packages.whole(file)?.json.name === pattern,
    );
  }

  /** Why the target cannot load an addon, in words that follow its name. */
  misfit(addon: string): string | undefined {
    return misfit(this.disk, addon, this.packages.whole(addon)?.folder ?? this.root, this.machine);
  }

  /** The folder of an installed package, seen from another. */
  find(name: string, from: string): string | undefined {
    for (let folder = from; isWithin(folder, this.root); folder = path.dirname(folder)) {
      const place = path.join(folder, "node_modules", name);
      if (this.disk.isFolder(place)) return this.disk.realpath(place);
    }
    // Next to it, as in a store of linked packages.
    const sibling = path.join(
      from.slice(0, from.lastIndexOf(`${path.sep}node_modules${path.sep}`)),
      "node_modules",
      name,
    );
    return this.disk.isFolder(sibling) ? this.disk.realpath(sibling) : undefined;
  }

  /** A folder that says nothing about what is meant: the package or project as a whole. */
  isWide(folder: string, from: string): boolean {
    if (isWithin(this.folder, folder) || !isWithin(folder, this.root)) return true;
    const scope = this.packages.whole(from);
    return scope !== undefined && isWithin(scope.folder, folder) && path.dirname(from) !== folder;
  }

  /** Code of a typed project that typed code finds by a pattern or in a folder: nobody wants it uncompiled. */
  isSource(from: string, file: string): boolean {
    return isTyped(from) && isTyped(file) && this.packages.isOwn(file);
  }
}
