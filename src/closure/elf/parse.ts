import { CHUNK } from "../../base/files.ts";
import type { Platform } from "../../image/platform.ts";
import { type ByteReader, type FieldRecord, Fields } from "./reader.ts";

/** A library that must define these versions: `libc.so.6` and `GLIBC_2.34`. */
interface VersionNeed {
  /** The soname, also one of `needed`. */
  readonly file: string;
  readonly versions: readonly { readonly name: string; readonly weak: boolean }[];
}

/** A library that the program opens by itself: https://systemd.io/ELF_DLOPEN_METADATA/ */
export interface DlopenNote {
  /** Alternatives, the best first. */
  readonly sonames: readonly string[];
  readonly priority: "required" | "recommended" | "suggested";
  readonly feature?: string;
  readonly description?: string;
}

/**
 * What a loader, and slim, need to know of an ELF file, from its program headers alone: section
 * headers may be missing. https://refspecs.linuxfoundation.org/elf/gabi4+/contents.html
 */
export interface Elf {
  readonly bits: 32 | 64;
  readonly endian: "little" | "big";
  /** `e_machine`. */
  readonly machine: number;
  /** `e_flags`, which the machine gives a meaning. */
  readonly flags: number;
  /** `EI_OSABI`. */
  readonly osabi: number;
  /** `e_type`: a program at a fixed address, one (or a library) at any, or something that is not loaded. */
  readonly type: "exec" | "dyn" | "other";
  /**
   * `static` and `static-pie` run without a loader, `dynamic` asks for one by `interpreter`;
   * `library` is loaded by others (libc, which also runs, counts as `dynamic`); `other` does not run: an object file, a core.
   */
  readonly linkage: "static" | "static-pie" | "dynamic" | "library" | "other";
  /** The image platform it is for; undefined where slim knows none. */
  readonly platform: Platform | undefined;
  readonly interpreter: string | undefined;
  readonly soname: string | undefined;
  /** In the order of the file, which is the order of loading. */
  readonly needed: readonly string[];
  /** `DT_FILTER` and `DT_AUXILIARY`: libraries that have symbols in its stead; the second only where they are there. */
  readonly filters: readonly { readonly name: string; readonly optional: boolean }[];
  /** `DT_RPATH` and `DT_RUNPATH` as written: folders separated by `:`, `$ORIGIN` not replaced. */
  readonly rpath: string | undefined;
  readonly runpath: string | undefined;
  /** `DF_1_NODEFLIB`: the default folders are not searched for what this object needs. */
  readonly noDefaultFolders: boolean;
  readonly versionNeeds: readonly VersionNeed[];
  /** Names of the versions it defines, the file's own base version included. */
  readonly versions: readonly string[];
  readonly dlopen: readonly DlopenNote[];
  /** Where the last byte that a program header speaks of ends, or the headers themselves. */
  readonly segmentsEnd: number;
}

const PT_NULL = 0;
const PT_LOAD = 1;
const PT_DYNAMIC = 2;
const PT_INTERP = 3;
const PT_NOTE = 4;

const DT_NULL = 0n;
const DT_NEEDED = 1n;
const DT_STRTAB = 5n;
const DT_STRSZ = 10n;
const DT_SONAME = 14n;
const DT_RPATH = 15n;
const DT_RUNPATH = 29n;
const DT_FLAGS_1 = 0x6ffffffbn;
const DT_VERDEF = 0x6ffffffcn;
const DT_VERDEFNUM = 0x6ffffffdn;
const DT_VERNEED = 0x6ffffffen;
const DT_VERNEEDNUM = 0x6fffffffn;
const DT_AUXILIARY = 0x7ffffffdn;
const DT_FILTER = 0x7fffffffn;

/** Entries with a value that is looked at. */
const wanted = new Set([
  DT_STRTAB,
  DT_STRSZ,
  DT_SONAME,
  DT_RPATH,
  DT_RUNPATH,
  DT_FLAGS_1,
  DT_VERDEF,
  DT_VERDEFNUM,
  DT_VERNEED,
  DT_VERNEEDNUM,
]);

const DF_1_NODEFLIB = 0x800;
const DF_1_PIE = 0x08000000;
const VER_FLG_WEAK = 2;

const NT_FDO_DLOPEN = 0x407c0c0a;

