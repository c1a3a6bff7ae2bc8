import { mkdtemp, rm } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { gzipSync } from "node:zlib";
import test from "ava";
import fc from "fast-check";
import { Cache } from "../../../src/layer/cache.ts";
import { contentsReader, packagesReader } from "../../../src/sources/debian/indices.ts";
import { standardLibrary } from "../../../src/sources/debian/library.ts";
import { loadTable, type RowReader } from "../../../src/sources/debian/table.ts";
import { failsWith } from "../../support/slim-error.ts";

const folder = await mkdtemp(path.join(os.tmpdir(), "slim-table-"));
test.after.always(() => rm(folder, { recursive: true }));
const cache = new Cache(folder);

async function table(text: string, reader: () => RowReader, limit = 2 ** 30) {
  const packed = gzipSync(Buffer.from(text, "latin1"), { level: 1 });
  const content = await cache.add(
    (async function* () {
      yield packed;
    })(),
  );
  return loadTable(cache, "test", { name: "Index.gz", content, limit }, reader);
}

test("every package is found wherever the stream is cut", async (t) => {
  // Long descriptions move the ends of chunks over all places of a stanza.
  const stanza = fc.record({
    name: fc.stringMatching(/^[a-z][a-z0-9+.-]{1,12}$/),
    size: fc.nat(),
    filler: fc.integer({ min: 0, max: 400_000 }),
  });
  await fc.assert(
    fc.asyncProperty(
      fc.uniqueArray(stanza, { selector: ({ name }) => name, minLength: 1, maxLength: 12 }),
      fc.boolean(),
      async (all, newline) => {
        const text = all
          .map(
            ({ name, size, filler }) =>
              `Package: ${name}\nVersion: 1\nDescription: ${"x".repeat(filler)}\n Size: 0\nFilename: pool/${name}\nSHA256: s\nSize: ${size}\n`,
          )
          .join("\n");
        const found = await table(newline ? `${text}\n` : text, packagesReader);
        for (const { name, size } of all) t.deepEqual(found.rows(name), [["1", `pool/${name}`, "s", String(size)]]);
        t.deepEqual(found.rows("none!"), []);
      },
    ),
    { numRuns: 40 },
  );
});

test("several versions, missing fields, prefixes of names", async (t) => {
  const entry = (name: string, version: string) =>
    `Package: ${name}\nVersion: ${version}\nFilename: f\nSHA256: s\nSize: 1\n\n`;
  const found = await table(
    `${entry("a", "1")}${entry("ab", "2")}${entry("a", "3")}Package: c\nVersion: 1\n\n`,
    packagesReader,
  );
  t.deepEqual(
    found.rows("a").map(([version]) => version),
    ["1", "3"],
  );
  t.deepEqual(found.rows("c"), []);
  t.deepEqual(found.rows("b"), []);
});

test("libraries in standard folders alone", async (t) => {
  const lines = [
    "usr/lib/x86_64-linux-gnu/liba.so.1                    libs/liba1",
    "usr/lib/liba.so.1\tcontrib/libs/liba-alt,libs/liba-more",
    "usr/lib/aarch64-linux-gnu/liba.so.1 libs/wrong",
    "usr/lib/x86_64-linux-gnu/plugins/liba.so.1 libs/wrong",
    "usr/share/lib/liba.so.1 libs/wrong",
    "lib/x86_64-linux-gnu/libb.so libs/libb",
    "usr/lib/x86_64-linux-gnu/libc.sock libs/wrong",
  ];
  const found = await table(`${lines.join("\n")}\n`, () => contentsReader(standardLibrary("amd64")));
  t.deepEqual(found.rows("liba.so.1"), [["liba1"], ["liba-alt,liba-more"]]);
  t.deepEqual(found.rows("libb.so"), [["libb"]]);
  t.deepEqual(found.rows("libc.sock"), []);
});

test("more than the index may be is refused, as is a line without end", async (t) => {
  await failsWith(t, "ARCHIVE_UNSAFE", () => table("x\n".repeat(100_000), packagesReader, 100_000));
  await failsWith(t, "DEBIAN", () => table("x".repeat(3_000_000), packagesReader));
});
