const P = require("pdfkit");
const d = new P();
let n = 0;
d.on("data", (c) => (n += c.length));
d.on("end", () => console.log("pdf", n > 500));
d.font("Helvetica").text("x");
d.end();
const z = new (require("adm-zip"))();
z.addFile("a", Buffer.from("x"));
console.log(z.toBuffer().length > 10);
require("pdf-lib")
  .PDFDocument.create()
  .then(async (p) => {
    p.addPage();
    console.log((await p.save()).length > 100);
  });
const { Jimp } = require("jimp");
console.log(new Jimp({ width: 2, height: 2 }).bitmap.width);
const a = require("archiver");
console.log(typeof a);