/** Bounds on what a file may ask for; each is many times what any known program has. */
const MAX_PROGRAM_HEADERS = 65_536; // bytes
const MAX_DYNAMIC = 16_384;
const MAX_RECORDS = 16_384;
const MAX_NAME = 64 * 1024;
const MAX_NAMES = 2 * 1024 * 1024;
const MAX_NOTE = 256 * 1024;

/**
 * Reads an ELF file of any class and byte order. Memory and time are bounded whatever it holds.
 * @param name what errors call the file
 * @throws SlimError `ELF`, or what the reader throws
 */
export async function parseElf(reader: ByteReader, name: string): Promise<Elf> {
  const header = await readHeader(reader, name);
  const { fields, bits } = header;
  const segments = await readSegments(header);
  const interpreter = await readInterpreter(fields, segments);
  const dynamic = await readDynamic(fields, bits, segments);
  const base = {
    bits,
    endian: header.endian,
    machine: header.machine,
    flags: header.flags,
    osabi: header.osabi,
    type: header.type,
    interpreter,
    soname: dynamic.soname,
    needed: dynamic.needed,
    filters: dynamic.filters,
    rpath: dynamic.rpath,
    runpath: dynamic.runpath,
    noDefaultFolders: (dynamic.flags1 & DF_1_NODEFLIB) !== 0,
    versionNeeds: dynamic.versionNeeds,
    versions: dynamic.versions,
    dlopen: await readDlopenNotes(fields, segments),
    segmentsEnd: segments.reduce((end, { offset, size }) => Math.max(end, offset + size), header.headersEnd),
  };
  return {
    ...base,
    linkage: linkageOf(header, interpreter, (dynamic.flags1 & DF_1_PIE) !== 0, dynamic),
    platform: platformOf(base),
  };
}

/** Whether a file with these first bytes claims to be ELF. */
export function isElf(start: Uint8Array): boolean {
  return start.length >= 4 && start[0] === 0x7f && start[1] === 0x45 && start[2] === 0x4c && start[3] === 0x46;
}

/** What the first header says, checked as far as a loader does. */
export interface ElfHeader {
  readonly fields: Fields;
  readonly bits: 32 | 64;
  readonly endian: "little" | "big";
  readonly machine: number;
  readonly flags: number;
  readonly osabi: number;
  readonly type: Elf["type"];
  readonly entry: bigint;
  readonly tableOffset: number;
  readonly tableCount: number;
  /** Where the file's header and the table of program headers end. */
  readonly headersEnd: number;
  /** Section headers, if any: not needed to run a program, but their place is (see trim.ts). */
  readonly sections: { readonly offset: number; readonly entrySize: number; readonly count: number };
}

/** The first header: identification and where the tables are. @throws SlimError `ELF` */
export async function readHeader(reader: ByteReader, name: string): Promise<ElfHeader> {
  const start = await reader.read(0, 16);
  if (!isElf(start)) throw new Fields(reader, name, true).error("not an ELF file");
  const fields = new Fields(reader, name, start[5] !== 2);
  fields.check(0, 16);
  if (start[4] !== 1 && start[4] !== 2) throw fields.error("damaged: neither 32 nor 64 bits");
  if (start[5] !== 1 && start[5] !== 2) throw fields.error("damaged: unknown byte order");
  const bits = start[4] === 1 ? 32 : 64;
  const headerSize = bits === 32 ? 52 : 64;
  const word = bits / 8;
  const record = await fields.record(0, headerSize);
  const counts = 24 + 3 * word + 6; // of e_phentsize
  const entrySize = record.u16(counts);
  const tableCount = record.u16(counts + 2);
  if (tableCount > 0 && entrySize !== (bits === 32 ? 32 : 56))
    throw fields.error("damaged: odd size of program headers");
  // Linux runs no program with more; PN_XNUM, which says that a section header has the count, is one.
  if (tableCount * entrySize > MAX_PROGRAM_HEADERS) throw fields.error("has too many program headers");
  const tableOffset = tableCount === 0 ? 0 : record.word(24 + word, bits);
  fields.check(tableOffset, tableCount * entrySize);
  const type = record.u16(16);
  return {
    fields,
    bits,
    endian: start[5] === 1 ? "little" : "big",
    machine: record.u16(18),
    flags: record.u32(24 + 3 * word),
    osabi: start[7] ?? 0,
    type: type === 2 ? "exec" : type === 3 ? "dyn" : "other",
    entry: bits === 32 ? BigInt(record.u32(24)) : record.u64(24),
    tableOffset,
    tableCount,
    headersEnd: Math.max(headerSize, tableOffset + tableCount * entrySize),
    sections: {
      // Not an error here: a program runs whatever this says.
      offset: Number(bits === 32 ? record.u32(24 + 2 * word) : record.u64(24 + 2 * word)),
      entrySize: record.u16(counts + 4),
      count: record.u16(counts + 6),
    },
  };
}

