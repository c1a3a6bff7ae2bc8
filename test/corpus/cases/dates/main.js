const m = require("moment");
m.locale("de");
console.log(
  m("2020-01-01").format("MMMM"),
  require("moment-timezone").tz("2020-01-01", "Europe/Berlin").format(),
  require("dayjs")("2020-01-01").format(),
  require("luxon").DateTime.fromISO("2020-01-01").toISODate(),
  require("date-fns").format(new Date(0), "yyyy"),
  require("lodash").chunk([1, 2, 3], 2),
  require("iconv-lite").decode(Buffer.from([0xe4]), "latin1"),
  require("cheerio").load("<a>x</a>")("a").text(),
);
