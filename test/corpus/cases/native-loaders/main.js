const { crc32 } = require("@node-rs/crc32");
const { ClassicLevel } = require("classic-level");
const lightningcss = require("lightningcss");
const swc = require("@swc/core");
const esbuild = require("esbuild");
const { Resvg } = require("@resvg/resvg-js");
const { open } = require("lmdb");
const snappy = require("snappy");
const { createCanvas } = require("@napi-rs/canvas");
const msgpackr = require("msgpackr");
(async () => {
  console.log(crc32("hello"));
  const level = new ClassicLevel("/tmp/level");
  await level.put("a", "1");
  console.log(await level.get("a"));
  console.log(
    lightningcss
      .transform({ filename: "a.css", code: Buffer.from("a { color: #ff0000 }"), minify: true })
      .code.toString(),
  );
  console.log(
    swc.transformSync("const a = <T,>(x: T) => x as any", { jsc: { parser: { syntax: "typescript" }, target: "es5" } })
      .code,
  );
  console.log((await esbuild.transform("let a: number = 1", { loader: "ts" })).code);
  console.log(new Resvg('<svg xmlns="http://www.w3.org/2000/svg" width="4" height="4"/>').render().asPng().length);
  const db = open({ path: "/tmp/lmdb" });
  await db.put("k", { a: 1 });
  console.log(db.get("k"));
  console.log(
    (await snappy.uncompress(await snappy.compress("x".repeat(100)))).length,
    msgpackr.unpack(msgpackr.pack({ a: [1] })),
  );
  const canvas = createCanvas(4, 4);
  canvas.getContext("2d").fillRect(0, 0, 2, 2);
  console.log(canvas.toBuffer("image/png").length);
  process.exit();
})();