/** The bytes of one program header; `address` is where they appear in memory. */
interface Segment {
  readonly type: number;
  readonly offset: number;
  readonly address: bigint;
  readonly size: number;
  readonly align: bigint;
}

/** Program headers that stand for bytes of the file. */
async function readSegments(header: ElfHeader): Promise<Segment[]> {
  const { fields, bits, tableOffset, tableCount } = header;
  const segments: Segment[] = [];
  const entrySize = bits === 32 ? 32 : 56;
  for (let index = 0; index < tableCount; index += 1) {
    const record = await fields.record(tableOffset + index * entrySize, entrySize);
    const type = record.u32(0);
    const size = bits === 32 ? record.u32(16) : record.word(32, bits);
    if (type === PT_NULL || size === 0) continue;
    const offset = bits === 32 ? record.u32(4) : record.word(8, bits);
    fields.check(offset, size);
    segments.push({
      type,
      offset,
      size,
      address: bits === 32 ? BigInt(record.u32(8)) : record.u64(16),
      align: bits === 32 ? BigInt(record.u32(28)) : record.u64(48),
    });
  }
  return segments;
}

async function readInterpreter(fields: Fields, segments: readonly Segment[]): Promise<string | undefined> {
  const segment = segments.find(({ type }) => type === PT_INTERP);
  if (segment === undefined) return undefined;
  // As the kernel has it: PATH_MAX, and a zero at the end.
  if (segment.size < 2 || segment.size > 4096) throw fields.error("damaged: odd size of the interpreter's path");
  const bytes = await fields.bytes(segment.offset, segment.size);
  const end = bytes.indexOf(0);
  if (end <= 0) throw fields.error("damaged: the interpreter's path has no end");
  return text(bytes.subarray(0, end));
}

/** What a loader reads of the dynamic section. */
interface Dynamic {
  readonly needed: readonly string[];
  readonly filters: Elf["filters"];
  readonly soname: string | undefined;
  readonly rpath: string | undefined;
  readonly runpath: string | undefined;
  readonly flags1: number;
  readonly versionNeeds: readonly VersionNeed[];
  readonly versions: readonly string[];
}

const notDynamic: Dynamic = {
  needed: [],
  filters: [],
  soname: undefined,
  rpath: undefined,
  runpath: undefined,
  flags1: 0,
  versionNeeds: [],
  versions: [],
};

async function readDynamic(fields: Fields, bits: 32 | 64, segments: readonly Segment[]): Promise<Dynamic> {
  const segment = segments.find(({ type }) => type === PT_DYNAMIC);
  if (segment === undefined) return notDynamic;
  const { neededAt, filtersAt, values } = await readEntries(fields, bits, segment);
  const image = new Image(fields, segments);
  const strings = stringTable(image, values);
  const names = new Names(fields.another(), strings);
  const named = async (tag: bigint) => {
    const at = values.get(tag);
    return at === undefined ? undefined : await names.at(at);
  };
  const needed: string[] = [];
  for (const at of neededAt) needed.push(await names.at(at));
  const filters: { name: string; optional: boolean }[] = [];
  for (const { at, optional } of filtersAt) filters.push({ name: await names.at(at), optional });
  const records = new Records(fields, names);
  const chain = (table: bigint, number: bigint) => ({
    at: values.has(table) ? image.at(values.get(table) ?? 0n) : undefined,
    count: Number(values.get(number) ?? 0n),
  });
  return {
    needed,
    filters,
    soname: await named(DT_SONAME),
    rpath: await named(DT_RPATH),
    runpath: await named(DT_RUNPATH),
    flags1: Number((values.get(DT_FLAGS_1) ?? 0n) & 0xffffffffn),
    versionNeeds: await records.needs(chain(DT_VERNEED, DT_VERNEEDNUM)),
    versions: await records.definitions(chain(DT_VERDEF, DT_VERDEFNUM)),
  };
}

