/**
 * Run as a process of its own: reads ELF files that ask for as much as they can, each as large as a
 * sparse file may be, and prints what came of it and how much memory it took. Nothing of their size
 * is ever held here.
 */
import { SlimError } from "../../src/base/error.ts";
import { parseElf } from "../../src/closure/elf/parse.ts";
import type { ByteReader } from "../../src/closure/elf/reader.ts";
import { resolveLibraries } from "../../src/closure/elf/resolve.ts";
import { planTrim } from "../../src/closure/elf/trim.ts";
import { buildElf } from "./elf-builder.ts";

const TERABYTE = 2 ** 40;

/** A source of a terabyte that says at each place what `fill` says, a record at a time. */
function endless(fill: (offset: number) => Uint8Array): ByteReader {
  return {
    size: TERABYTE,
    async read(offset, length) {
      const bytes = new Uint8Array(Math.min(length, TERABYTE - offset));
      for (let at = 0; at < bytes.length; ) {
        const part = fill(offset + at).subarray(0, bytes.length - at);
        bytes.set(part, at);
        at += part.length;
      }
      return bytes;
    },
  };
}

/** 64-bit little-endian header with `count` program headers at 64. */
function header(count: number, sections: { offset: bigint; count: number } = { offset: 0n, count: 0 }): Uint8Array {
  const view = new DataView(new ArrayBuffer(64));
  new Uint8Array(view.buffer).set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  view.setUint16(16, 3, true);
  view.setUint16(18, 62, true);
  view.setBigUint64(32, 64n, true);
  view.setBigUint64(40, sections.offset, true);
  view.setUint16(54, 56, true);
  view.setUint16(56, count, true);
  view.setUint16(58, 64, true);
  view.setUint16(60, sections.count, true);
  return new Uint8Array(view.buffer);
}

function programHeader(type: number, offset: number, address: number, size: number): Uint8Array {
  const view = new DataView(new ArrayBuffer(56));
  view.setUint32(0, type, true);
  view.setBigUint64(8, BigInt(offset), true);
  view.setBigUint64(16, BigInt(address), true);
  view.setBigUint64(32, BigInt(size), true);
  return new Uint8Array(view.buffer);
}

const words = (...values: number[]) => {
  const view = new DataView(new ArrayBuffer(8 * values.length));
  values.forEach((value, index) => {
    view.setBigUint64(8 * index, BigInt(value), true);
  });
  return new Uint8Array(view.buffer);
};
const halves = (...values: number[]) => new Uint8Array(Uint32Array.from(values).buffer);

/** The same record over and over, from a multiple of its size on. */
function repeated(record: Uint8Array): (offset: number) => Uint8Array {
  const bytes = new Uint8Array(record.length * Math.ceil((64 * 1024) / record.length));
  for (let at = 0; at < bytes.length; at += record.length) bytes.set(record, at);
  return (offset) => bytes.subarray(offset % record.length);
}

const MAX_HEADERS = 1170;
const many = (type: number, rest: (offset: number) => Uint8Array) =>
  endless((offset) => {
    if (offset < 64) return header(MAX_HEADERS).subarray(offset);
    const into = offset - 64;
    if (into >= 56 * MAX_HEADERS) return rest(offset);
    return programHeader(type, 0, 0, TERABYTE).subarray(into % 56);
  });

const MEGA = 2 ** 20;
/** One PT_LOAD over everything, a dynamic section of `entries` at 1 MB, `fill` from 64 MB on. */
const dynamic = (entries: (index: number) => readonly [number, number], fill: (offset: number) => Uint8Array) =>
  endless((offset) => {
    if (offset < 64) return header(2).subarray(offset);
    if (offset < 120) return programHeader(1, 0, 0, TERABYTE).subarray(offset - 64);
    if (offset < 176) return programHeader(2, MEGA, MEGA, TERABYTE - MEGA).subarray(offset - 120);
    if (offset < MEGA) return new Uint8Array(MEGA - offset);
    if (offset >= 64 * MEGA) return fill(offset);
    const into = offset - MEGA;
    return words(...entries(Math.floor(into / 16))).subarray(into % 16);
  });

