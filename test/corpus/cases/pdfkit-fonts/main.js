const PDFDocument = require("pdfkit");
const zlib = require("zlib");
const document = new PDFDocument({ compress: false, info: { CreationDate: new Date(0) } });
const chunks = [];
document.on("data", (c) => chunks.push(c));
document.on("end", () => {
  const text = Buffer.concat(chunks).toString("latin1");
  console.log(text.match(/\/BaseFont \/[\w-]+/g));
});
for (const name of ["Helvetica", "Times-Roman", "Courier-Bold", "Symbol", "ZapfDingbats"])
  document.font(name).text("x");
document.end();