interface DynamicEntries {
  /** Where the names of `DT_NEEDED` lie in the string table. */
  readonly neededAt: readonly bigint[];
  readonly filtersAt: readonly { readonly at: bigint; readonly optional: boolean }[];
  readonly values: ReadonlyMap<bigint, bigint>;
}

async function readEntries(fields: Fields, bits: 32 | 64, segment: Segment): Promise<DynamicEntries> {
  const neededAt: bigint[] = [];
  const filtersAt: { at: bigint; optional: boolean }[] = [];
  const values = new Map<bigint, bigint>();
  const entrySize = bits / 4;
  const count = Math.floor(segment.size / entrySize);
  for (let index = 0; index < count; index += 1) {
    if (index === MAX_DYNAMIC) throw fields.error("has too many dynamic entries");
    const record = await fields.record(segment.offset + index * entrySize, entrySize);
    const tag = bits === 32 ? BigInt(record.u32(0)) : record.u64(0);
    const value = bits === 32 ? BigInt(record.u32(4)) : record.u64(8);
    if (tag === DT_NULL) break;
    if (tag === DT_NEEDED) neededAt.push(value);
    else if (tag === DT_FILTER || tag === DT_AUXILIARY) filtersAt.push({ at: value, optional: tag === DT_AUXILIARY });
    else if (wanted.has(tag)) values.set(tag, value);
  }
  return { neededAt, filtersAt, values };
}

function stringTable(image: Image, values: ReadonlyMap<bigint, bigint>): Range {
  const address = values.get(DT_STRTAB);
  return address === undefined ? { start: 0, end: 0 } : image.at(address, values.get(DT_STRSZ));
}

/**
 * Which of these symbols a file may ask for: those whose names stand in the string table of its
 * dynamic section. Linkers let names share their ends, so a longer name with the same end counts too.
 * @throws SlimError `ELF`, or what the reader throws
 */
export async function mentionedSymbols(
  reader: ByteReader,
  name: string,
  symbols: readonly string[],
): Promise<string[]> {
  const header = await readHeader(reader, name);
  const { fields, bits } = header;
  const segments = await readSegments(header);
  const segment = segments.find(({ type }) => type === PT_DYNAMIC);
  if (segment === undefined) return [];
  const { start, end } = stringTable(new Image(fields, segments), (await readEntries(fields, bits, segment)).values);
  const left = new Set(symbols);
  const overlap = Math.max(...symbols.map(({ length }) => length)) + 1;
  for (let at = start; at < end && left.size > 0; at += CHUNK - overlap) {
    const chunk = Buffer.from(await reader.read(at, Math.min(CHUNK, end - at)));
    for (const symbol of left) if (chunk.includes(`${symbol}\0`)) left.delete(symbol);
  }
  return symbols.filter((symbol) => !left.has(symbol));
}

/** A part of the file: both ends are offsets. */
interface Range {
  readonly start: number;
  readonly end: number;
}

/** The program as it lies in memory, to find the bytes of an address. */
class Image {
  readonly #fields: Fields;
  readonly #loaded: readonly Segment[];

  constructor(fields: Fields, segments: readonly Segment[]) {
    this.#fields = fields;
    this.#loaded = segments.filter(({ type }) => type === PT_LOAD);
  }

  /** From an address to the end of its segment, or of `size` bytes. Segments mapped later lie on top. */
  at(address: bigint, size?: bigint): Range {
    const segment = this.#loaded.findLast((one) => address >= one.address && address < one.address + BigInt(one.size));
    if (segment === undefined) throw this.#fields.error("damaged: a table lies outside the loaded segments");
    const into = Number(address - segment.address);
    const left = segment.size - into;
    if (size !== undefined && size > BigInt(left))
      throw this.#fields.error("damaged: a table is larger than its segment");
    const start = segment.offset + into;
    return { start, end: start + (size === undefined ? left : Number(size)) };
  }
}

/** The string table of the dynamic section, of which only what is asked for is read. */
class Names {
  readonly #fields: Fields;
  readonly #table: Range;
  #total = 0;

  constructor(fields: Fields, table: Range) {
    this.#fields = fields;
    this.#table = table;
  }

