import { codeToHtml, bundledLanguages, createHighlighter } from "shiki";
import Prism from "prismjs";
import loadLanguages from "prismjs/components/index.js";
import hljs from "highlight.js";
import MarkdownIt from "markdown-it";
import { marked } from "marked";
import sanitize from "sanitize-html";
console.log(
  (await codeToHtml("let a = 1", { lang: "typescript", theme: "nord" })).length,
  Object.keys(bundledLanguages).length > 100,
);
const highlighter = await createHighlighter({ langs: ["python", "rust"], themes: ["vitesse-dark"] });
console.log(highlighter.codeToHtml("def a(): pass", { lang: "python", theme: "vitesse-dark" }).length);
loadLanguages(["haml", "rust"]);
console.log(Prism.highlight("fn main() {}", Prism.languages.rust, "rust"));
console.log(hljs.highlight("SELECT 1", { language: "sql" }).value, hljs.listLanguages().length);
console.log(
  new MarkdownIt({ highlight: (code, lang) => hljs.highlight(code, { language: lang }).value }).render(
    "```js\nlet a\n```",
  ),
  marked.parse("*a*"),
);
console.log(sanitize("<b onclick=x>hi<script>1</script></b>"));
