const ts = require("typescript");
console.log(ts.transpileModule("const a: number = 1", {}).outputText);
const program = ts.createProgram([`${__dirname}/input.ts`], { noEmit: true, strict: true, types: [] });
console.log(ts.getPreEmitDiagnostics(program).map((d) => ts.flattenDiagnosticMessageText(d.messageText, "\n")));
