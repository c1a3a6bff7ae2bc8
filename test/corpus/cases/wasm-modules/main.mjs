import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { initWasm, Resvg } from "@resvg/resvg-wasm";
import { Parser, Language } from "web-tree-sitter";
import Yoga from "yoga-layout";
const require = createRequire(import.meta.url);
await initWasm(await readFile(require.resolve("@resvg/resvg-wasm/index_bg.wasm")));
console.log(
  new Resvg(
    '<svg xmlns="http://www.w3.org/2000/svg" width="4" height="4"><rect width="4" height="4" fill="red"/></svg>',
  )
    .render()
    .asPng().length,
);
await Parser.init();
console.log(typeof new Parser().parse, typeof Language.load);
const node = Yoga.Node.create();
node.setWidth(100);
node.calculateLayout(undefined, undefined);
console.log(node.getComputedWidth());
