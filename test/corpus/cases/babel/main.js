const babel = require("@babel/core");
console.log(
  babel.transformSync("const a = () => <b/>; a?.b", {
    presets: [["@babel/preset-env", { targets: "ie 11" }], "@babel/preset-react"],
    babelrc: false,
    configFile: false,
    cwd: __dirname,
    filename: "/app/x.js",
  }).code,
);
console.log(
  babel.transformSync("class A { #x = 1 }", { presets: ["@babel/env"], babelrc: false, configFile: false }).code
    .length > 100,
);