  async at(offset: bigint): Promise<string> {
    const { start, end } = this.#table;
    const left = offset < BigInt(end - start) ? end - start - Number(offset) : 0;
    if (left === 0) throw this.#fields.error("damaged: a name lies outside the string table");
    for (let length = 256; ; length *= 4) {
      const bytes = await this.#fields.bytes(start + Number(offset), Math.min(length, left));
      const stop = bytes.indexOf(0);
      if (stop !== -1) return this.#counted(bytes.subarray(0, stop));
      if (length >= left) throw this.#fields.error("damaged: a name has no end");
      if (length >= MAX_NAME) throw this.#fields.error("has too long a name");
    }
  }

  #counted(bytes: Uint8Array): string {
    // One long string may be the name of a thousand libraries.
    this.#total += bytes.length + 16;
    if (this.#total > MAX_NAMES) throw this.#fields.error("has too many names");
    return text(bytes);
  }
}

/** Where a chain of version records begins, and how many there are said to be. */
interface Chain {
  readonly at: Range | undefined;
  readonly count: number;
}

/**
 * Symbol versions: records that say how far the next one is. Distances are never negative, so that a
 * chain ends; the number of records is bounded as well.
 * https://refspecs.linuxfoundation.org/LSB_5.0.0/LSB-Core-generic/LSB-Core-generic/symversion.html
 */
class Records {
  readonly #fields: Fields;
  readonly #names: Names;
  #count = 0;

  constructor(fields: Fields, names: Names) {
    this.#fields = fields;
    this.#names = names;
  }