const at = 64 * MEGA;
const letters = new Uint8Array(64 * 1024).fill(97);
const name = (length: number) => (offset: number) =>
  (offset - at) % length === length - 1 ? Uint8Array.of(0) : letters.subarray(0, length - 1 - ((offset - at) % length));

const endlessSections = repeated(words(0, 0, 0, 0, 2 ** 33, 0, 0, 0));

const cases: Readonly<Record<string, ByteReader>> = {
  "program headers that all load": many(1, () => new Uint8Array(64 * 1024)),
  "notes, everywhere": many(4, repeated(halves(4, 4, 0x407c0c0a, 0x4f4446, 0x20202020))),
  "more program headers than there may be": endless((offset) =>
    offset < 64 ? header(0xffff).subarray(offset) : programHeader(1, 0, 0, 1).subarray((offset - 64) % 56),
  ),
  "empty notes without end": many(4, () => new Uint8Array(64 * 1024)),
  "dynamic entries without end": dynamic((index) => [0x60000000 + index, index], name(9)),
  "libraries with short names": dynamic(
    (index) => (index === 0 ? [5, at] : index === 16_000 ? [0, 0] : [1, 2 * index]),
    name(2),
  ),
  "libraries with long names": dynamic(
    (index) => (index === 0 ? [5, at] : index === 16_000 ? [0, 0] : [1, index % 100]),
    name(60_000),
  ),
  "a name without end": dynamic(
    (index) => [[5, at] as const, [1, 1] as const, [0, 0] as const][index] ?? [0, 0],
    () => letters,
  ),
  "versions, each with as many more": dynamic(
    (index) => [[5, at] as const, [0x6ffffffe, at] as const, [0x6fffffff, TERABYTE] as const][index] ?? [0, 0],
    repeated(halves(0xffff0001, 1, 16, 16)),
  ),
  "version definitions without end": dynamic(
    (index) => [[5, at] as const, [0x6ffffffc, at] as const, [0x6ffffffd, TERABYTE] as const][index] ?? [0, 0],
    repeated(halves(1)),
  ),
  "sections without end": endless((offset) => {
    if (offset < 64) return header(0, { offset: 64n, count: 0 }).subarray(offset);
    return endlessSections(offset);
  }),
};

async function outcome(work: () => Promise<unknown>): Promise<string> {
  try {
    await work();
    return "read";
  } catch (error) {
    if (error instanceof SlimError) return error.message;
    return `not a SlimError: ${String(error)}`;
  }
}

/** A program whose search path has as many folders as fit, for as many libraries as fit. */
async function searchEverywhere(): Promise<unknown> {
  const folders = Array.from({ length: 9000 }, (_, index) => `/${index.toString(36)}/$ORIGIN`);
  const bytes = buildElf({
    type: 2,
    interpreter: "/lib/ld.so",
    rpath: folders.join(":").slice(0, 65_000),
    needed: Array.from({ length: 16_000 }, (_, index) => `l${index}`),
  });
  const file = { type: "file" as const, withReader: <T>(use: (reader: ByteReader) => Promise<T>) => use(reader) };
  const reader = {
    size: bytes.length,
    read: async (from: number, length: number) => bytes.subarray(from, from + length),
  };
  return await resolveLibraries({
    files: { at: async (path) => (path === "/a" ? file : undefined) },
    program: "/a",
  });
}

const say = (line: object) => process.stdout.write(`${JSON.stringify(line)}\n`);

async function measure(what: string, work: () => Promise<unknown>): Promise<void> {
  const start = performance.now();
  const result = await outcome(work);
  say({ what, result, milliseconds: Math.round(performance.now() - start) });
}

await outcome(() =>
  parseElf(
    endless(() => buildElf({ needed: ["a"] })),
    "warm",
  ),
);
const before = process.resourceUsage().maxRSS;
for (const [what, reader] of Object.entries(cases)) {
  await measure(what, async () => {
    await parseElf(reader, what);
    await planTrim(reader, what);
  });
}
await measure("a search everywhere", searchEverywhere);
say({ megabytes: Math.round((process.resourceUsage().maxRSS - before) / 1024) });
