import test from "ava";
import { bytesReader } from "../../../src/closure/elf/reader.ts";
import { findTexts } from "../../../src/closure/elf/strings.ts";

test("texts are found wherever they lie, whole and once", async (t) => {
  const wanted = /(?<=\0)lib[a-z]+\.so(?=\0)/g;
  for (const at of [1, 65_500, 65_530, 65_535, 65_536, 65_540, 200_000]) {
    const bytes = Buffer.alloc(300_000, "x");
    bytes.write("\0libboundary.so\0", at, "latin1");
    bytes.write("\0libboundary.so\0", 250_000, "latin1");
    t.deepEqual(await findTexts(bytesReader(bytes), wanted), ["libboundary.so"], String(at));
  }
  t.deepEqual(await findTexts(bytesReader(Buffer.alloc(0)), wanted), []);
});
