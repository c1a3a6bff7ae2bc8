import { PDFDocument, StandardFonts } from "pdf-lib";
import { getDocument } from "pdfjs-dist/legacy/build/pdf.mjs";
const document = await PDFDocument.create();
const page = document.addPage();
page.drawText("Hello corpus", { font: await document.embedFont(StandardFonts.Helvetica) });
const read = await getDocument({ data: await document.save(), verbosity: 0 }).promise;
const content = await (await read.getPage(1)).getTextContent();
console.log(
  read.numPages,
  content.items.map((item) => item.str),
);
process.exit();
