const XLSX = require("xlsx");
const book = XLSX.utils.book_new();
XLSX.utils.book_append_sheet(
  book,
  XLSX.utils.aoa_to_sheet([
    ["a", 1],
    ["b", 2],
  ]),
  "S",
);
const bytes = XLSX.write(book, { type: "buffer", bookType: "xlsx" });
console.log(XLSX.utils.sheet_to_json(XLSX.read(bytes).Sheets.S, { header: 1 }));
