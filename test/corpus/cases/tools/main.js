// Tools as libraries: they load their parts by name.
(async () => {
  const { ESLint } = require("eslint");
  const eslint = new ESLint({
    overrideConfigFile: true,
    overrideConfig: { rules: { semi: "error", "no-unused-vars": "error" } },
  });
  const [result] = await eslint.lintText("var a = 1");
  console.log(result.messages.map((m) => m.ruleId));
  const prettier = require("prettier");
  for (const [parser, code] of [
    ["babel", "a  =  1"],
    ["typescript", "let a :number=1"],
    ["css", "a{b:c}"],
    ["markdown", "*  a"],
    ["yaml", "a:   1"],
    ["html", "<p >x</p>"],
    ["graphql", "{a}"],
  ])
    console.log(parser, JSON.stringify(await prettier.format(code, { parser })));
  const formatter = await eslint.loadFormatter("stylish");
  console.log(formatter.format([result]).includes("semi"));
})();
