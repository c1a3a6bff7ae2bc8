/** What a made-up ELF file says. */
export interface ElfParts {
  readonly bits?: 32 | 64;
  readonly endian?: "little" | "big";
  /** `e_type`: 2 for a program at a fixed address, 3 otherwise. */
  readonly type?: number;
  readonly machine?: number;
  readonly flags?: number;
  readonly osabi?: number;
  readonly interpreter?: string;
  readonly needed?: readonly string[];
  readonly soname?: string;
  readonly rpath?: string;
  readonly runpath?: string;
  readonly flags1?: number;
  readonly versionNeeds?: readonly { file: string; versions: readonly { name: string; weak: boolean }[] }[];
  readonly versions?: readonly string[];
  /** Names that its string table has, as those of symbols that it asks for. */
  readonly symbols?: readonly string[];
  readonly notes?: readonly { owner: string; type: number; text: string }[];
}

/**
 * An ELF file of program headers only, of any class and byte order: one PT_LOAD over all of the file
 * at an address that is not its offset, and what is asked for inside. It parses; it does not run.
 */
export function buildElf(parts: ElfParts): Uint8Array {
  const { bits = 64, endian = "little", type = 3, machine = 62, flags = 0, osabi = 0 } = parts;
  const address = 0x10000;
  const headerSize = bits === 32 ? 52 : 64;
  const entrySize = bits === 32 ? 32 : 56;
  const out = new Bytes(bits, endian);
  const isDynamic = ["needed", "soname", "rpath", "runpath", "flags1", "versionNeeds", "versions"].some(
    (key) => parts[key as keyof ElfParts] !== undefined,
  );
  const headers = 1 + Number(parts.interpreter !== undefined) + Number(isDynamic) + Number(parts.notes !== undefined);
  out.zeros(headerSize + headers * entrySize);
  const segments: { type: number; offset: number; size: number }[] = [];
  const segment = (kind: number, write: () => void) => {
    out.align(8);
    const offset = out.length;
    write();
    segments.push({ type: kind, offset, size: out.length - offset });
  };

  if (parts.interpreter !== undefined) segment(3, () => out.text(`${parts.interpreter}\0`));
  if (parts.notes !== undefined) {
    segment(4, () => {
      for (const { owner, type, text } of parts.notes ?? []) {
        out
          .u32(owner.length + 1)
          .u32(Buffer.byteLength(text) + 1)
          .u32(type);
        out.text(`${owner}\0`).align(4).text(`${text}\0`).align(4);
      }
    });
  }
  if (isDynamic) {
    const strings = new Strings();
    const entries: [tag: number, value: number][] = [];
    for (const name of parts.needed ?? []) entries.push([1, strings.add(name)]);
    if (parts.soname !== undefined) entries.push([14, strings.add(parts.soname)]);
    if (parts.rpath !== undefined) entries.push([15, strings.add(parts.rpath)]);
    if (parts.runpath !== undefined) entries.push([29, strings.add(parts.runpath)]);
    if (parts.flags1 !== undefined) entries.push([0x6ffffffb, parts.flags1]);
    out.align(8);
    if (parts.versionNeeds !== undefined && parts.versionNeeds.length > 0) {
      entries.push([0x6ffffffe, address + out.length], [0x6fffffff, parts.versionNeeds.length]);
      parts.versionNeeds.forEach(({ file, versions }, index, all) => {
        const size = 16 + 16 * versions.length;
        out
          .u16(1)
          .u16(versions.length)
          .u32(strings.add(file))
          .u32(16)
          .u32(index === all.length - 1 ? 0 : size);
        versions.forEach(({ name, weak }, at) => {
          out
            .u32(0)
            .u16(weak ? 2 : 0)
            .u16(2)
            .u32(strings.add(name))
            .u32(at === versions.length - 1 ? 0 : 16);
        });
      });
    }
    if (parts.versions !== undefined && parts.versions.length > 0) {
      entries.push([0x6ffffffc, address + out.length], [0x6ffffffd, parts.versions.length]);
      parts.versions.forEach((name, index, all) => {
        out
          .u16(1)
          .u16(0)
          .u16(index + 1)
          .u16(1)
          .u32(0)
          .u32(20)
          .u32(index === all.length - 1 ? 0 : 28);
        out.u32(strings.add(name)).u32(0);
      });
    }
    for (const name of parts.symbols ?? []) strings.add(name);
    const table = strings.bytes;
    entries.push([5, address + out.length], [10, table.length]);
    out.raw(table);
    segment(2, () => {
      for (const [tag, value] of [...entries, [0, 0] as const]) out.word(tag).word(value);
    });
  }
  segments.unshift({ type: 1, offset: 0, size: out.length });

  const head = new Bytes(bits, endian);
  head.raw(Uint8Array.of(0x7f, 0x45, 0x4c, 0x46, bits === 32 ? 1 : 2, endian === "little" ? 1 : 2, 1, osabi));
  head.zeros(8).u16(type).u16(machine).u32(1);
  head.word(0).word(headerSize).word(0).u32(flags);
  head.u16(headerSize).u16(entrySize).u16(segments.length).u16(0).u16(0).u16(0);
  for (const { type: kind, offset, size } of segments) {
    if (bits === 32)
      head
        .u32(kind)
        .u32(offset)
        .u32(address + offset)
        .u32(0)
        .u32(size)
        .u32(size)
        .u32(4)
        .u32(4);
    else
      head
        .u32(kind)
        .u32(4)
        .word(offset)
        .word(address + offset)
        .word(0)
        .word(size)
        .word(size)
        .word(4);
  }
  const bytes = out.toBytes();
  bytes.set(head.toBytes());
  return bytes;
}

class Strings {
  readonly #parts: Uint8Array[] = [Uint8Array.of(0)];
  #length = 1;

  add(text: string): number {
    const at = this.#length;
    const bytes = Buffer.from(`${text}\0`);
    this.#parts.push(bytes);
    this.#length += bytes.length;
    return at;
  }

  get bytes(): Uint8Array {
    return Buffer.concat(this.#parts);
  }
}

class Bytes {
  readonly #bits: 32 | 64;
  readonly #little: boolean;
  readonly #parts: Uint8Array[] = [];
  length = 0;

  constructor(bits: 32 | 64, endian: "little" | "big") {
    this.#bits = bits;
    this.#little = endian === "little";
  }

  raw(bytes: Uint8Array): this {
    this.#parts.push(bytes);
    this.length += bytes.length;
    return this;
  }

  zeros(count: number): this {
    return this.raw(new Uint8Array(count));
  }

  align(to: number): this {
    return this.zeros((to - (this.length % to)) % to);
  }

  text(text: string): this {
    return this.raw(Buffer.from(text));
  }

  u16(value: number): this {
    const view = new DataView(new ArrayBuffer(2));
    view.setUint16(0, value, this.#little);
    return this.raw(new Uint8Array(view.buffer));
  }

  u32(value: number): this {
    const view = new DataView(new ArrayBuffer(4));
    view.setUint32(0, value, this.#little);
    return this.raw(new Uint8Array(view.buffer));
  }

  word(value: number): this {
    if (this.#bits === 32) return this.u32(value);
    const view = new DataView(new ArrayBuffer(8));
    view.setBigUint64(0, BigInt(value), this.#little);
    return this.raw(new Uint8Array(view.buffer));
  }

  toBytes(): Uint8Array {
    return Uint8Array.from(Buffer.concat(this.#parts));
  }
}
