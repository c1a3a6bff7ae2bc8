import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { promisify } from "node:util";
import test from "ava";
import fc from "fast-check";
import { SlimError } from "../../../src/base/error.ts";
import { parseElf } from "../../../src/closure/elf/parse.ts";
import { type ByteReader, bytesReader } from "../../../src/closure/elf/reader.ts";
import { resolveLibraries } from "../../../src/closure/elf/resolve.ts";
import { planTrim, trimmed } from "../../../src/closure/elf/trim.ts";
import { buildElf } from "../../support/elf-builder.ts";

const run = promisify(execFile);

/** What one input may take, in milliseconds: far above what it takes, far below a hang. */
const LONG = 5_000;
/** What each property may take, in milliseconds; SLIM_FUZZ_SECONDS makes it longer. */
const TIME = 1000 * Number(process.env.SLIM_FUZZ_SECONDS ?? 10);

/** Reads, trims and resolves: the result or a SlimError, and nothing else. */
async function survives(bytes: Uint8Array): Promise<boolean> {
  const start = performance.now();
  const reader = bytesReader(bytes);
  await orSlimError(parseElf(reader, "x"));
  await orSlimError(
    planTrim(reader, "x").then(async (trim) => {
      let size = 0;
      for await (const part of trimmed(reader, trim)) size += part.length;
      if (size !== trim.size || trim.appendedBytes < 0) throw new Error("trimmed to another size than planned");
      if ((await parseElf(reader, "x")).segmentsEnd !== size) throw new Error("trimmed elsewhere");
    }),
  );
  const file = { type: "file" as const, withReader: <T>(use: (reader: ByteReader) => Promise<T>) => use(reader) };
  const good = buildElf({ type: 2, interpreter: "/lib/ld.so", needed: ["a.so", "b.so"], rpath: "/lib" });
  const program = { ...file, withReader: <T>(use: (reader: ByteReader) => Promise<T>) => use(bytesReader(good)) };
  await orSlimError(
    resolveLibraries({ files: { at: async (path) => (path === "/p" ? program : file) }, program: "/p" }),
  );
  await orSlimError(resolveLibraries({ files: { at: async () => file }, program: "/p" }));
  return performance.now() - start < LONG;
}

async function orSlimError(work: Promise<unknown>): Promise<void> {
  try {
    await work;
  } catch (error) {
    if (!(error instanceof SlimError)) throw error;
  }
}

const everything = (bits: 32 | 64, endian: "little" | "big") =>
  buildElf({
    bits,
    endian,
    interpreter: "/lib/ld.so",
    needed: ["liba.so.1", "libb.so.2"],
    soname: "libx.so",
    rpath: "$ORIGIN/../lib:/opt",
    flags1: 0x800,
    versionNeeds: [
      {
        file: "liba.so.1",
        versions: [
          { name: "A_1", weak: false },
          { name: "A_2", weak: true },
        ],
      },
      { file: "libb.so.2", versions: [{ name: "B_1", weak: false }] },
    ],
    versions: ["X_1", "X_2"],
    notes: [{ owner: "FDO", type: 0x407c0c0a, text: '[{"soname":["libc.so.6"],"priority":"required"}]' }],
  });

test("changes to files never do more than fail", async (t) => {
  t.timeout(10 * TIME);
  const { stdout } = await run("sh", ["-c", "ls /usr/lib/*-linux-gnu/libdl.so.2"]);
  const originals = [
    await readFile(stdout.trim()),
    everything(64, "little"),
    everything(64, "big"),
    everything(32, "little"),
    everything(32, "big"),
  ];
  for (const original of originals) t.true(await survives(original));
  const number = fc.oneof(fc.constantFrom(0, 1, 0x7f, 0x80, 0xff), fc.nat(255));
  const changes = fc.array(
    fc.record({
      at: fc.oneof(fc.nat(400), fc.nat(0xffff)),
      bytes: fc.uint8Array({ minLength: 1, maxLength: 8 }),
      all: number,
    }),
    { minLength: 1, maxLength: 3 },
  );
  let runs = 0;
  let readable = 0;
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...originals), changes, fc.option(fc.nat(0xffff)), async (original, all, cut) => {
      const bytes = Uint8Array.from(original);
      for (const change of all) {
        const at = change.at % bytes.length;
        if (change.all < 64) bytes.fill(change.all, at, at + change.bytes.length);
        else bytes.set(change.bytes.subarray(0, bytes.length - at), at);
      }
      const input = cut === null ? bytes : bytes.subarray(0, cut % bytes.length);
      runs += 1;
      await parseElf(bytesReader(input), "x").then(
        () => (readable += 1),
        () => {},
      );
      return await survives(input);
    }),
    { numRuns: 1_000_000, interruptAfterTimeLimit: TIME, markInterruptAsFailure: false },
  );
  t.log(`${runs} changed files, of which ${readable} could be read`);
  // Without both, nothing was tried.
  t.true(runs > 500 && readable > runs / 100 && readable < runs);
});

test("random bytes behind a good start never do more than fail", async (t) => {
  t.timeout(10 * TIME);
  const start = fc
    .tuple(fc.constantFrom(1, 2), fc.constantFrom(1, 2))
    .map(([bits, endian]) => [0x7f, 0x45, 0x4c, 0x46, bits, endian]);
  let runs = 0;
  await fc.assert(
    fc.asyncProperty(start, fc.uint8Array({ maxLength: 4096, size: "max" }), async (head, tail) => {
      runs += 1;
      return await survives(Uint8Array.from([...head, ...tail]));
    }),
    { numRuns: 1_000_000, interruptAfterTimeLimit: TIME / 2, markInterruptAsFailure: false },
  );
  t.log(`${runs} files`);
  t.true(runs > 500);
});

test("files that ask for as much as they can: an answer soon, in less than 64 MB", async (t) => {
  const script = new URL("../../support/elf-worst-cases.ts", import.meta.url).pathname;
  const limits = ["--max-old-space-size=64", "--max-semi-space-size=1"];
  const { stdout } = await run(process.execPath, [...limits, "--import=tsx", script]);
  const lines = stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Record<string, unknown>);
  const megabytes = lines.pop()?.megabytes;
  t.true(lines.length > 10);
  for (const { what, result, milliseconds } of lines) {
    t.notRegex(String(result), /not a SlimError/, String(what));
    t.true(Number(milliseconds) < 2 * LONG, String(what));
    t.log(`${what}: ${result}, ${milliseconds} ms`);
  }
  t.true(Number(megabytes) < 64, `${megabytes} MB`);
  t.log(`${megabytes} MB more than before`);
});
