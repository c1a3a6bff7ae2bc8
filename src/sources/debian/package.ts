import type { Content } from "../../layer/entry.ts";
import type { Undone } from "./postinst.ts";

interface Common {
  /** Absolute in the image, normalised; what Debian's merged `/usr` moves is where it moves it to. */
  readonly path: string;
  /** Permission bits, setuid, setgid and sticky included: whoever builds an image decides about those. */
  readonly mode: number;
  /**
   * Of what the package's script makes: where several packages make one path, the highest has it. A file
   * of an archive has none, and comes before.
   */
  readonly rank?: number;
}

export type PackageFile =
  /** `md5` as dpkg's `md5sums` files want it. Hard links are files with the same content. */
  | (Common & { readonly type: "file"; readonly content: Content; readonly md5: string })
  | (Common & { readonly type: "directory" })
  /** `target` as it is in the package. */
  | (Common & { readonly type: "symlink"; readonly target: string });

/**
 * A verified package of Debian. Its files are those of its archive, in the order they have there, then
 * those that its script makes of them when it is installed.
 */
export interface DebianPackage {
  readonly name: string;
  readonly version: string;
  /** Debian's name of it, or `all`. */
  readonly architecture: string;
  /** The source package, where it has another name. */
  readonly source?: string;
  /** https://github.com/package-url/purl-spec/blob/main/types-doc/deb-definition.md */
  readonly purl: string;
  /** The control file, as it is in the package. */
  readonly control: string;
  /** What it depends on: each a list of alternatives, names without versions. */
  readonly dependencies: readonly (readonly string[])[];
  /** What its script would do besides; slim runs none. */
  readonly undone: readonly Undone[];
  readonly files: readonly PackageFile[];
}

/** The fields of one stanza; continuation lines keep their line breaks. https://manpages.debian.org/deb822 */
export function stanza(text: string): Map<string, string> {
  const fields = new Map<string, string>();
  let name = "";
  for (const line of text.split("\n")) {
    const field = /^([^\s:#][^\s:]*):[ \t]*(.*)$/.exec(line);
    if (field?.[1] !== undefined) {
      name = field[1];
      fields.set(name, (field[2] ?? "").trimEnd());
    } else if (/^[ \t]/.test(line) && name !== "") {
      fields.set(name, `${fields.get(name)}\n${line.trim()}`);
    }
  }
  return fields;
}

/** `Pre-Depends` and `Depends`. https://www.debian.org/doc/debian-policy/ch-relationships.html */
export function dependencies(fields: ReadonlyMap<string, string>): string[][] {
  const relations = ["Pre-Depends", "Depends"].flatMap((field) => (fields.get(field) ?? "").split(","));
  const names = relations.map((relation) =>
    relation.split("|").flatMap((one) => /^\s*([a-z0-9][a-z0-9+.-]*)/.exec(one)?.[1] ?? []),
  );
  return names.filter((alternatives) => alternatives.length > 0);
}

export function packageUrl(name: string, version: string, architecture: string): string {
  const encoded = encodeURIComponent(version).replaceAll("%3A", ":");
  return `pkg:deb/debian/${encodeURIComponent(name)}@${encoded}?arch=${architecture}&distro=debian-13`;
}
