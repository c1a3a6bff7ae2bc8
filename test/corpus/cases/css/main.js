const postcss = require("postcss");
const less = require("less");
const sass = require("sass");
const path = require("path");
const { minify } = require("terser");
(async () => {
  const load = require("postcss-load-config");
  const { plugins } = await load({}, __dirname);
  console.log((await postcss(plugins).process("a { user-select: none; color: #ff0000 }", { from: undefined })).css);
  console.log((await less.render('@import "base"; .b { .mixin() }', { paths: [path.join(__dirname, "styles")] })).css);
  console.log(sass.compile(path.join(__dirname, "styles/main.scss")).css);
  console.log((await minify("function add(first, second) { return first + second }")).code);
})();
