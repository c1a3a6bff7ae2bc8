const { render } = require("cfonts");
const figlet = require("figlet");
console.log(render("hi", { font: "block", env: "node" }).string);
console.log(render("ok", { font: "tiny", env: "node" }).string);
console.log(figlet.textSync("slim"));
figlet.text("x", { font: "Ghost" }, (error, text) => console.log(error ? String(error) : text));
import("boxen").then(({ default: boxen }) => console.log(boxen("hello", { borderStyle: "double" })));