  async needs(chain: Chain): Promise<VersionNeed[]> {
    const needs: VersionNeed[] = [];
    for await (const { record, offset } of this.#walk(chain, 16, 12)) {
      const file = record.u32(4);
      const parts = { at: this.#within(chain, offset + record.u32(8)), count: record.u16(2) };
      const versions: { name: string; weak: boolean }[] = [];
      for await (const { record: part } of this.#walk(parts, 16, 12)) {
        const weak = (part.u16(4) & VER_FLG_WEAK) !== 0;
        versions.push({ name: await this.#names.at(BigInt(part.u32(8))), weak });
      }
      needs.push({ file: await this.#names.at(BigInt(file)), versions });
    }
    return needs;
  }

  async definitions(chain: Chain): Promise<string[]> {
    const names: string[] = [];
    for await (const { record, offset } of this.#walk(chain, 20, 16)) {
      // The first name is the version's own, the others are those that it follows.
      const { start } = this.#within(chain, offset + record.u32(12));
      this.#fields.check(start, 8);
      const first = await this.#fields.record(start, 8);
      names.push(await this.#names.at(BigInt(first.u32(0))));
    }
    return names;
  }

  #within(chain: Chain, start: number): Range {
    const end = chain.at?.end ?? 0;
    if (start >= end) throw this.#fields.error("damaged: a version lies outside its segment");
    return { start, end };
  }

  async *#walk(chain: Chain, size: number, nextAt: number): AsyncGenerator<{ record: FieldRecord; offset: number }> {
    if (chain.at === undefined) return;
    let offset = chain.at.start;
    for (let index = 0; index < chain.count; index += 1) {
      this.#count += 1;
      if (this.#count > MAX_RECORDS) throw this.#fields.error("has too many symbol versions");
      if (offset + size > chain.at.end) throw this.#fields.error("damaged: a version lies outside its segment");
      const record = await this.#fields.record(offset, size);
      const next = record.u32(nextAt);
      yield { record, offset };
      if (next === 0) return;
      offset += next;
    }
  }
}

/** Notes are 4-byte aligned, also in segments aligned otherwise, except those aligned to 8. */
async function readDlopenNotes(fields: Fields, segments: readonly Segment[]): Promise<DlopenNote[]> {
  const notes: DlopenNote[] = [];
  let count = 0;
  let total = 0;
  for (const segment of segments) {
    if (segment.type !== PT_NOTE) continue;
    const align = segment.align === 8n ? 8 : 4;
    const end = segment.offset + segment.size;
    for (let offset = segment.offset; offset + 12 <= end; ) {
      count += 1;
      if (count > MAX_RECORDS) throw fields.error("has too many notes");
      const record = await fields.record(offset, 12);
      const [nameSize, size, type] = [record.u32(0), record.u32(4), record.u32(8)];
      const start = offset + alignedTo(12 + nameSize, align);
      // Damaged notes stop nobody from running the program.
      if (start + size > end) break;
      if (type === NT_FDO_DLOPEN && nameSize === 4 && text(await fields.bytes(offset + 12, 4)) === "FDO\0") {
        total += size;
        if (total > MAX_NOTE) throw fields.error("has too much .note.dlopen metadata");
        notes.push(...parseDlopen(fields, text(await fields.bytes(start, size))));
      }
      offset = start + alignedTo(size, align);
    }
  }
  return notes;
}

function alignedTo(size: number, align: number): number {
  return Math.ceil(size / align) * align;
}

/** An array of objects; an object alone and a soname alone are of the specification's first draft. */
function parseDlopen(fields: Fields, json: string): DlopenNote[] {
  let value: unknown;
  try {
    value = JSON.parse(json.replace(/\0.*$/s, ""));
  } catch (error) {
    throw fields.error("damaged: its .note.dlopen metadata is not JSON", error);
  }
  return (Array.isArray(value) ? value : [value]).map((one: unknown) => {
    const { soname, priority = "recommended", feature, description } = (one ?? {}) as Record<string, unknown>;
    const sonames = typeof soname === "string" ? [soname] : soname;
    if (!Array.isArray(sonames) || sonames.length === 0 || !sonames.every((name) => typeof name === "string")) {
      throw fields.error("damaged: its .note.dlopen metadata names no library");
    }
    if (priority !== "required" && priority !== "recommended" && priority !== "suggested") {
      throw fields.error("damaged: its .note.dlopen metadata has an unknown priority");
    }
    return {
      sonames,
      priority,
      ...(typeof feature === "string" ? { feature } : {}),
      ...(typeof description === "string" ? { description } : {}),
    };
  });
}

function linkageOf(
  { type, entry }: ElfHeader,
  interpreter: string | undefined,
  pie: boolean,
  { needed, soname }: Dynamic,
): Elf["linkage"] {
  if (type === "other") return "other";
  if (interpreter !== undefined) return "dynamic";
  if (type === "exec") return "static";
  // DF_1_PIE is of 2015; before, a program is told by having a start and neither name nor needs.
  const program = pie || (entry !== 0n && needed.length === 0 && soname === undefined);
  return program ? "static-pie" : "library";
}

type Identity = Pick<Elf, "bits" | "endian" | "machine" | "flags" | "osabi" | "interpreter">;

/** Machines of https://www.sco.com/developers/gabi/latest/ch4.eheader.html in the form that Linux runs. */
function platformOf(elf: Identity): Platform | undefined {
  const linux = (architecture: string, variant?: string): Platform =>
    variant === undefined ? { os: "linux", architecture } : { os: "linux", architecture, variant };
  // System V or GNU; others are of other systems.
  if (elf.osabi !== 0 && elf.osabi !== 3) return undefined;
  switch (`${elf.machine} ${elf.bits} ${elf.endian}`) {
    case "3 32 little":
      return linux("386");
    case "21 64 little":
      // The first ABI was never used with little endian; 0 says nothing.
      return (elf.flags & 3) === 1 ? undefined : linux("ppc64le");
    case "22 64 big":
      return linux("s390x");
    case "40 32 little":
      return linux("arm", armVariant(elf));
    case "62 64 little":
      return linux("amd64");
    case "183 64 little":
      return linux("arm64");
    case "243 64 little":
      return linux("riscv64");
    case "258 64 little":
      return linux("loong64");
    default:
      return undefined;
  }
}

/**
 * The program headers do not tell the version of the instruction set, only how floats are passed:
 * in software means the old ABI (Debian's armel, v5), anything else is taken for v7 (armhf).
 */
function armVariant({ flags, interpreter }: Identity): string {
  const EF_ARM_ABI_FLOAT_SOFT = 0x200;
  const EF_ARM_ABI_FLOAT_HARD = 0x400;
  if ((flags & EF_ARM_ABI_FLOAT_HARD) !== 0) return "v7";
  const softLoader = interpreter !== undefined && /\/ld-(linux|musl-arm)\.so\.[0-9]+$/.test(interpreter);
  return softLoader || (flags & EF_ARM_ABI_FLOAT_SOFT) !== 0 ? "v5" : "v7";
}

const decoder = new TextDecoder();

function text(bytes: Uint8Array): string {
  return decoder.decode(bytes);
}
