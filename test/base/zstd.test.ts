import { execFileSync } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import test, { type ExecutionContext } from "ava";
import fc from "fast-check";
import { unzstd, zstd } from "../../src/base/zstd.ts";
import { failsWith } from "../support/slim-error.ts";
import { hasTool } from "../support/tools.ts";

async function* cut(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

async function whole(source: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for await (const part of source) parts.push(Buffer.from(part));
  return Buffer.concat(parts);
}

/** For megabytes, of which a difference need not be shown. */
function same(t: ExecutionContext, actual: Uint8Array, expected: Uint8Array): void {
  t.true(Buffer.compare(actual, expected) === 0, `${actual.length} bytes are not the ${expected.length} expected`);
}

/** Text with repetitions, and what cannot be compressed. */
const sample = Buffer.concat([
  Buffer.from(Array.from({ length: 60_000 }, (_, index) => `line ${index % 977} of ${index}\n`).join("")),
  createHash("sha512").update("x").digest(),
  randomBytes(700_000),
]);

test("what is packed in pieces of any size is the same, and unpacks to what it was", async (t) => {
  const packed = await whole(zstd(cut(sample, 65_536), 5));
  for (const size of [sample.length, 1021, 200_000]) {
    same(t, await whole(zstd(cut(sample, size), 5)), packed);
    same(t, await whole(unzstd(cut(packed, size), "test")), sample);
  }
});

test("two streams at once do not mix", async (t) => {
  const [a, b] = await Promise.all([sample, sample.subarray(5)].map((one) => whole(zstd(cut(one, 9999), 3))));
  same(t, await whole(unzstd(cut(a as Buffer, 77), "a")), sample);
  same(t, await whole(unzstd(cut(b as Buffer, 77), "b")), sample.subarray(5));
});

test("reads what zstd writes, and the other way round", async (t) => {
  if (!hasTool(t, "zstd")) return;
  const tool = (args: string[], input: Uint8Array) => execFileSync("zstd", args, { input, maxBuffer: 1 << 26 });
  for (const level of [1, 19]) {
    same(t, tool(["-dc"], await whole(zstd(cut(sample, 65_536), level))), sample);
    const theirs = tool(["-c", `-${level}`, "--check"], sample);
    same(t, await whole(unzstd(cut(theirs, 4096), "test")), sample);
    same(t, await whole(unzstd(cut(Buffer.concat([theirs, theirs]), 4096), "test")), Buffer.concat([sample, sample]));
  }
  same(t, tool(["-dc"], await whole(zstd(cut(Buffer.alloc(0), 1), 3))), Buffer.alloc(0));
});

test("a bomb is unpacked in small pieces", async (t) => {
  const packed = await whole(zstd(cut(Buffer.alloc(8_000_000), 65_536), 3));
  t.true(packed.length < 10_000);
  let size = 0;
  for await (const chunk of unzstd(cut(packed, packed.length), "bomb")) {
    t.true(chunk.length <= 131_072);
    size += chunk.length;
  }
  t.is(size, 8_000_000);
});

test("damage is an error, wherever it is", async (t) => {
  const packed = await whole(zstd(cut(sample.subarray(0, 200_000), 65_536), 3));
  t.regex(
    await failsWith(t, "INVALID", () => whole(unzstd(cut(packed.subarray(0, -1), 999), "test"))),
    /not a whole zstd stream/,
  );
  await failsWith(t, "INVALID", () => whole(unzstd(cut(Buffer.from("no zstd at all"), 999), "test")));
  await fc.assert(
    fc.asyncProperty(fc.nat(packed.length - 1), fc.integer({ min: 1, max: 255 }), async (at, change) => {
      const damaged = Buffer.from(packed);
      damaged[at] = (damaged[at] as number) ^ change;
      // Without a checksum not every change is noticed; but there is no other error, and no end to it.
      await whole(unzstd(cut(damaged, 999), "test")).catch((error: unknown) => {
        if ((error as { code?: string }).code !== "INVALID") throw error;
      });
    }),
    { numRuns: 60 },
  );
  // The module is in order afterwards.
  same(t, await whole(unzstd(cut(packed, 999), "test")), sample.subarray(0, 200_000));
});
