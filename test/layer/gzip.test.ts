import { gunzipSync } from "node:zlib";
import test from "ava";
import fc from "fast-check";
import { gzip } from "../../src/layer/gzip.ts";

async function packed(chunks: readonly Uint8Array[], level = 6): Promise<Buffer> {
  async function* source() {
    yield* chunks;
  }
  const parts: Uint8Array[] = [];
  for await (const part of gzip(source(), level)) parts.push(part);
  return Buffer.concat(parts);
}

function cut(bytes: Uint8Array, size: number): Uint8Array[] {
  const chunks: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; at += size) chunks.push(bytes.subarray(at, at + size));
  return chunks;
}

test("zlib unpacks what was packed, whatever it is", async (t) => {
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 5000 }), fc.integer({ min: 1, max: 9 }), async (bytes, level) => {
      t.deepEqual(gunzipSync(await packed([bytes], level)), Buffer.from(bytes));
    }),
    { numRuns: 50 },
  );
});

test("the bytes do not depend on how the input comes in pieces, across several blocks", async (t) => {
  const bytes = Buffer.from(Array.from({ length: 2_500_000 }, (_, at) => (at * at) >> (at % 13)));
  const whole = await packed([bytes]);
  t.deepEqual(gunzipSync(whole), bytes);
  for (const size of [64 * 1024, 999_999, 1 << 20]) t.true(whole.equals(await packed(cut(bytes, size))), `${size}`);
});

test("the header has no time and no system", async (t) => {
  const bytes = await packed([]);
  t.deepEqual([...bytes.subarray(0, 10)], [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff]);
  t.is(gunzipSync(bytes).length, 0);
});
