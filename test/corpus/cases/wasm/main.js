require("sql.js")().then((S) => {
  const d = new S.Database();
  console.log(JSON.stringify(d.exec("select 1+1")));
});
const { get_encoding } = require("tiktoken");
console.log(get_encoding("cl100k_base").encode("hello world").length);
